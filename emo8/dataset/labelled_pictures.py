"""Labelled pictures of any DATA, for measuring prompts on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from emo8.core import inside, label_set
from emo8.core.errors import Emo8Error
from emo8.core.images import DecodeError, decode
from emo8.dataset import open as opendata

logger = logging.getLogger(__name__)


def read_labelled(data: str, where: str = "") -> tuple[list[bytes], np.ndarray]:
    """Files and emotion numbers (N,) of every row that a person or a source has labelled.

    A picture that does not decode is left out, and logged. `where` is COLUMN=VALUE,VALUE and keeps
    the rows that hold one of the values. Emo8Error when nothing is left, or a label is none of the
    emotions.
    """
    column, _, values = where.partition("=")
    if where and not values:
        raise Emo8Error(f"--where {where!r}: write COLUMN=VALUE,VALUE")
    pictures: list[bytes] = []
    emotions: list[int] = []
    found = opendata.find(data)
    for split in found.splits:
        for cell, texts in _rows(found, split, column):
            if where and texts[column] not in values.split(","):
                continue
            if texts["label"] is None or texts["rule"] not in opendata.COUNTED_RULES:
                continue
            emotion = _emotion(texts["label"], data)
            try:
                decode(cell or b"")
            except DecodeError as error:
                logger.warning("%s: a picture is left out: %s", data, error)
                continue
            pictures.append(cell or b"")
            emotions.append(emotion)
    if not pictures:
        raise Emo8Error(
            f"{data} holds no row with an emotion by a person or a source"
            + (f" where {where}" if where else "")
        )
    return pictures, np.array(emotions)


def _rows(
    found: opendata.FoundData, split: str, column: str
) -> Iterator[tuple[bytes | None, dict[str, str | None]]]:
    """Encoded picture and the texts `label`, `rule` and `column` of every row of a split."""
    stream = opendata.open_split(found, split, streaming=True)
    features = dict(stream.features or {})
    label = opendata.label_column(list(features))
    if label is None:
        raise Emo8Error(f"{found.where} has no column {' or '.join(opendata.LABELS)}")
    if column and column not in features:
        known = ", ".join(sorted(features))
        raise Emo8Error(f"--where {column}: columns of {found.where}: {known}")
    opendata.require_names(features[label], label, found.where)
    folders = opendata.roots(found, stream)

    def text(row: dict[str, Any], name: str) -> str | None:
        return opendata.label_text(row[name], features[name])

    for row in stream:
        rule = text(row, "emotion_rule") if "emotion_rule" in features else "source"
        texts = {"label": text(row, label), "rule": rule}
        if column:
            texts[column] = text(row, column)
        yield inside.cell_bytes(row["image"], *folders), texts


def _emotion(label: str, data: str) -> int:
    try:
        return label_set.emotions().index(label_set.parse_emotion(label))
    except ValueError as error:
        raise Emo8Error(f"{data}: {error}") from None
