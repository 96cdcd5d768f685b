"""The audit names every place in a release that holds more than the dataset."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save_file

from emo8.cli import main
from emo8.publish.audit import audit
from tests.conftest import encoded, picture


def kinds(root: Path, *forbidden: str) -> set[tuple[str, str]]:
    return {(find.kind, find.file) for find in audit(root, forbidden)}


def test_audit__release_is_clean(
    released: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(released) == []
    assert main(["publish", str(released), "--audit"]) == 0
    assert main(["publish", str(small / "BUILD"), "--audit"]) == 0
    assert "nothing found" in capsys.readouterr().out


def test_audit__picture_with_camera_metadata_is_named_with_its_byte(
    spoiled: Path, rewrite: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET PLACE"
    data = encoded(picture(5), exif=exif)

    def edit(rows: list[dict[str, object]]) -> None:
        rows[0]["image"] = {"bytes": data, "path": "x.jpg"}

    path = spoiled / "data" / "natural" / "train-00000.parquet"
    rewrite(path, edit)
    assert main(["publish", str(spoiled), "--audit"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "exif" in line][:1]
    key = pq.read_table(path)["id"][0].as_py()
    assert key[:12] in line and "natural/train-00000.parquet" in line
    assert f"at byte {data.index(bytes([0xFF, 0xE1]))} " in line
    assert "SECRET" not in line


def test_audit__texts_footers_and_headers(spoiled: Path) -> None:
    card = spoiled / "README.md"
    card.write_text(card.read_text() + "\nmade in /home/ada/data, token hf_" + "a" * 30 + "\n")
    shard = next(spoiled.glob("labels/*.parquet"))
    table = pq.read_table(shard)
    pq.write_table(table.replace_schema_metadata({"pandas": "{'path': '/tmp/x/y'}"}), shard)
    save_file({"w": np.zeros(1)}, spoiled / "m.safetensors", {"out": "/root/runs/7"})
    (spoiled / "metrics.jsonl").write_text(json.dumps({"step": 1, "host": "gpu-node-17"}) + "\n")
    (spoiled / "core.bin").write_bytes(b"x")
    assert kinds(spoiled, "gpu-node-17") == {
        ("local_path", "README.md"),
        ("secret", "README.md"),
        ("unknown", shard.relative_to(spoiled).as_posix()),
        ("local_path", "m.safetensors"),
        ("local_path", "metrics.jsonl"),
        ("unknown", "core.bin"),
    }
    finds = {find.kind: find.offset for find in audit(spoiled) if find.file == "README.md"}
    data = card.read_bytes()
    assert finds == {"local_path": data.index(b"/home/ada"), "secret": data.index(b"hf_aaa")}
    header = (spoiled / "m.safetensors").read_bytes()
    (find,) = [find for find in audit(spoiled) if find.file == "m.safetensors"]
    assert header[find.offset :].startswith(b"/root/runs")
