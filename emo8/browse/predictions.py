"""What models predicted, as fields of the App, with one saved view per cell they confuse.

`emo8-bench run --out results.jsonl` writes `results.predictions/<config_hash>.parquet`, one file
per result: `id` (the dataset's own, else SHA-256 of the picture), `label` (what was claimed),
`predicted` and `probs`; its metadata `emo8.predictions` is a JSON object with `model`, `protocol`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.errors import SourceError
from emo8.core.inside import plain_files
from emo8.core.json_text import parse_json

METADATA = b"emo8.predictions"
COLUMNS = ("id", "label", "predicted", "probs")
MAX_CELLS = 12  # views of confused cells per model, largest first; the rest is a filter away


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """One model's answers."""

    field: str  # name of the field in the App
    title: str
    rows: pd.DataFrame  # COLUMNS, one line per picture


def read(path: Path) -> list[Predictions]:
    """The predictions beside a results file, in a folder, or in one parquet file."""
    asked = path
    if path.suffix == ".jsonl":
        path = path.with_suffix(".predictions")
    files = plain_files(path, "*.parquet") if path.is_dir() else [path] if path.is_file() else []
    if not files:
        cause = f"{path} holds no predictions" if asked.exists() else f"{asked} does not exist"
        raise SourceError(
            f"{cause}: `emo8-bench run --out RESULTS.jsonl` writes predictions beside its results; "
            "run it again if an older version made yours"
        )
    found: dict[str, Predictions] = {}
    for file in files:
        one = _read(file)
        if one is not None:
            found[one.field] = one
    return list(found.values())


def _read(file: Path) -> Predictions | None:
    """One file's predictions; None where they are numbers and no labels."""
    try:
        table = pq.read_table(file)
        about = parse_json((table.schema.metadata or {})[METADATA])
        rows = table.select(list(COLUMNS)).to_pandas()
        seed, group = ((table[name][0].as_py()) for name in ("seed", "group"))
    except (OSError, ValueError, KeyError, IndexError, pa.ArrowInvalid) as error:
        raise SourceError(f"{file} holds no predictions of emo8-bench: {error}") from error
    rows = rows[rows["predicted"].notna() & rows["label"].notna()].drop_duplicates("id")
    if rows.empty:
        return None
    model = Path(about["model"]).name if "/" in about["model"] else about["model"]
    parts = [model, about["protocol"], group or "", f"seed {seed}" if seed else ""]
    title = " ".join(part for part in parts if part)
    field = "by_" + re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
    return Predictions(field=field, title=title, rows=rows)


def add(dataset: Any, table: pd.DataFrame, said: list[Predictions]) -> list[str]:
    """Write predictions into their fields and save the views of what is confused; notes."""
    import fiftyone as fo

    notes, ours = [], set(dataset.info.get("predictions", []))
    keys, ids = dataset.values(["key", "id"])
    sample_of = dict(zip(keys, ids))
    samples: dict[str, list[str]] = {}
    for row, sha256, key in zip(table["id"], table["sha256"], table["key"]):
        if key in sample_of:
            for name in {row, sha256} - {None}:
                samples.setdefault(name, []).append(sample_of[key])
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
            for sample in samples.get(row["id"], [])
        }
        if values:
            dataset.set_values(one.field, values, key_field="id")
        ours.add(one.field)
        views = _save_cells(dataset, one)
        notes.append(
            f"{one.title}: {len(values)} predictions in the field {one.field}; "
            f"{views} saved views, {one.title}: …"
        )
    dataset.info["predictions"] = sorted(ours)
    dataset.save()
    return notes


def _label(row: Mapping[Any, Any]) -> Any:
    import fiftyone as fo

    return fo.Classification(
        label=row["predicted"],
        confidence=float(max(row["probs"])),
        right=row["label"] == row["predicted"],
        truth=row["label"],
    )


def _save_cells(dataset: Any, one: Predictions) -> int:
    """How many views were saved: all errors, and each off-diagonal cell of the confusion matrix."""
    from fiftyone import ViewField as F

    wrong = one.rows[one.rows["label"] != one.rows["predicted"]]
    right, label, claimed = (F(f"{one.field}.{name}") for name in ("right", "label", "truth"))
    cells = wrong.groupby(["label", "predicted"]).size().sort_values(ascending=False, kind="stable")
    errors = dataset.match(right == False).sort_by(  # noqa: E712  # an expression
        f"{one.field}.confidence", reverse=True
    )
    said = {f"{one.title}: errors": (errors, f"{len(wrong)} wrong, surest first")}
    for cell in cells.head(MAX_CELLS).reset_index(name="number").to_dict("records"):
        truth, predicted, number = cell["label"], cell["predicted"], cell["number"]
        view = dataset.match((claimed == truth) & (label == predicted))
        name = f"{one.title}: {truth} taken for {predicted}"
        said[name] = (view, f"{number} pictures")
    for name in dataset.list_saved_views():
        if name.startswith(f"{one.title}: "):
            dataset.delete_saved_view(name)
    for name, (view, about) in said.items():
        dataset.save_view(name, view, description=about, overwrite=True)
    return len(said)
