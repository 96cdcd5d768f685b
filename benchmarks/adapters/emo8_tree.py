"""Emo8, the dataset of the UniEmoX authors: distributed already split, a folder per emotion."""

from __future__ import annotations

from pathlib import Path

from benchmarks.adapters import files, tree
from benchmarks.adapters.base import Benchmark, LabelledRows

INFO = Benchmark(
    name="emo8",
    title="Emo8 (UniEmoX): 8,930 pictures by two secondary sources, 8 emotions, five styles",
    get="the shared drive folder named in the authors' README, by yourself",
    license="not found (the authors' code says MIT)",
    layout="ROOT/train|val|test/<emotion>/* (or ROOT/emo8/train|val|test/…)",
    tasks=("single", "polarity"),
    split="distributed already split; 8:1:1, stratified, by secondary sources",
)


def read(root: Path) -> LabelledRows:
    """The rows of the tree."""
    return tree.read(files.descend(root, ("emo8", "Emo8")), name=INFO.name)
