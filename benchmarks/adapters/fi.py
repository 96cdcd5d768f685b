"""FI (Flickr and Instagram): eight emotions, a folder each; no split that all use."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from benchmarks.adapters import files, splits, tree
from benchmarks.adapters.base import Benchmark, LabelledRows
from emo8.core.errors import SourceError

INFO = Benchmark(
    name="fi",
    title="FI: 23,308 pictures of Flickr and Instagram as published, 8 emotions",
    get="by request on the first author's page; today people obtain about 23,185",
    license="images: their owners'; research use on request",
    layout="ROOT/<emotion>/*.jpg, or ROOT/train|val|test/<emotion>/*.jpg as it circulates split",
    tasks=("single", "polarity"),
    split="convention 80/5/15 per emotion (UniEmoX's rule), names sorted, seed stated",
    notes=("pictures that say 'image removed' repeat; they are found and left out",),
)
PLACEHOLDER_REPEATS = 5  # the same bytes this often are no photograph


def read(root: Path, seed: int = 0) -> LabelledRows:
    """The rows of the tree; its own split folders win over the convention."""
    if tree.has_splits(root):
        return tree.read(root, name=INFO.name)
    pairs = [(f.name, n) for f in files.folders(root) for n in files.pictures(f, root)]
    if len({emotion for emotion, _ in pairs}) < 2:
        raise SourceError(f"{root}: fewer than two folders with pictures. {INFO.layout}.")
    gone = placeholders(root, [name for _, name in pairs])
    pairs = [(emotion, name) for emotion, name in pairs if name not in gone]
    emotion, names = [e for e, _ in pairs], [n for _, n in pairs]
    notes = [f"split: {INFO.split.removeprefix('convention ')}, seed {seed}"]
    if gone:
        notes.append(f"{len(gone)} placeholder pictures (same bytes repeated) left out")
    split = splits.by_rule(names, emotion, 0.8, 0.05, seed)
    return files.rows_of(INFO.name, root, names, emotion, split=split, notes=notes)


def placeholders(root: Path, names: list[str]) -> set[str]:
    """Files whose bytes occur at least PLACEHOLDER_REPEATS times; only equal sizes are hashed."""
    sizes = {name: _size(root / name) for name in names}
    often = {s for s, count in Counter(sizes.values()).items() if count >= PLACEHOLDER_REPEATS}
    asked = {name: files.read_below(root, name) for name in names if sizes[name] in often}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in asked.items() if data}
    repeated = {d for d, count in Counter(digests.values()).items() if count >= PLACEHOLDER_REPEATS}
    return {name for name, digest in digests.items() if digest in repeated}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a link to nothing
        return -1
