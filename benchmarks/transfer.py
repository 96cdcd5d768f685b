"""Learn on one dataset, test on another, their labels brought to one set by a versioned map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.adapters import maps
from benchmarks.adapters.base import LabelledRows
from emo8.core.errors import SourceError


def relabelled(rows: LabelledRows, label_map: str) -> LabelledRows:
    """The rows with mapped labels; those that the map does not list count no more, with a note."""
    known = maps.load(label_map)
    emotion = [None if e is None else known.labels.get(e) for e in rows.emotion]
    lost = Counter(e for e, new in zip(rows.emotion, emotion) if e is not None and new is None)
    if not any(emotion):
        raise SourceError(
            f"--map {known.name} lists no label of {rows.origin} "
            f"({', '.join(sorted(lost)) or 'it has none'}); it knows {', '.join(known.labels)}."
        )
    note = f"labels of {rows.name} by {known.name}"
    if lost:
        note += "; not in it: " + ", ".join(f"{name} {count}" for name, count in lost.items())
    return replace(rows, emotion=emotion, notes=(*rows.notes, note))


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
        return [*source.column(name), *target.column(name)]

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
