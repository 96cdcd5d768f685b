"""Frozen features of every picture, extracted once per model and pictures, then cached.

Shapes: N pictures asked for, K of them usable, D feature width.

Pictures are read in order, decoded by a few threads one batch ahead of the model, and dropped
after use, so memory stays at two decoded batches whatever N is. A picture that does not decode
costs its own row: `Table.skipped` counts the reasons.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.adapters.base import Box, LabelledRows
from benchmarks.features.backbones import Backbone, Features
from benchmarks.features.views import DEFAULT_CROP, PersonCrop, person_view
from emo8.core.errors import ModelError

logger = logging.getLogger(__name__)
BATCH = 32  # pictures decoded together and given to the model in one call
# Raise when decoding or preprocessing changes, so that no cached feature outlives its recipe.
VERSION = 1
Progress = Callable[[str, int, int], None]  # what is being done, how many done, how many in all


@dataclass(frozen=True, kw_only=True)
class Table:
    """Features of the usable ones among the asked rows."""

    features: Features  # (K, D)
    usable: npt.NDArray[np.bool_]  # (N,) False where a picture did not decode
    skipped: dict[str, int]  # reason code -> pictures


def default_cache() -> Path:
    """Where features are kept: EMO8_CACHE/features, or the user's cache folder."""
    root = os.environ.get("EMO8_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "emo8") / "features"


def digests(
    rows: LabelledRows, index: Sequence[int], progress: Progress | None = None
) -> list[str]:
    """SHA-256 of the bytes of each asked picture: names the data, and finds exact copies."""
    found: list[str] = []
    for batch in _batched(index, BATCH * 8):
        found += [hashlib.sha256(data or b"").hexdigest() for data in rows.images(batch)]
        if progress:
            progress("reading pictures", len(found), len(index))
    return found


def extract(
    backbone: Backbone,
    rows: LabelledRows,
    index: Sequence[int],
    keys: Sequence[str],
    cache: Path,
    progress: Progress | None = None,
    view: str = "scene",
) -> Table:
    """Features of the rows at `index`, whose digests are `keys`; from the cache where possible.

    For the view "both", the scene's features (K, D) and the person's stand side by side.
    """
    if view == "both":
        scene, person = (
            extract(backbone, rows, index, keys, cache, progress, v) for v in ("scene", "person")
        )
        return replace(scene, features=np.hstack([scene.features, person.features]))
    parts = [str(VERSION), backbone.sha256, *keys]
    if view == "person":
        parts += ["person", *(str(_box(rows, row)) for row in index)]
        if backbone.crop != DEFAULT_CROP:
            parts.append(str(backbone.crop))
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    path = cache / f"{name[:32]}.safetensors"
    table = _read(path)
    if table is None:
        table = _compute(backbone, rows, index, view, progress)
        _write(path, table, backbone.name)
    return table


def _box(rows: LabelledRows, row: int) -> Box | None:
    return rows.boxes[row] if rows.boxes is not None else None


def _compute(
    backbone: Backbone,
    rows: LabelledRows,
    index: Sequence[int],
    view: str,
    progress: Progress | None,
) -> Table:
    found: list[Features] = []
    usable = np.zeros(len(index), dtype=bool)
    skipped: Counter[str] = Counter()
    done = 0
    for batch in _decoded(rows, index, view, backbone.crop):
        pictures = [picture for picture in batch if not isinstance(picture, str)]
        skipped.update(reason for reason in batch if isinstance(reason, str))
        usable[done : done + len(batch)] = [not isinstance(p, str) for p in batch]
        if pictures:
            found.append(_finite(backbone, np.asarray(backbone.features(pictures), np.float32)))
        done += len(batch)
        if progress:
            progress(f"features of {backbone.name}", done, len(index))
    features = np.concatenate(found) if found else np.zeros((0, 1), dtype=np.float32)
    return Table(features=features, usable=usable, skipped=dict(sorted(skipped.items())))


def _finite(backbone: Backbone, features: Features) -> Features:
    """The features; ModelError where the model gives what is no number, for no metric survives."""
    if not np.isfinite(features).all():
        raise ModelError(
            f"{backbone.name} gives features that are NaN or infinite: its weights are damaged, or "
            "its precision is too low for them."
        )
    return features


def _decoded(
    rows: LabelledRows, index: Sequence[int], view: str, crop: PersonCrop
) -> Iterator[list[npt.NDArray[np.uint8] | str]]:
    """Batches of upright RGB pictures, or the reason code where there is none; one batch ahead."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        ahead: list[Future[npt.NDArray[np.uint8] | str]] | None = None
        for batch in _batched(index, BATCH):
            coming = [
                pool.submit(decode_view, data, rows, row, view, crop)
                for row, data in zip(batch, rows.images(batch), strict=True)
            ]
            if ahead is not None:
                yield [future.result() for future in ahead]
            ahead = coming
        if ahead is not None:
            yield [future.result() for future in ahead]


def decode_view(
    data: bytes | None,
    rows: LabelledRows,
    row: int,
    view: str,
    crop: PersonCrop = DEFAULT_CROP,
) -> npt.NDArray[np.uint8] | str:
    """Upright RGB pixels of one view of a row, or the reason code where there are none."""
    from emo8.core.images import DecodeError, decode

    if data is None:
        return "missing_file"
    try:
        pixels = decode(data).rgb
    except DecodeError as error:
        return error.reason
    if view == "scene":
        return pixels
    return person_view(pixels, _box(rows, row), is_share=rows.boxes_are_shares, crop=crop)


def _read(path: Path) -> Table | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            skipped = json.loads(file.metadata()["skipped"])
            usable = file.get_tensor("usable").astype(bool)
            return Table(features=file.get_tensor("features"), usable=usable, skipped=skipped)
    except FileNotFoundError:
        return None
    except (SafetensorError, KeyError, OSError) as error:
        logger.warning("cached features %s are unreadable (%s); computing them again", path, error)
        return None


def _write(path: Path, table: Table, model: str) -> None:
    """Keep a table under its final name only when it is whole; a full disk costs only the cache."""
    from safetensors.numpy import save_file

    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    tensors: dict[str, npt.NDArray[Any]] = {
        "features": table.features,
        "usable": table.usable.astype(np.uint8),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, part, {"model": model, "skipped": json.dumps(table.skipped)})
        part.replace(path)
    except OSError as error:
        logger.warning("features are not cached in %s: %s", path.parent, error)
        with suppress(OSError):
            part.unlink()


def _batched(index: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(index), size):
        yield index[start : start + size]
