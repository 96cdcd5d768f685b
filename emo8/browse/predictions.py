"""What models predicted, as fields of the App, with one saved view per cell they confuse.

A file holds one model's predictions: `sha256` of the picture, `truth`, `predicted`, `prob`, and in
its metadata `emo8.predictions`, a JSON object with `model`, `protocol`, `seed` and `emotions`.
`emo8-bench run` writes such files beside its results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.errors import SourceError

METADATA = b"emo8.predictions"
COLUMNS = ("sha256", "truth", "predicted", "prob")
MAX_CELLS = 12  # views of confused cells per model, largest first; the rest is a filter away


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """One model's answers."""

    field: str  # name of the field in the App
    title: str
    rows: pd.DataFrame  # COLUMNS


def read(path: Path) -> list[Predictions]:
    """The predictions in a file, or in every file of a folder; SourceError names a bad one."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise SourceError(f"{path} holds no predictions: `emo8-bench run` writes them")
    found: dict[str, Predictions] = {}
    for file in files:
        one = _read(file)
        found[one.field] = one
    return list(found.values())


def _read(file: Path) -> Predictions:
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"predictions {file} cannot be read: {error}") from error
    note = (table.schema.metadata or {}).get(METADATA)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing or note is None:
        raise SourceError(f"{file} holds no predictions of ours: no {', '.join(missing) or 'note'}")
    about = json.loads(note)
    parts = [about["model"], about["protocol"], about.get("group") or ""]
    parts.append(f"seed {about['seed']}" if about.get("seed") else "")
    title = " ".join(part for part in parts if part)
    field = "by_" + re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
    return Predictions(field=field, title=title, rows=table.select(list(COLUMNS)).to_pandas())


def add(dataset: Any, table: pd.DataFrame, said: list[Predictions]) -> list[str]:
    """Write predictions into their fields and save the views of what is confused; notes."""
    import fiftyone as fo

    notes, ours = [], set(dataset.info.get("predictions", []))
    keys, ids = dataset.values(["key", "id"])
    sample_of = dict(zip(keys, ids))
    samples: dict[str, list[str]] = {}
    for sha256, key in zip(table["sha256"], table["key"]):
        if key in sample_of:
            samples.setdefault(sha256, []).append(sample_of[key])
    for one in said:
        if one.field not in dataset.get_field_schema():
            dataset.add_sample_field(
                one.field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification
            )
            for name, kind in (("right", fo.BooleanField), ("truth", fo.StringField)):
                dataset.add_sample_field(f"{one.field}.{name}", kind)
        values = {
            sample: _label(row)
            for row in one.rows.to_dict("records")
            for sample in samples.get(row["sha256"], [])
        }
        if values:
            dataset.set_values(one.field, values, key_field="id")
        ours.add(one.field)
        notes.append(f"{one.title}: {len(values)} predictions in the field {one.field}")
        _save_cells(dataset, one)
    dataset.info["predictions"] = sorted(ours)
    dataset.save()
    return notes


def _label(row: Mapping[Any, Any]) -> Any:
    import fiftyone as fo

    right = row["truth"] == row["predicted"]
    return fo.Classification(
        label=row["predicted"], confidence=float(max(row["prob"])), right=right, truth=row["truth"]
    )


def _save_cells(dataset: Any, one: Predictions) -> None:
    """Saved views: every error of the model, and each cell of its confusion matrix off-diagonal."""
    from fiftyone import ViewField as F

    wrong = one.rows[one.rows["truth"] != one.rows["predicted"]]
    by = F(one.field)
    cells = wrong.groupby(["truth", "predicted"]).size().sort_values(ascending=False, kind="stable")
    errors = dataset.match(by.right == False).sort_by(  # noqa: E712  # an expression
        f"{one.field}.confidence", reverse=True
    )
    said = {f"{one.title}: errors": (errors, f"{len(wrong)} wrong, surest first")}
    for cell in cells.head(MAX_CELLS).reset_index(name="number").to_dict("records"):
        truth, predicted, number = cell["truth"], cell["predicted"], cell["number"]
        view = dataset.match((by.truth == truth) & (by.label == predicted))
        name = f"{one.title}: {truth} taken for {predicted}"
        said[name] = (view, f"{number} pictures")
    for name in dataset.list_saved_views():
        if name.startswith(f"{one.title}: "):
            dataset.delete_saved_view(name)
    for name, (view, about) in said.items():
        dataset.save_view(name, view, description=about, overwrite=True)
