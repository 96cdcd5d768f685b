"""What a model said about each test picture: one parquet file per result, beside the results.

`faces.jsonl` with a result of config hash `0123…` has `faces.predictions/0123….parquet`:

| column | meaning |
|---|---|
| id | the dataset's own id of the row, else SHA-256 of the picture's bytes |
| label | the claimed label; several joined by ` \\| `; empty for numbers |
| predicted | the likeliest output; empty for numbers |
| probs | one number per output, in the order of the metadata `names` |
| target | the same for what was claimed; null for single labels |
| fold, repeat | which part of the test rows, which draw of few_shot |
| seed, group | as in the result |
| confidence | as a table of answers gave it; null elsewhere, where the largest of `probs` stands |
| style, num_people | of the picture, where the dataset says |
| right | 1, 0, or a share where the answer names several labels; null where no label is claimed |

The file's metadata `emo8.predictions` holds names, task, model, dataset, protocol.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.errors import SourceError
from emo8.engine.files import parquet_writer

KEY = b"emo8.predictions"
JOIN = " | "
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.string()),
        ("predicted", pa.string()),
        ("probs", pa.list_(pa.float32())),
        ("target", pa.list_(pa.float32())),
        ("fold", pa.int32()),
        ("repeat", pa.int32()),
        ("seed", pa.int64()),
        ("group", pa.string()),
        ("confidence", pa.float32()),
        ("right", pa.float32()),
        ("style", pa.string()),
        ("num_people", pa.int32()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Outputs (R, M, K) for M test rows in R repeats, and what was claimed about the rows."""

    ids: Sequence[str]  # M
    names: tuple[str, ...]  # K outputs
    prob: npt.NDArray[np.float64]  # (R, M, K)
    fold: npt.NDArray[np.int64]  # (M,)
    task: str
    true: npt.NDArray[np.int64] | None = None  # (M,) index into names, for single labels
    values: npt.NDArray[np.float64] | None = None  # (M, K) for every other task
    says: list[str] | None = None  # (M,) what was said, where that is not the likeliest output
    confidence: npt.NDArray[np.float64] | None = None  # (M,) where it is not the largest output
    style: Sequence[str | None] | None = None  # (M,) where the dataset says
    num_people: Sequence[int | None] | None = None  # (M,) shown, where the dataset says
    right: npt.NDArray[np.float64] | None = None  # (M,) where that does not follow from `says`


def path_of(results: Path, config_hash: str) -> Path:
    """Where the predictions of one result of a results file lie."""
    return results.with_suffix(".predictions") / f"{config_hash}.parquet"


def write(found: Predictions, result: dict[str, Any], results: Path) -> Path:
    """Write the file of one result; it appears whole or not at all."""
    path, table = path_of(results, result["config_hash"]), as_table(found, result)
    with parquet_writer(path, table.schema) as writer:
        writer.write_table(table)
    return path


def as_table(found: Predictions, result: dict[str, Any]) -> pa.Table:
    """What was said as the table of the columns above, with its metadata."""
    repeats, rows, _ = found.prob.shape
    about = {key: result[key] for key in ("model", "dataset", "protocol", "config_hash")}
    about |= {"names": list(found.names), "task": found.task}
    labels = _labels(found)
    top = found.prob.reshape(repeats * rows, -1)
    says: list[str | None] = [None] * len(top)
    if found.says is not None:
        says = found.says * repeats
    elif found.task != "regression":
        says = [found.names[i] for i in top.argmax(axis=1)]
    target = None if found.values is None else found.values.astype(np.float32).tolist()
    table = pa.table(
        {
            "id": list(found.ids) * repeats,
            "label": labels * repeats,
            "predicted": says,
            "probs": top.astype(np.float32).tolist(),
            "target": [None] * len(top) if target is None else target * repeats,
            "fold": np.tile(found.fold, repeats).astype(np.int32),
            "repeat": np.repeat(np.arange(repeats), rows).astype(np.int32),
            "seed": [result["seed"]] * len(top),
            "group": [result["group"]] * len(top),
            "confidence": _confidence(found),
            "right": _right(found, says, labels * repeats),
            "style": list(found.style or [None] * rows) * repeats,
            "num_people": list(found.num_people or [None] * rows) * repeats,
        },
        schema=SCHEMA,
    )
    return table.replace_schema_metadata({KEY: json.dumps(about)})


def _confidence(found: Predictions) -> list[float | None]:
    repeats, rows, _ = found.prob.shape
    if found.confidence is None:
        return [None] * (repeats * rows)
    return [float(v) if np.isfinite(v) else None for v in found.confidence] * repeats


def _right(
    found: Predictions, says: Sequence[str | None], labels: Sequence[str | None]
) -> list[float | None]:
    if found.right is not None:
        return found.right.tolist() * found.prob.shape[0]
    if found.true is None:
        return [None] * len(says)
    return [float(said == label) for said, label in zip(says, labels, strict=True)]


def _labels(found: Predictions) -> list[str | None]:
    if found.true is not None:
        return [found.names[i] if i >= 0 else None for i in found.true]
    if found.values is None or found.task == "regression":
        return [None] * len(found.ids)
    if found.task == "multi_label":
        return [JOIN.join(n for n, v in zip(found.names, row) if v > 0.5) for row in found.values]
    return [found.names[i] for i in found.values.argmax(axis=1)]


def read(results: Path, config_hash: str) -> tuple[pa.Table, dict[str, Any]]:
    """The table of one result, and its metadata (names, task, model, dataset, protocol)."""
    path = path_of(results, config_hash)
    if not path.is_file():
        raise SourceError(
            f"{path} is missing: the predictions of that result. Run it again with this version."
        )
    try:
        table = pq.read_table(path)
        about: dict[str, Any] = json.loads(table.schema.metadata[KEY])
    except (pa.ArrowInvalid, OSError, KeyError, TypeError) as error:
        raise SourceError(f"{path} is not a file of predictions: {error}") from error
    return table, about
