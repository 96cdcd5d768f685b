"""Planted leaks, bridges and audits, on builds as a user makes them."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from emo8.cli import main
from emo8.core.errors import Emo8Error
from emo8.duplicates import fingerprints
from emo8.engine.files import read_fingerprint, write_part
from emo8.pipeline.run import build
from tests.conftest import encoded, picture, write_recipe

SOURCE = '[[source]]\nkind = "folder"\npath = "pictures"\nstyle = "natural"\n'


def save(folder: Path, name: str, image: Image.Image, **options: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(encoded(image, **options))


def left(target: Path) -> dict[str, dict[str, object]]:
    rows = pq.read_table(target / "tables" / "rejected.parquet").to_pylist()
    return {row["source_path"]: row for row in rows}


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    """Fingerprints of a benchmark of eight pictures, by the command."""
    for seed in range(8):
        save(tmp_path / "bench" / "test" / "awe", f"{seed}.jpg", picture(500 + seed))
    save(tmp_path / "bench" / "train" / "awe", "other.jpg", picture(600))
    out = tmp_path / "bench.parquet"
    command = ["leaks", "take", str(tmp_path / "bench"), "-o", str(out), "--split", "test"]
    assert main([*command, "--name", "Bench"]) == 0
    return out


def test_leaks__recompressed_resized_mirrored_and_framed_are_stopped(
    tmp_path: Path, benchmark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {
        "same.jpg": encoded(picture(500)),
        "recompressed.jpg": encoded(picture(501), quality=30),
        "resized.png": encoded(picture(502).resize((97, 71)), "PNG"),
        "mirrored.jpg": encoded(picture(503).transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        "grey.jpg": encoded(picture(504).convert("L")),
        "cropped.jpg": encoded(picture(505).crop((6, 3, 154, 116))),
        "clean.jpg": encoded(picture(700)),
        "in-train.jpg": encoded(picture(600)),
    }
    (tmp_path / "pictures").mkdir()
    for name, data in changed.items():
        (tmp_path / "pictures" / name).write_bytes(data)
    recipe = write_recipe(tmp_path, SOURCE + '[leaks]\nfiles = ["bench.parquet"]')
    build(recipe, tmp_path / "BUILD", workers=1)
    reasons = {
        name: (row["reason"], row["detail"]) for name, row in left(tmp_path / "BUILD").items()
    }
    leaked = [name for name in changed if name not in ("clean.jpg", "in-train.jpg")]
    assert reasons == dict.fromkeys(leaked, ("leak", "Bench"))
    named = pq.read_table(tmp_path / "BUILD" / "tables" / "leaks.parquet").to_pylist()
    assert len(named) == len(leaked)
    assert {row["benchmark_id"] for row in named} == {f"test/awe/{n}.jpg" for n in range(6)}
    card = (tmp_path / "BUILD" / "dataset" / "README.md").read_text()
    assert f"looked for: Bench ({len(leaked)} rows left)" in card


def test_leaks__blank_and_tiny_benchmarks_stop_nobody_else(tmp_path: Path) -> None:
    for number, size in enumerate([(200, 150), (1, 1), (300, 1)]):
        for shade in (0, 255):
            image = Image.new("RGB", size, (shade,) * 3)
            save(tmp_path / "bench", f"{number}-{shade}.png", image, fmt="PNG")
    out = tmp_path / "bench.parquet"
    assert main(["leaks", "take", str(tmp_path / "bench"), "-o", str(out), "--name", "Odd"]) == 0
    for seed in range(3):
        save(tmp_path / "pictures", f"{seed}.jpg", picture(seed))
    recipe = write_recipe(tmp_path, SOURCE + '[leaks]\nfiles = ["bench.parquet"]')
    build(recipe, tmp_path / "BUILD", workers=1)
    assert not left(tmp_path / "BUILD")


def test_fingerprint__holds_no_picture_and_reads_back(benchmark: Path) -> None:
    prints = fingerprints.read(benchmark)
    assert len(prints) == 8 and prints.about.name == "Bench"
    assert pq.read_schema(benchmark).names == fingerprints.SCHEMA.names
    assert benchmark.stat().st_size < 30_000
    found = fingerprints.match(prints, prints, max_distance=20, min_sim=0.8)
    assert (found.row == np.arange(8)).all() and (found.distance == 0).all()


def test_leaks__unusable_files_are_named(tmp_path: Path) -> None:
    save(tmp_path / "pictures", "a.jpg", picture(1))
    recipe = write_recipe(tmp_path, SOURCE + '[leaks]\nfiles = ["none.parquet"]')
    with pytest.raises(Emo8Error, match=r"none\.parquet.*emo8 leaks take"):
        build(recipe, tmp_path / "BUILD", workers=1)
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "none.parquet")
    with pytest.raises(Emo8Error, match=r"holds no fingerprints"):
        build(recipe, tmp_path / "BUILD", workers=1)


def test_splits__a_cluster_that_joins_train_and_test_sends_the_train_side_away(
    tmp_path: Path,
) -> None:
    save(tmp_path / "pictures", "left.png", picture(40), fmt="PNG")
    save(tmp_path / "pictures", "right.png", picture(40).resize((144, 108)), fmt="PNG")
    save(tmp_path / "pictures", "alone.png", picture(41), fmt="PNG")
    strict = "[decide]\nmax_near_residual = 0.0\nmax_crop_residual = 0.0"
    recipe, target = write_recipe(tmp_path, SOURCE + strict), tmp_path / "BUILD"
    build(recipe, target, workers=1)
    assert not left(target)
    table = pq.read_table(target / "tables" / "splits.parquet")
    rows = table.to_pylist()
    verdicts = pq.read_table(target / "tables" / "verdicts.parquet").to_pylist()
    name_of = {row["id"]: row["source_path"] for row in verdicts}
    for row in rows:
        row["split"] = "test" if name_of[row["id"]] == "right.png" else "train"
    path = target / "tables" / "splits.parquet"
    schema = pa.schema([("id", pa.string()), ("split", pa.string())])
    write_part(pa.Table.from_pylist(rows, schema), path, read_fingerprint(path) or "")
    recipe = write_recipe(tmp_path, SOURCE)  # now they count as copies
    build(recipe, target, workers=1)
    assert left(target)["left.png"]["reason"] == "split_bridge"
    now = pq.read_table(target / "tables" / "verdicts.parquet").to_pandas().set_index("source_path")
    assert now.loc["right.png", "split"] == "test"
    assert now.loc["alone.png", "split"] == "train"
    told = json.loads((target / "report" / "splits.json").read_text())
    assert told["left_as_split_bridge"] == 1
    again = build(recipe, target, workers=1)
    assert again.already_complete


@pytest.mark.slow
def test_splits__keep_names_a_published_dataset_whose_rows_stay_put(tmp_path: Path) -> None:
    for seed in range(12):
        save(tmp_path / "pictures", f"{seed}.jpg", picture(seed))
    shares = "[splits]\ntrain = 0.5\nval = 0.25\ntest = 0.25\n"
    build(write_recipe(tmp_path, SOURCE + shares), tmp_path / "OLD", workers=1)
    before = pq.read_table(tmp_path / "OLD" / "tables" / "verdicts.parquet").to_pandas()
    for seed in range(12, 20):
        save(tmp_path / "pictures", f"{seed}.jpg", picture(seed))
    other = shares.replace("[splits]", 'seed = 5\n[splits]\nkeep = ["OLD/dataset"]')
    build(write_recipe(tmp_path, other + SOURCE), tmp_path / "NEW", workers=1)
    after = pq.read_table(tmp_path / "NEW" / "tables" / "verdicts.parquet").to_pandas()
    now = after.set_index("id")["split"]
    assert now.loc[before["id"]].tolist() == before["split"].tolist()
    assert len(now) == 20 and before["split"].nunique() == 3


def test_check_splits__copies_across_splits_fail_and_clean_ones_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    for seed in range(4):
        save(data / "train" / "awe", f"{seed}.jpg", picture(seed))
        save(data / "test" / "fear", f"{seed}.jpg", picture(50 + seed))
    assert main(["leaks", "check", str(data)]) == 0
    assert "no awe in test" in capsys.readouterr().out
    save(data / "test" / "fear", "again.jpg", picture(2), quality=40)
    (data / "test" / "fear" / "same.jpg").write_bytes((data / "train/awe/3.jpg").read_bytes())
    (data / "test" / "fear" / "broken.jpg").write_bytes(b"no picture")
    assert main(["leaks", "check", str(data), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["exact_pairs_across_splits"] == 1 and report["near_pairs_across_splits"] == 1
    assert report["unreadable"] == 1 and report["splits"] == {"test": 6, "train": 4}


def test_check_splits__reads_a_published_dataset(small: Path) -> None:
    assert main(["leaks", "check", str(small / "BUILD" / "dataset")]) == 0


def test_check_splits__nothing_there_is_a_users_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaks", "check", str(tmp_path / "none")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_duplicates__sheets_show_the_clusters(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheets = str(tmp_path / "sheets")
    assert main(["report", str(small / "BUILD"), "--duplicates", "-o", sheets]) == 0
    assert capsys.readouterr().out.startswith("2 clusters")
    sheet = np.asarray(Image.open(tmp_path / "sheets" / "clusters-000.png"))
    assert sheet.std() > 20
    assert "clusters-000.png" in (tmp_path / "sheets" / "index.html").read_text()
