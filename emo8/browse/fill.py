"""Rows into a persistent FiftyOne dataset: new ones are added, changed ones updated, in a stream.

A sample carries its row's `key` and the `mark` of its content, so that a second call touches only
what changed: the content, or the file that shows it. Tags are the curators' own and are never
touched; a label they edited and have not imported yet is kept as they left it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from emo8.browse import fields
from emo8.browse.media import PictureFiles, size_of
from emo8.browse.rows import BATCH_ROWS, Rows

logger = logging.getLogger(__name__)
Progress = Callable[[int], None]  # called with the number of rows done so far
EDITABLE = ("emotion", "style")  # the final labels


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What a call changed."""

    num_rows: int
    num_added: int
    num_updated: int
    num_deleted: int  # samples of rows that the build no longer has
    without_picture: int


def fill(
    dataset: Any,
    rows: Rows,
    chosen: pd.DataFrame,
    vectors: np.ndarray,
    pictures: PictureFiles,
    progress: Progress,
) -> Filled:
    """Bring the chosen rows into `dataset`; `vectors` (N, D) belong to them in order."""
    fields.declare(dataset)
    known = _known(dataset)
    gone = [known[key][0] for key in set(known) - set(rows.table["key"])]
    if gone:
        dataset.delete_samples(gone)
    counts = {"added": 0, "updated": 0, "missing": 0}
    stream = _stream(rows, chosen, vectors, pictures, counts, progress)
    changed: dict[str, dict[str, Any]] = {}

    def new() -> Iterator[Any]:
        import fiftyone as fo

        for found in stream:
            before = known.get(found["key"])
            if before is None:
                counts["added"] += 1
                yield fo.Sample(**fields.documents(found))
            elif before[1:] != (found["mark"], found["filepath"]):
                changed[before[0]] = found
                if len(changed) == 500:
                    counts["updated"] += _update(dataset, changed)

    dataset.add_samples(
        new(), validate=False, expand_schema=False, batcher=_batcher(), progress=False
    )
    counts["updated"] += _update(dataset, changed)
    _select(dataset, chosen)
    return Filled(
        num_rows=len(chosen),
        num_added=counts["added"],
        num_updated=counts["updated"],
        num_deleted=len(gone),
        without_picture=counts["missing"],
    )


def _batcher() -> Any:
    """Batches of one size: FiftyOne's own start with single rows and feel their way."""
    from fiftyone.core.utils import StaticBatcher

    return partial(StaticBatcher, batch_size=BATCH_ROWS)


def write_pictures(rows: Rows, chosen: pd.DataFrame) -> PictureFiles:
    """The picture files of the chosen rows; those that are not there yet are made."""
    pictures = PictureFiles(rows.media)
    keys = chosen["picture_key"]
    wanted = chosen[keys.notna() & ~keys.duplicated()]  # a removed row has no key
    wanted = wanted[[pictures.find(key) is None for key in wanted["picture_key"]]]
    names = wanted["picture_key"].tolist()
    found = ((names[place], data) for place, data in rows.reader.pictures(wanted))
    broken = sum(1 for _ in pictures.write(found))
    if broken:
        logger.info("%d rows hold no picture that can be shown", broken)
    return pictures


def _known(dataset: Any) -> dict[str, tuple[str, str, str]]:
    """Key -> (sample id, mark, file of the picture) of what is there already."""
    keys, *known = dataset.values(["key", "id", "mark", "filepath"])
    return {key: found for key, found in zip(keys, zip(*known)) if key}


def _stream(
    rows: Rows,
    chosen: pd.DataFrame,
    vectors: np.ndarray,
    pictures: PictureFiles,
    counts: dict[str, int],
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    """The chosen rows as values of fields, each with its file; memory holds one batch."""
    place = 0
    for batch in rows.reader.details(chosen):
        lines = chosen.iloc[place : place + len(batch)].to_dict("records")
        for line, detail in zip(lines, batch, strict=True):
            found = fields.values(line, detail)
            found |= _file(line, pictures)
            counts["missing"] += not found["has_picture"]
            if vectors.shape[1] and vectors[place].any():
                found["embedding"] = vectors[place]
            yield found
            place += 1
        progress(place)


def _file(line: Mapping[Any, Any], pictures: PictureFiles) -> dict[str, Any]:
    """Where the App finds the picture of a row, or the grey one that says why there is none."""
    import fiftyone as fo

    path = pictures.find(line["picture_key"]) if line["picture_key"] else None
    shown = path or pictures.placeholder(line["reason"] or "no picture")
    width, height = size_of(shown)
    mime = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}[shown.suffix[1:]]
    size = shown.stat().st_size
    metadata = fo.ImageMetadata(size_bytes=size, mime_type=mime, width=width, height=height)
    return {"filepath": str(shown), "metadata": metadata, "has_picture": path is not None}


def _update(dataset: Any, changed: dict[str, dict[str, Any]]) -> int:
    """Write changed rows over their samples; how many. Tags and open edits stay."""
    if not changed:
        return 0
    for sample in dataset.select(list(changed)).iter_samples(autosave=True):
        found = changed[sample.id]
        made = fields.documents(found)
        for name in EDITABLE:
            now = sample[name]
            if now is not None and (is_edited(now) or now.tags):
                _keep(made, name, now)
        for name, value in made.items():
            sample[name] = value
    number = len(changed)
    changed.clear()
    return number


def is_edited(label: Any) -> bool:
    """Whether a curator changed a final label in the App since it was written."""
    return bool(label.label != getattr(label, "was", None))


def _keep(made: dict[str, Any], name: str, now: Any) -> None:
    """Let tags, and an edit that was not imported yet, stand over the new label."""
    import fiftyone as fo

    if made[name] is None:
        made[name] = fo.Classification(was=None, rule=None)
    made[name].tags = list(now.tags)
    if is_edited(now):
        made[name].label = now.label


def _select(dataset: Any, chosen: pd.DataFrame) -> None:
    """Mark the rows of this call, where it asked for some of them only."""
    wanted = set(chosen["key"])
    keys, ids, selected = dataset.values(["key", "id", "selected"])
    values = {
        sample: key in wanted
        for key, sample, now in zip(keys, ids, selected)
        if bool(now) != (key in wanted)
    }
    if values:
        dataset.set_values("selected", values, key_field="id")
