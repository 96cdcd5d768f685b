"""The audit names every place in a release that holds more than the dataset."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save_file

from emo8.cli import main
from emo8.publish.audit import audit
from emo8.report import figures
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


def test_audit__secret_in_a_caption_is_named_with_row_column_and_place(
    spoiled: Path, rewrite: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def edit(rows: list[dict[str, object]]) -> None:
        rows[1]["caption"] = "seen at /scratch/ada/in.jpg"

    path = spoiled / "data" / "natural" / "train-00000.parquet"
    rewrite(path, edit)
    assert main(["publish", str(spoiled), "--audit"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert pq.read_table(path)["id"][1].as_py()[:12] in line and "in caption" in line
    at = int(line.split(" at byte ")[1].split()[0])
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    (caption,) = [column for column in columns if column.path_in_schema == "caption"]
    assert at == caption.dictionary_page_offset or at == caption.data_page_offset


def test_audit__report_of_a_build_and_the_pictures_in_its_page(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = Path(shutil.copytree(small / "BUILD", tmp_path / "BUILD"))
    assert main(["report", str(build)]) == 0
    assert main(["report", str(build), "--duplicates"]) == 0
    assert main(["publish", str(build), "--audit"]) == 0
    exif = Image.Exif()
    exif[0x010E] = "SECRET PLACE"
    hidden = figures.data_uri(encoded(picture(5), "PNG", exif=exif))
    page = build / "report" / "report.html"
    page.write_text(page.read_text().replace("</body>", f'<img src="{hidden}"></body>'))
    stats = build / "report" / "stats.json"
    stats.write_text(json.dumps({"by": "/home/ada/BUILD"}))
    capsys.readouterr()
    assert {("exif", "report/report.html"), ("local_path", "report/stats.json")} == {
        (find.kind, find.file) for find in audit(build, inside="report/")
    }
    (find,) = [find for find in audit(build, inside="report/") if find.kind == "exif"]
    assert page.read_bytes()[find.offset :].startswith(b"data:image/png;base64,")


def test_audit__folder_that_is_none_of_ours_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    assert main(["publish", str(tmp_path / "typo"), "--audit"]) == 2
    assert not (tmp_path / "typo").exists()


def test_audit__user_of_the_machine_in_metrics_but_not_as_publisher_of_a_release(
    spoiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "lovelace7")
    run = tmp_path / "RUN"
    run.mkdir()
    (run / "metrics.jsonl").write_text('{"step": 1, "by": "lovelace7"}\n{"by": "xlovelace77"}\n')
    (find,) = audit(run)
    assert (find.kind, find.offset) == ("local_path", 19)
    card = spoiled / "README.md"
    card.write_text(card.read_text() + "\nhttps://example.org lovelace7/small\n")
    assert audit(spoiled) == []


def test_audit__file_that_is_not_what_its_name_says_is_damaged(spoiled: Path) -> None:
    (spoiled / "a.safetensors").write_bytes(b"\xff" * 40)
    (spoiled / "b.safetensors").write_bytes(b"\x04" + bytes(7) + b"[[]]")
    (spoiled / "labels" / "c.parquet").write_bytes(b"PAR1 and no more")
    found = {(find.file, find.kind) for find in audit(spoiled)}
    damaged = ("a.safetensors", "b.safetensors", "labels/c.parquet")
    assert found == {(name, "damaged") for name in damaged}
