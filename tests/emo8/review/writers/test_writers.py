"""Tasks out and answers back: what each tool would write of them finds its rows again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from emo8.cli import main
from emo8.core.errors import Emo8Error
from emo8.core.taxonomy import EMOTIONS
from emo8.review.vote_files import import_votes
from emo8.review.votes import read_votes
from emo8.review.writers import label_studio, writer


@pytest.fixture
def build(small: Path, tmp_path: Path) -> Path:
    """A copy of the small build."""
    return Path(shutil.copytree(small / "BUILD", tmp_path / "BUILD"))


def _export(build: Path, tool: str, name: str, *more: str) -> Path:
    file = build.parent / name
    words = ["review", str(build), "--export", str(file), "--format", tool, "--pick", "all", *more]
    assert main(words) == 0
    return file


def _kept(build: Path) -> set[str]:
    verdicts = pq.read_table(build / "tables" / "verdicts.parquet").to_pandas()
    return set(verdicts.loc[verdicts["reason"].isna(), "id"])


def _expected(build: Path, said: dict[str, str]) -> None:
    votes = read_votes(build)
    assert dict(zip(votes["id"], votes["emotion"])) == said
    assert set(said) == _kept(build)


def test_label_studio__tasks_are_answered_and_come_home(build: Path) -> None:
    file = _export(build, "label-studio", "tasks.json", "--claims")
    tasks = json.loads(file.read_text())
    said: dict[str, str] = {}
    for number, task in enumerate(tasks):
        picture = file.parent / task["data"]["image"].removeprefix("/data/local-files/?d=")
        assert Image.open(picture).size[0] > 60
        prediction = task["predictions"][0]["result"][0]
        assert prediction["value"]["choices"][0] in EMOTIONS
        said[task["data"]["emo8_id"]] = emotion = EMOTIONS[number % 8]
        del task["data"]["emo8_id"], task["data"]["emo8_style"]  # the picture's name is enough
        answer = {**prediction, "value": {"choices": [emotion]}}
        task |= {"id": number, "annotations": [{"completed_by": 1, "result": [answer]}]}
    done = build.parent / "done.json"
    done.write_text(json.dumps(tasks))
    import_votes(build, done)
    _expected(build, said)
    root = ElementTree.fromstring(file.with_suffix(".xml").read_text())
    assert [c.get("value") for c in root.iter("Choice")][:8] == list(EMOTIONS)


def test_cvat__tags_are_set_and_come_home(build: Path) -> None:
    file = _export(build, "cvat", "annotations.xml", "--claims")
    root = ElementTree.parse(file).getroot()
    said: dict[str, str] = {}
    for number, image in enumerate(root.iter("image")):
        assert image.find("tag").get("source") == "auto"  # type: ignore[union-attr]
        picture = Image.open(file.parent / "annotations_pictures" / image.get("name", ""))
        assert picture.size == (int(image.get("width", "")), int(image.get("height", "")))
        said[Path(image.get("name", "")).stem] = EMOTIONS[number % 8]
        ElementTree.SubElement(image, "tag", label=EMOTIONS[number % 8], source="manual")
    done = build.parent / "done.xml"
    ElementTree.ElementTree(root).write(done)
    import_votes(build, done, annotator="ann")
    _expected(build, said)
    labels = json.loads((file.parent / "annotations_labels.json").read_text())
    assert {label["type"] for label in labels} == {"tag"}


def test_argilla__records_are_answered_and_come_home(build: Path) -> None:
    file = _export(build, "argilla", "records.json", "--claims")
    records = json.loads(file.read_text())
    said: dict[str, str] = {}
    for number, record in enumerate(records):
        assert record["suggestions"]["emotion"]["agent"] == "clip"
        said[record["id"]] = EMOTIONS[number % 8]
        answer = {"value": [EMOTIONS[number % 8]], "user_id": "u1", "status": "submitted"}
        record["responses"] = {"emotion": [answer]}
    done = build.parent / "done.json"
    done.write_text(json.dumps(records))
    import_votes(build, done)
    _expected(build, said)


def test_csv__a_sheet_of_ours(build: Path) -> None:
    file = _export(build, "csv", "sheet.csv", "--limit", "3")
    sheet = pd.read_csv(file, dtype=str, keep_default_na=False)
    sheet.assign(annotator="ann", emotion="awe").to_csv(file, index=False)
    import_votes(build, file)
    assert len(read_votes(build)) == 3


def test_export__without_claims_nothing_is_proposed(build: Path) -> None:
    tasks = json.loads(_export(build, "label-studio", "t.json").read_text())
    assert not any("predictions" in task for task in tasks)
    records = json.loads(_export(build, "argilla", "r.json").read_text())
    assert not any(record["suggestions"] for record in records)
    assert "source" not in _export(build, "cvat", "c.xml").read_text()


def test_export__default_name_and_unknown_tools(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["review", str(build), "--export", "--format", "cvat", "--limit", "1"]) == 0
    assert (tmp_path / "tasks.xml").exists()
    with pytest.raises(Emo8Error, match="did you mean 'label-studio'"):
        writer("labelstudio")


def test_label_studio__the_sdk_takes_interface_and_tasks(build: Path) -> None:
    """Where its package is installed; it needs another numpy than ours."""
    interface: Any = pytest.importorskip("label_studio_sdk.label_interface")
    found = interface.LabelInterface(label_studio.interface())
    for task in json.loads(_export(build, "label-studio", "t.json", "--claims").read_text()):
        assert found.validate_task({"data": task["data"]})
        assert all(found.validate_prediction(one) for one in task["predictions"])
