"""EmoSet-118K as a dataset folder: pictures, emotions, and texts made of its own attributes.

Reads the tree as it is distributed: `info.json` (its old form names emotions only, its new one all
attributes), `train.json`, `val.json`, `test.json` (rows of three or four columns), and one
annotation file per picture. Absent attributes are left out of the text.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emo8.core.emoset import SPLITS, emotion_numbers, read_split
from emo8.core.inside import OutsideError, find, read_plain
from emo8.core.json_text import parse_json
from emo8.core.taxonomy import EMOTIONS, parse_emotion

logger = logging.getLogger(__name__)

SHARD_ROWS = 1000


def import_tree(root: Path, out: Path) -> dict[str, int]:
    """{split: rows} written as parquet to `out`; ValueError names what the tree lacks."""
    _require_emotions(root)
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"--out {out}: not empty; choose another folder")
    counts = {}
    for split in SPLITS:
        if not (root / f"{split}.json").is_file():
            raise ValueError(f"{root}: no {split}.json; EmoSet-118K has train, val and test")
        counts[split] = _write_split(root, split, out / "data")
    return counts


def read_list(root: Path, split: str) -> Iterator[tuple[str, str, str]]:
    """(emotion, image path, annotation path) of a split, the emotion in our spelling."""
    for emotion, image, annotation in read_split(root, split):
        yield parse_emotion(emotion), image, annotation


def _require_emotions(root: Path) -> None:
    """ValueError where `info.json` is missing or does not number the eight emotions."""
    names = emotion_numbers(root)
    if names is None or set(names) != set(EMOTIONS):
        told = "is missing" if names is None else f"names {', '.join(sorted(names))}"
        raise ValueError(f"{root / 'info.json'} {told}, expected {', '.join(EMOTIONS)}")


def describe(annotation: Mapping[str, Any]) -> str:
    """One sentence of the attributes that are there, without the emotion."""
    parts = []
    if scene := _word(annotation.get("scene")):
        parts.append(f"scene: {scene}")
    objects = [_word(name) for name in annotation.get("object") or []]
    if any(objects):
        parts.append("objects: " + ", ".join(name for name in objects if name))
    for key, told in (("brightness", "brightness"), ("colorfulness", "colourfulness")):
        if annotation.get(key) is not None:
            parts.append(f"{told}: {float(annotation[key]):.1f}")
    if face := _word(annotation.get("facial_expression")):
        parts.append(f"facial expression: {face}")
    if action := _word(annotation.get("human_action")):
        parts.append(f"action: {action}")
    return f"A picture; {'; '.join(parts)}." if parts else ""


def _word(value: Any) -> str:
    return str(value).strip().replace("_", " ") if value else ""


def _write_split(root: Path, split: str, folder: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    rows, written, shard = [], 0, 0
    for row in _rows(root, split):
        rows.append(row)
        if len(rows) == SHARD_ROWS:
            pq.write_table(pa.Table.from_pylist(rows, _schema()), _shard(folder, split, shard))
            written, shard, rows = written + len(rows), shard + 1, []
    if rows or not shard:
        pq.write_table(pa.Table.from_pylist(rows, _schema()), _shard(folder, split, shard))
    return written + len(rows)


def _rows(root: Path, split: str) -> Iterator[dict[str, Any]]:
    missing = 0
    for emotion, image, annotation in read_list(root, split):
        try:
            data = read_plain(_inside(root, image))
            told = parse_json(read_plain(_inside(root, annotation)))
        except OSError as problem:
            missing += 1
            logger.warning("left out %s: %s", image, problem)
            continue
        yield {
            "id": hashlib.sha256(data).hexdigest(),
            "image": {"bytes": data, "path": Path(image).name},
            "emotion": emotion,
            "description": describe(told),
        }
    if missing:
        logger.warning("%s: %d rows without picture or annotation were left out", split, missing)


def _inside(root: Path, name: str) -> Path:
    """A file of the tree; ValueError for a name that leads out of it."""
    try:
        return find(name, root)
    except OutsideError:
        raise ValueError(f"{root}: the split lists name {name!r}, outside the tree") from None


def _schema() -> Any:
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    names = [("id", pa.string()), ("emotion", pa.string()), ("description", pa.string())]
    return pa.schema([("image", image), *names])


def _shard(folder: Path, split: str, shard: int) -> Path:
    return folder / f"{split}-{shard:05d}.parquet"
