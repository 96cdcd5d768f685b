"""Datasets published without pictures, completed from a little web."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from emo8.cli import main
from emo8.core import schema
from emo8.core.images import decode
from emo8.dataset.removal import add
from emo8.measure.filters.base import prepare, square_hash
from tests.emo8.web.conftest import Site

Row = dict[str, Any]
ALLOW = ["--allow-network", "127.0.0.0/8", "--fetch", "host_delay_s=0"]


def withhold(folder: Path, site: Site) -> dict[str, Row]:
    """Turn JPEG rows of a release into rows with address and hash; all rows by id come back.

    The id of a row is made that of its published bytes, which the site then serves.
    """
    rows: dict[str, Row] = {}
    for path in sorted(folder.glob("data/*/*.parquet")):
        table = pq.read_table(path)
        changed = []
        for row in table.to_pylist():
            data = row["image"]["bytes"]
            row["id"] = hashlib.sha256(data).hexdigest()
            row["source_url"] = f"{site.base}/{row['id'][:8]}.jpg"
            site.pages[f"/{row['id'][:8]}.jpg"] = (200, {}, data)
            rows[row["id"]] = dict(row)
            changed.append({**row, "image": None, "published_sha256": None})
        out = pa.Table.from_pylist(changed, schema=schema.published_schema())
        pq.write_table(out.replace_schema_metadata(table.schema.metadata), path)
    return rows


def read(folder: Path) -> dict[str, Row]:
    return {
        row["id"]: row
        for path in sorted(folder.glob("data/*/*.parquet"))
        for row in pq.read_table(path).to_pylist()
    }


def test_hydrate__fills_checks_and_honours_removals(
    spoiled: Path, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = withhold(spoiled, site)
    gone, other, removed, refused = sorted(rows)[:4]
    site.pages[f"/{gone[:8]}.jpg"] = (404, {}, b"")
    site.pages[f"/{other[:8]}.jpg"] = site.page("/77.jpg")
    site.pages[f"/{refused[:8]}.jpg"] = (200, {"X-Robots-Tag": "noai"}, b"")
    removals = tmp_path / "removals.jsonl"
    monkeypatch.setenv("EMO8_REMOVALS", str(removals))
    add(removed, "asked for", [], removals)

    out = tmp_path / "OUT"
    assert main(["hydrate", str(spoiled), "-o", str(out), *ALLOW]) == 0
    with (out / "hydrate.csv").open(newline="") as file:
        lost = {line["id"]: (line["reason"], line["cause"]) for line in csv.DictReader(file)}
    assert lost == {
        gone: ("fetch_failed", "http_404"),
        other: ("fetch_failed", "hash_mismatch"),
        refused: ("opt_out", "x-robots-tag noai"),
        removed: ("removed", "on the removal list"),
    }
    assert f"/{removed[:8]}.jpg" not in site.asked
    found = read(out)
    assert set(found) == set(rows) - {removed}  # who asked to be out is out
    for key, row in found.items():
        whole = key not in lost
        assert (row["image"] is not None) == whole == (row["published_sha256"] is not None)
        if whole:
            assert row["image"]["bytes"] == rows[key]["image"]["bytes"]
            assert {k: v for k, v in row.items() if k != "image"} == {
                k: v for k, v in rows[key].items() if k != "image"
            }
    assert not (tmp_path / ".OUT.partial").exists()
    data = load_dataset(str(out))
    pictures = [row["image"] for part in data.values() for row in part]
    assert sum(picture is not None for picture in pictures) == len(rows) - 4

    # a second pass asks for what is missing, and for nothing else
    asked = site.pictures()
    site.pages[f"/{gone[:8]}.jpg"] = (200, {}, rows[gone]["image"]["bytes"])
    assert main(["hydrate", str(out), "-o", str(tmp_path / "OUT2"), *ALLOW]) == 0
    assert read(tmp_path / "OUT2")[gone]["image"]["bytes"] == rows[gone]["image"]["bytes"]
    assert site.pictures().total() == asked.total() + 3


def test_hydrate__pictures_that_were_there_leave_too(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read(released)
    by_id, by_hash, by_look = sorted(rows)[:3]
    removals = tmp_path / "removals.jsonl"
    monkeypatch.setenv("EMO8_REMOVALS", str(removals))
    square = prepare(b"", decode(rows[by_look]["image"]["bytes"])).square
    for key in (by_id, rows[by_hash]["published_sha256"], f"{square_hash(square):016x}"):
        add(key, "asked for", [], removals)
    assert main(["hydrate", str(released), "-o", str(tmp_path / "OUT")]) == 0
    left = read(tmp_path / "OUT")
    assert set(rows) - set(left) >= {by_id, by_hash, by_look}
    for config in ("default", "labels"):
        parts = load_dataset(str(tmp_path / "OUT"), config).values()
        assert {key for part in parts for key in part["id"]} == set(left)


def test_hydrate__from_the_rows_without_pictures(spoiled: Path, site: Site, tmp_path: Path) -> None:
    rows = withhold(spoiled, site)
    bare = schema.published_schema(images=False)
    for path in spoiled.glob("labels/*.parquet"):
        path.unlink()
    table = pa.Table.from_pylist([{**row, "image": None} for row in rows.values()], schema=bare)
    pq.write_table(table, spoiled / "labels" / "train-00000.parquet")
    shutil.rmtree(spoiled / "data")
    out = tmp_path / "OUT"
    assert main(["hydrate", str(spoiled), "-o", str(out), *ALLOW]) == 0
    found = read(out)
    assert {k: v["image"]["bytes"] for k, v in found.items()} == {
        k: v["image"]["bytes"] for k, v in rows.items()
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fetch", "robot_txt=false"], "robots_txt"),
        (["--fetch", "host_delay_s"], "host_delay_s"),
        (["--allow-network", "300.0.0.0/8"], "300.0.0.0/8"),
    ],
)
def test_hydrate__mistakes_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["hydrate", str(tmp_path), "-o", str(tmp_path / "OUT"), *options]) == 2
    assert message in capsys.readouterr().err


def test_hydrate__a_folder_without_rows_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hydrate", str(tmp_path), "-o", str(tmp_path / "OUT")]) == 2
    assert "labels" in capsys.readouterr().err


def test_hydrate__never_writes_into_a_folder_in_use(
    released: Path, capsys: pytest.CaptureFixture[str], rewrite: Callable[..., None]
) -> None:
    assert main(["hydrate", str(released), "-o", str(released)]) == 2
    assert "not empty" in capsys.readouterr().err
