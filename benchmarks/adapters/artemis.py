"""ArtEmis: nine feelings about WikiArt paintings, one of several people's per line.

The released CSV has a line per person and painting (art_style, painting, emotion, utterance,
repetition); here a painting is one row with the counts of its lines, so that the people's own
agreement can be measured. `something else` is the ninth label.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.adapters import files
from benchmarks.adapters.base import Benchmark, LabelledRows, Numbers, emotion_names
from emo8.core.errors import SourceError

NAME = "artemis_dataset_release_v0.csv"
SHARES = (0.85, 0.05)  # of train and val: the authors' script splits by painting, its own draw
NEEDED = ("art_style", "painting", "emotion")
INFO = Benchmark(
    name="artemis",
    title="ArtEmis: 454,684 answers about some 80,000 paintings, 8 emotions and something else",
    get="annotations by the authors' form; the pictures are those of WikiArt, by yourself",
    license="the form's terms; the paintings' rights differ",
    layout=f"ROOT/{NAME} and ROOT/wikiart/<art_style>/<painting>.jpg (or ROOT/<art_style>/…)",
    tasks=("dominant", "distribution"),
    split="convention 85%/5%/rest per label, names sorted, seed",
    notes=("the first of equally frequent labels, by name, is the dominant one",),
)


def read(root: Path, seed: int = 0) -> LabelledRows:
    """One row per painting that the CSV names."""
    path = files.require(root / NAME, "the released annotations", INFO.layout)
    lines = files.read_csv(path, NEEDED)
    votes: dict[tuple[str, str], Counter[str]] = {}
    for line in lines:
        emotion = line["emotion"].strip().lower().replace(" ", "_")
        if emotion:
            key = (line["art_style"], line["painting"])
            votes.setdefault(key, Counter())[emotion] += 1
    if not votes:
        raise SourceError(f"{path}: no line has an emotion.")
    labels = sorted({emotion for own in votes.values() for emotion in own})
    names, _ = emotion_names(list(labels))
    keys = sorted(votes)
    counts = np.array([[votes[key][label] for label in labels] for key in keys], dtype=float)
    named = tuple(str(name) for name in names)
    pictures = files.descend(root, ("wikiart", "WikiArt", "images"))
    prefix = "" if pictures == root else f"{pictures.name}/"
    paths = [f"{prefix}{style}/{painting}.jpg" for style, painting in keys]
    top = [named[k] for k in counts.argmax(axis=1)]
    from benchmarks.adapters import splits

    return files.rows_of(
        INFO.name, root, paths, [None] * len(paths),
        split=splits.by_rule(paths, top, *SHARES, seed),
        columns={"art_style": [style for style, _ in keys]},
        notes=(f"split: {INFO.split.removeprefix('convention ')} {seed}",),
        task="dominant",
        shares=Numbers(names=named, values=counts / counts.sum(axis=1, keepdims=True)),
        votes=Numbers(names=named, values=counts),
    )  # fmt: skip
