"""Whether somebody's splits hold: copies across them, exact and near, and their balance."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from emo8.core import label_set
from emo8.core.images import DecodeError, decode
from emo8.core.read_recipe import parse_recipe
from emo8.core.settings import DecideConfig
from emo8.dataset.open import OpenPicture
from emo8.duplicates import clusters, find
from emo8.duplicates.candidates import candidates
from emo8.duplicates.pairs import read_views
from emo8.duplicates.views import COLUMNS, Views, views_of
from emo8.engine import build_folder
from emo8.engine.files import read_columns
from emo8.engine.steps import part_path
from emo8.engine.verdict_table import VERDICTS
from emo8.labels.clip.recorded import first_model
from emo8.measure.filters.base import prepare
from emo8.measure.filters.copies import DuplicateViews

BATCH_PICTURES = 64
SHOWN = 20  # pairs named in the report; all are counted


@dataclass
class _Seen:
    """What is kept of every picture read."""

    ids: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    styles: list[str | None] = field(default_factory=list)
    pixels: list[str] = field(default_factory=list)
    pieces: list[pa.Table] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    unreadable: int = 0


def audit(pictures: Iterable[OpenPicture], *, model: str = "embedded") -> dict[str, Any]:
    """The report on a dataset: `ok` is False when a picture is in two splits."""
    seen = _read(pictures, model)
    dim = seen.vectors[0].shape[1] if seen.vectors else 1
    views = views_of(zip(seen.pieces, seen.vectors), len(seen.ids), dim)
    return _report(seen, views, DecideConfig())


def audit_build(build: Path) -> dict[str, Any]:
    """The same report on the rows that a finished build keeps, from what it has measured.

    Nothing is decoded: the views and embeddings of the build's first model are compared, by the
    thresholds of its recipe.
    """
    resolved = build_folder.require_build(build)
    config = parse_recipe(resolved["recipe"], where=str(build / build_folder.RESOLVED)).decide
    names = ["part", "row", "id", "split", "emotion", "style", "reason"]
    kept = read_columns(build / VERDICTS, names).to_pandas()
    kept = kept[kept["reason"].isna()].sort_values(["part", "row"], kind="stable")
    seen = _Seen(
        ids=kept["id"].tolist(),
        splits=kept["split"].tolist(),
        labels=[name if isinstance(name, str) else None for name in kept["emotion"]],
        styles=kept["style"].tolist(),
    )
    for part, rows in kept.groupby("part"):
        column = read_columns(part_path(build, "measure", int(str(part))), ["pixel_sha256"])
        seen.pixels += column.column(0).take(pa.array(rows["row"].to_numpy())).to_pylist()
    with tempfile.TemporaryDirectory(dir=build / "tables", prefix=".views-") as folder:
        views = read_views(build, kept, first_model(resolved), Path(folder))
        return _report(seen, views, config)


def _report(seen: _Seen, views: Views, config: DecideConfig) -> dict[str, Any]:
    num_rows = len(seen.ids)
    exact = _equal_pairs(seen.pixels)
    pairs = candidates(views, config)
    told = find.judged(
        find.measured(views, pairs, config.min_crop_sim), find.limits_of(seen.styles, config)
    )
    near = told.loc[told["verdict"] == "copy", ["left", "right"]].to_numpy(np.int64)
    split = np.array(seen.splits, object)
    across_exact = _across(exact, split)
    same = {tuple(pair) for pair in exact.tolist()}
    across_near = [pair for pair in _across(near, split) if pair not in same]
    root = clusters.roots(num_rows, np.concatenate([exact, near.reshape(-1, 2)]))
    straddling = pd.Series(split).groupby(root).nunique()
    return {
        "ok": not across_exact and not across_near,
        "rows": num_rows,
        "unreadable": seen.unreadable,
        "splits": dict(sorted(Counter(seen.splits).items())),
        "clusters_across_splits": int((straddling > 1).sum()),
        "exact_pairs_across_splits": len(across_exact),
        "near_pairs_across_splits": len(across_near),
        "copies_inside_splits": len(exact) + len(near) - len(across_exact) - len(across_near),
        "shown": [
            {
                "kind": kind,
                "left": f"{split[a]}: {seen.ids[a]}",
                "right": f"{split[b]}: {seen.ids[b]}",
            }
            for kind, pairs in (("exact", across_exact), ("near", across_near))
            for a, b in pairs[:SHOWN]
        ],
        "balance": _balance(seen),
    }


def _read(pictures: Iterable[OpenPicture], model: str) -> _Seen:
    """Everything needed of the pictures, which are read once and not kept."""
    from emo8.labels.clip.encoder import load

    encoder, seen = load(model), _Seen()
    for batch in _decoded(pictures, seen):
        seen.vectors.append(encoder.embed_images([rgb for rgb, _ in batch]))
        types = {name: DuplicateViews.columns.get(name, pa.uint64()) for name in COLUMNS}
        seen.pieces.append(
            pa.Table.from_pylist([record for _, record in batch], pa.schema(list(types.items())))
        )
    return seen


def _decoded(
    pictures: Iterable[OpenPicture], seen: _Seen
) -> Iterator[list[tuple[np.ndarray, dict[str, Any]]]]:
    """Batches of pixels and their views; ids, splits and labels go to `seen`."""
    from emo8.measure.filters.base import perceptual_hash

    filters, batch = DuplicateViews(), []
    for picture in pictures:
        try:
            decoded = decode(picture.data or b"")
        except DecodeError:
            seen.unreadable += 1
            continue
        prepared = prepare(picture.data or b"", decoded)
        record = {"phash": perceptual_hash(prepared.grey), **filters.measure(prepared)}
        seen.ids.append(picture.id)
        seen.splits.append(picture.split)
        seen.labels.append(picture.label)
        seen.styles.append(_style(picture.style))
        seen.pixels.append(decoded.pixel_sha256())
        batch.append((decoded.rgb, record))
        if len(batch) == BATCH_PICTURES:
            yield batch
            batch = []
    if batch:
        yield batch


def _style(name: str | None) -> str | None:
    try:
        return label_set.parse_style(name) if name else None
    except ValueError:
        return None


def _equal_pairs(keys: list[str]) -> np.ndarray:
    """(P, 2) pairs that join each later copy of a key to the one before it."""
    last: dict[str, int] = {}
    pairs = []
    for row, key in enumerate(keys):
        if key in last:
            pairs.append((last[key], row))
        last[key] = row
    return np.array(pairs, np.int64).reshape(-1, 2)


def _across(pairs: np.ndarray, split: np.ndarray) -> list[tuple[int, int]]:
    return [(a, b) for a, b in pairs.tolist() if split[a] != split[b]]


def _balance(seen: _Seen) -> dict[str, Any]:
    """Counts of every label per split, and how far a split's shares are from all rows' shares."""
    frame = pd.DataFrame({"split": seen.splits, "label": seen.labels}).dropna()
    if frame.empty:
        return {}
    counts = pd.crosstab(frame["label"], frame["split"])
    shares = counts / counts.sum()
    overall = counts.sum(axis=1) / counts.to_numpy().sum()
    off = shares.sub(overall, axis=0).abs()
    missing = [
        f"{label} in {split}"
        for label, row in counts.iterrows()
        for split in counts.columns
        if row[split] == 0
    ]
    return {
        "counts": {str(k): {s: int(n) for s, n in row.items()} for k, row in counts.iterrows()},
        "largest_difference_of_shares": round(float(off.to_numpy().max()), 4),
        "missing": missing,
    }
