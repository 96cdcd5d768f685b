"""Arrow columns as names: what the parquet and the `load_dataset` adapters share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.adapters.base import LabelledRows, Numbers, emotion_names
from emo8.core.errors import SourceError
from emo8.core.taxonomy import EMOTIONS
from emo8.dataset.open import label_column, label_text

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table, and how they are read as labelled rows."""

    values: Callable[[str], list[Any]]  # of a column, all rows
    features: Mapping[str, Any]  # of `datasets`
    schema: pa.Schema
    origin: str

    def text(self, name: str) -> list[str | None]:
        """A narrow column as text; ClassLabel numbers become their names."""
        return texts(self.values(name), self.features[name])

    def labelled(
        self,
        *,
        name: str,
        emotion: str,
        image: str,
        split: list[str | None],
        images: Callable[[Sequence[int]], list[bytes | None]],
    ) -> LabelledRows:
        """The rows; without `emotion_rule`, labels are the source's own claims."""
        feature, names = self.features[emotion], self.schema.names
        labels = emotion_labels(self.values(emotion), feature, emotion, self.origin)
        spelled, notes = emotion_names(labels)
        rules = self.text("emotion_rule") if "emotion_rule" in names else ["source"] * len(spelled)
        return LabelledRows(
            name=name,
            origin=self.origin,
            emotion=spelled,
            rule=rules,
            split=split,
            images=images,
            column=self.text,
            column_names=narrow_columns(self.schema, without=(image,)),
            notes=notes,
            **people_facts(self.values, class_names(feature), names),
        )


def label_of(asked: str, columns: Sequence[str]) -> str:
    """The label column: the one asked for, or where `emotion` is not there, what stands for it."""
    if asked != "emotion" or asked in columns:
        return asked
    return label_column(columns) or asked


def require_columns(wanted: Sequence[tuple[str, str]], found: Sequence[str], origin: str) -> None:
    """Nothing, where every (column, option) exists; SourceError naming file and columns else."""
    for name, option in wanted:
        if name not in found:
            raise SourceError(
                f"{origin} has no column {name!r}. Found: {', '.join(found)}. "
                f"Name the right one with {option}."
            )


def emotion_labels(values: list[Any], feature: Any, column: str, origin: str) -> list[str | None]:
    """Names of a label column; ClassLabel numbers go through the names of their own feature."""
    if getattr(feature, "names", None) is not None:
        return texts(values, feature)
    for value in values:
        if value is not None and not isinstance(value, str):
            raise SourceError(
                f"column {column!r} of {origin} holds {value!r}: a number without names says "
                "nothing about which emotion is meant. Store names, or a ClassLabel with names."
            )
    return [value or None for value in values]


def texts(values: list[Any], feature: Any) -> list[str | None]:
    """A narrow column as text; ClassLabel numbers become their names."""
    return [label_text(value, feature) for value in values]


def narrow_columns(schema: pa.Schema, without: Sequence[str]) -> tuple[str, ...]:
    """Columns that can name a group: text, numbers and booleans, no lists, structs or bytes."""
    import pyarrow.types as t

    return tuple(
        field.name
        for field in schema
        if field.name not in without
        and (
            t.is_string(field.type)
            or t.is_large_string(field.type)
            or t.is_dictionary(field.type)
            or t.is_boolean(field.type)
            or t.is_integer(field.type)
        )
    )


def class_names(feature: Any) -> tuple[str, ...]:
    """The emotions that numbers of a column stand for, in our spelling; else Mikels' eight."""
    found, _ = emotion_names(getattr(feature, "names", None) or EMOTIONS)
    return tuple(name or "" for name in found)


def people_facts(
    values: Callable[[str], list[Any]], names: Sequence[str], column_names: Sequence[str]
) -> dict[str, Any]:
    """Fields of LabelledRows from the columns that emo8 publishes: votes, shares, people shown.

    Shares of votes (`emotion_votes`) are over `names`; with `num_votes` they are counts again.
    """
    found: dict[str, Any] = {}
    if "emotion_votes" in column_names:
        nobody = [float("nan")] * len(names)
        shares = np.array([v if v is not None else nobody for v in values("emotion_votes")])
        if shares.ndim == 2 and shares.shape[1] == len(names):
            found["shares"] = Numbers(names=tuple(names), values=shares)
            if "num_votes" in column_names:
                people = np.array([[v or 0] for v in values("num_votes")])
                found["votes"] = Numbers(names=tuple(names), values=shares * people)
    if "people" in column_names:
        found["num_people"] = [None if v is None else len(v) for v in values("people")]
    return found
