"""UnbiasedEmotion (UBE): six emotions, the same sub-concepts under several of them on purpose."""

from __future__ import annotations

from pathlib import Path

from benchmarks.adapters import files, splits, tree
from benchmarks.adapters.base import Benchmark, LabelledRows
from emo8.core.errors import SourceError

INFO = Benchmark(
    name="unbiased_emotion",
    title="UnbiasedEmotion: about 3,045 pictures, 6 emotions (anger, fear, joy, love, …)",
    get="the download link on the authors' page; it expires at times",
    license="not stated; research use",
    layout="ROOT/<emotion>/<sub-concept>/<file>, or UniEmoX's ROOT/train|val|test/<emotion>/<file>",
    tasks=("single", "polarity"),
    split="convention 70/10/20 inside each sub-concept (UniEmoX's rule), names sorted, seed stated",
)


def read(root: Path, seed: int = 0) -> LabelledRows:
    """The rows of the tree, with the column `concept`; its own split folders win."""
    if tree.has_splits(root):
        return tree.read(root, name=INFO.name)
    names, emotion, concept = [], [], []
    for folder in files.folders(root):
        for name in files.pictures(folder, root):
            parts = Path(name).parts
            names.append(name)
            emotion.append(folder.name)
            # flattened copies carry it in the name: <sub-concept>_<file>
            concept.append(parts[1] if len(parts) > 2 else parts[-1].rpartition("_")[0])
    if len(set(emotion)) < 2:
        raise SourceError(f"{root}: fewer than two folders with pictures. {INFO.layout}.")
    strata = [f"{e}/{c}" for e, c in zip(emotion, concept, strict=True)]
    return files.rows_of(
        INFO.name, root, names, emotion, split=splits.by_rule(names, strata, 0.7, 0.1, seed),
        columns={"concept": concept},
        notes=[f"split: {INFO.split.removeprefix('convention ')}, seed {seed}"],
    )  # fmt: skip
