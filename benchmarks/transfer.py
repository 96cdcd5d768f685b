"""Learn on one dataset, test on another, their labels brought to one set by a versioned map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.adapters import maps
from benchmarks.adapters.base import LabelledRows, Numbers
from benchmarks.adapters.maps import LabelMap
from emo8.core.errors import SourceError


def relabelled(rows: LabelledRows, label_map: str) -> LabelledRows:
    """The rows with mapped labels, shares and votes; what the map does not list counts no more."""
    known = maps.load(label_map)
    emotion = [known.get(e) for e in rows.emotion]
    lost = Counter(e for e, new in zip(rows.emotion, emotion) if e is not None and new is None)
    shares, votes = (_mapped(numbers, known) for numbers in (rows.shares, rows.votes))
    if not any(emotion) and (any(rows.emotion) or shares is None):
        raise SourceError(
            f"--map {known.name} lists no label of {rows.origin} "
            f"({', '.join(sorted(lost)) or 'it has none'}); it knows {', '.join(known.labels)}."
        )
    note = f"labels of {rows.name} by {known.name}"
    if lost:
        note += "; not in it: " + ", ".join(f"{name} {count}" for name, count in lost.items())
    return replace(
        rows, emotion=emotion, shares=shares, votes=votes, notes=(*rows.notes, note),
        several=_several(rows, known),
        several_names=_names(rows.several_names, known),
    )  # fmt: skip


def _of(clusters: Sequence[str | None], side: str) -> list[str | None]:
    return [None if cluster is None else f"{side} {cluster}" for cluster in clusters]


def _names(names: Sequence[str], known: LabelMap) -> tuple[str, ...]:
    """What the labels are called by the map, each name once."""
    mapped = (known.get(name) for name in names)
    return tuple(dict.fromkeys(name for name in mapped if name is not None))


def _several(rows: LabelledRows, known: LabelMap) -> list[tuple[str, ...] | None] | None:
    if rows.several is None:
        return None
    return [None if own is None else _names(own, known) for own in rows.several]


def _mapped(numbers: Numbers | None, known: LabelMap) -> Numbers | None:
    """Shares or votes with those of equal names added up; None where the map lists no name."""
    if numbers is None or not (names := _names(numbers.names, known)):
        return None
    values = np.zeros((len(numbers.values), len(names)))
    for column, name in enumerate(numbers.names):
        if (new := known.get(name)) is not None:
            values[:, names.index(new)] += numbers.values[:, column]
    return Numbers(names=names, values=values)


def joined(source: LabelledRows, target: LabelledRows, label_map: str | None) -> LabelledRows:
    """Rows of `source` as train (its test rows left out), of `target` as test.

    Of a target with an own split only the test rows are scored, so that numbers compare.
    """
    if label_map is not None:
        source, target = relabelled(source, label_map), relabelled(target, label_map)
    shared = {e for e in source.emotion if e} & {e for e in target.emotion if e}
    if len(shared) < 2:
        raise SourceError(
            f"{source.origin} and {target.origin} share {len(shared)} labels "
            f"({', '.join(sorted(shared)) or 'none'}): name a --map that brings them together. "
            f"Known: {', '.join(maps.names())}."
        )
    size = len(source)
    columns = tuple(c for c in target.column_names if c in source.column_names)

    def images(wanted: Sequence[int]) -> list[bytes | None]:
        return [(source.images([i]) if i < size else target.images([i - size]))[0] for i in wanted]

    def column(name: str) -> list[str | None]:
        own, other = source.column(name), target.column(name)
        if name == "cluster":  # numbers that each dataset has given for itself
            own, other = _of(own, "learnt"), _of(other, "tested")
        return [*own, *other]

    has_own = "test" in set(target.split) and "train" in set(target.split)
    to_test = ["test" if s == "test" or not has_own else None for s in target.split]
    to_train = [None if s == "test" else "val" if s == "val" else "train" for s in source.split]
    none = [None] * size
    boxes = None
    if source.boxes is not None or target.boxes is not None:
        boxes = [*(source.boxes or none), *(target.boxes or [None] * len(target))]
    if boxes and source.boxes_are_shares != target.boxes_are_shares:
        boxes = None
    emotion = [*source.emotion, *[e if e in shared else None for e in target.emotion]]
    note = f"learnt from {source.name}, tested on {target.name}; shared labels only"
    return LabelledRows(
        name=f"{source.name} -> {target.name}",
        origin=f"{source.origin} -> {target.origin}",
        emotion=[e if e in shared else None for e in emotion],
        rule=[*source.rule, *target.rule],
        split=[*to_train, *to_test],
        images=images,
        column=column,
        column_names=columns,
        notes=(*source.notes, *target.notes, note),
        boxes=boxes,
        boxes_are_shares=target.boxes_are_shares,
    )
