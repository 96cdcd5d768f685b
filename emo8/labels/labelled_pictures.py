"""Labelled pictures from one parquet file or a dataset folder, for measuring prompts on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.core.errors import Emo8Error
from emo8.core.images import DecodeError, decode
from emo8.core.inside import cell_bytes
from emo8.core.parquet_rows import label_names
from emo8.core.taxonomy import EMOTIONS, class_name, parse_emotion

logger = logging.getLogger(__name__)

# Labels made by these can be measured against; CLIP's own cannot.
TRUSTED = ("human", "source")


def read_labelled(data: Path, where: str = "") -> tuple[list[bytes], np.ndarray]:
    """Files and emotion numbers (N,) of every trusted row; Emo8Error when there are none.

    A picture that does not decode is left out, and logged. `where` is COLUMN=VALUE,VALUE and
    keeps the rows that hold one of the values.
    """
    pictures: list[bytes] = []
    emotions: list[int] = []
    for path in _files(data):
        table = _table(path, where)
        names = _class_names(table, path)
        for row in table.to_pylist():
            name = class_name(row["emotion"], names) if names else row["emotion"]
            if name is None:
                continue
            try:
                emotion = EMOTIONS.index(parse_emotion(name))
            except ValueError as error:
                raise Emo8Error(f"{path}: {error}") from None
            content = cell_bytes(row["image"], path.parent) or b""
            try:
                decode(content)
            except DecodeError as error:
                logger.warning("%s: a picture is left out: %s", path, error)
                continue
            pictures.append(content)
            emotions.append(emotion)
    if not pictures:
        raise Emo8Error(
            f"{data} holds no row with an emotion by a person or a source"
            + (f" where {where}" if where else "")
        )
    return pictures, np.array(emotions)


def _files(data: Path) -> Iterator[Path]:
    if data.is_file():
        yield data
        return
    found = sorted(data.rglob("*.parquet")) if data.is_dir() else []
    if not found:
        raise Emo8Error(f"{data}: give a parquet file or a folder of them, such as BUILD/dataset")
    yield from found


def _table(path: Path, where: str) -> pa.Table:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise Emo8Error(f"{path} is no parquet file: {error}") from None
    columns = set(file.schema_arrow.names)
    column, _, values = where.partition("=")
    if where and (not values or column not in columns):
        raise Emo8Error(
            f"--where {where!r}: write COLUMN=VALUE,VALUE; columns of {path}: "
            + ", ".join(sorted(columns))
        )
    missing = {"image", "emotion"} - columns
    if missing:
        raise Emo8Error(f"{path} has no column {', '.join(sorted(missing))}")
    wanted = {"image", "emotion", "emotion_rule", column} & columns
    table = file.read(columns=sorted(wanted))
    if where:
        texts = pc.cast(table[column], pa.string())
        table = table.filter(pc.is_in(texts, value_set=pa.array(values.split(","))))
    if "emotion_rule" in columns:
        table = table.filter(pc.is_in(table["emotion_rule"], value_set=pa.array(TRUSTED)))
    return table


def _class_names(table: pa.Table, path: Path) -> list[str] | None:
    """The names behind numbered emotions; None when the column holds names itself."""
    kind = table.schema.field("emotion").type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    names = label_names(table.schema).get("emotion")
    if names is None:
        raise Emo8Error(
            f"{path}: column emotion holds numbers and the file does not say which emotion each "
            "one is; write names"
        )
    return names
