"""Models' predictions as fields, and the cells they confuse as saved views."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.browse import app, predictions
from emo8.core.errors import SourceError


def _write(folder: Path, rows: list[dict[str, Any]], model: str = "embedded") -> Path:
    folder.mkdir(exist_ok=True)
    about = json.dumps({"model": model, "protocol": "knn", "names": ["awe", "fear"]})
    full = [{**row, "seed": 0, "group": None} for row in rows]
    table = pa.Table.from_pylist(full).replace_schema_metadata({b"emo8.predictions": about})
    pq.write_table(table, folder / f"{model}.parquet")
    return folder


def _row(key: str, label: str, predicted: str) -> dict[str, Any]:
    probs = [0.75, 0.25] if predicted == "awe" else [0.25, 0.75]
    return {"id": key, "label": label, "predicted": predicted, "probs": probs}


def test_predictions__fields_and_confused_cells(fiftyone: Any, own: Path, tmp_path: Path) -> None:
    build = str(own / "BUILD")
    kept = app.prepare(build).dataset.match({"verdict": "kept"})
    ids, hashes = kept.values(["row_id", "sha256"])
    rows = [
        _row(ids[0], "awe", "awe"),
        _row(ids[1], "awe", "fear"),
        _row(hashes[2], "awe", "fear"),  # known by the hash of its picture
        _row(ids[3], "fear", "awe"),
        _row("of another dataset", "fear", "awe"),
    ]
    folder = _write(tmp_path / "results.predictions", rows)
    results = folder.with_suffix(".jsonl")
    shown = app.prepare(build, predicted=results)
    assert "4 predictions in the field by_embedded_knn" in shown.notes[-1]
    dataset = shown.dataset
    assert dataset.load_saved_view("embedded knn: awe taken for fear").values("row_id") == ids[1:3]
    assert dataset.load_saved_view("embedded knn: fear taken for awe").values("row_id") == ids[3:4]
    assert len(dataset.load_saved_view("embedded knn: errors")) == 3
    label = dataset.match({"row_id": ids[0]}).first()["by_embedded_knn"]
    assert (label.label, label.confidence, label.right) == ("awe", 0.75, True)
    colours = {field["path"] for field in dataset.app_config.color_scheme.fields}
    assert "by_embedded_knn" in colours
    _write(folder, [_row(ids[1], "awe", "awe"), *rows[2:]])
    again = app.prepare(build, predicted=results).dataset
    assert again.load_saved_view("embedded knn: awe taken for fear").values("row_id") == ids[2:3]


def test_predictions__missing_or_foreign_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="emo8-bench run --out"):
        predictions.read(tmp_path / "results.jsonl")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"x\.parquet holds no predictions of emo8-bench"):
        predictions.read(tmp_path / "x.parquet")
