"""EmoSet-118K: eight emotions with six attributes, official 80/5/15 split.

`emo8.core.emoset` reads the lists. The index of EmoSet (amusement, awe, contentment, excitement,
anger, …) is never used: names are the keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.adapters import files
from benchmarks.adapters.base import Benchmark, LabelledRows
from emo8.core.emoset import LAYOUT, SPLITS, emotion_numbers, read_json, read_split
from emo8.core.errors import SourceError
from emo8.core.inside import find

INFO = Benchmark(
    name="emoset",
    title="EmoSet-118K: 118,102 pictures, 8 emotions, 6 attributes",
    get="the download link of the project page (a zip of the 118K set), by yourself",
    license="images: not stated, research use; the authors' loader is MIT",
    layout=LAYOUT,
    tasks=("single", "polarity"),
    split="official 80/5/15 (train.json, val.json, test.json)",
)
SINGLE = ("brightness", "colorfulness", "scene", "facial_expression", "human_action")


def read(root: Path) -> LabelledRows:
    """The rows of the three split files, in their order; attributes are columns."""
    lines = [(split, *row) for split in SPLITS for row in _rows(root, split)]
    if not lines:
        raise SourceError(f"{root}: the split files name no pictures.")
    gone = [f"{split}.json" for split in SPLITS if not (root / f"{split}.json").is_file()]
    notes = _check_order(root)
    if gone:
        notes += (f"not there: {', '.join(gone)}; its pictures are in no split",)
    names = [image for _, _, image, _ in lines]
    annotated = _Attributes(root, [annotation for *_, annotation in lines])
    rows = files.rows_of(
        INFO.name, root, names, [emotion for _, emotion, *_ in lines],
        split=[split for split, *_ in lines], notes=notes,
    )  # fmt: skip
    plain = rows.column
    object.__setattr__(  # attributes are read from 118,102 small files only when asked for
        rows, "column", lambda name: annotated(name) if name in SINGLE else plain(name)
    )
    object.__setattr__(rows, "column_names", (*rows.column_names, *SINGLE))
    return rows


def _rows(root: Path, split: str) -> list[tuple[str, str, str]]:
    """(emotion, image, annotation) of a split; its list may be missing, all three may not."""
    if not any((root / f"{name}.json").is_file() for name in SPLITS):
        raise SourceError(f"{root}: no train.json, val.json or test.json. {INFO.layout}.")
    return read_split(root, split)


def _check_order(root: Path) -> tuple[str, ...]:
    """A note where `info.json` is missing; SourceError where it is not EmoSet's."""
    if emotion_numbers(root) is None:
        return ("no info.json: attribute vocabularies are not known; labels do not need it",)
    return ()


class _Attributes:
    """Attribute columns: "" where absent, numbers with one decimal, names stripped."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self._root, self._names = root, names
        self._read: list[dict[str, Any]] | None = None

    def __call__(self, attribute: str) -> list[str | None]:
        if self._read is None:
            self._read = [self._annotation(name) for name in self._names]
        return [_text(line.get(attribute)) for line in self._read]

    def _annotation(self, name: str) -> dict[str, Any]:
        try:
            return read_json(find(name, self._root))  # type: ignore[no-any-return]
        except (OSError, ValueError):
            return {}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return f"{float(value):.1f}"
    return str(value).strip() or None  # "boxing " is in the files with its space
