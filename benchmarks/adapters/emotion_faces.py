"""Emotion faces: emoji and drawn portraits of ten drawing styles, labelled by their names.

Made for training on some vendors and testing on others (`--group vendor`, or `--group family`,
which holds together the renderings of one design). Vendors draw the same code points, so
`--group vendor --cluster codepoint` tests on faces that no vendor showed in training.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.adapters import parquet
from benchmarks.adapters.base import Benchmark, LabelledRows
from emo8.core.taxonomy import EMOTIONS

INFO = Benchmark(
    name="emotion_faces",
    title="839 emoji and drawn portraits in 10 drawing styles, 8 emotions by their names",
    get="made from freely licensed icon packages; one file, emotion_faces.parquet",
    license="per row, in the column `license`",
    layout="a parquet file with the columns image, vendor, codepoint, emotion, strength",
    tasks=("single", "polarity"),
)
_FAMILIES = {"fluent-flat": "fluent", "fluent-3d": "fluent", "noto-v1": "noto"}


def read(path: Path) -> LabelledRows:
    """The faces, with the derived column `family`: one design, however it is rendered."""
    rows = parquet.read(path, name=INFO.name)
    vendors = rows.require("vendor", "--data emotion_faces: column")
    unknown = {e for e in rows.emotion if e is not None} - set(EMOTIONS)
    notes = rows.notes
    if unknown:
        notes = (*notes, f"emotions outside the documented eight: {', '.join(sorted(unknown))}")
    family = [v and _FAMILIES.get(v, v) for v in vendors]

    def column(name: str) -> list[str | None]:
        return family if name == "family" else rows.column(name)

    return replace(rows, column=column, column_names=(*rows.column_names, "family"), notes=notes)
