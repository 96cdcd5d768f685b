"""Further questions of transfer, asked of finished runs: see "Added" in learning.md.

Emotions of unseen artists and caption topics of unseen pictures, from few labels and frozen
features, of a run, the untrained network, raw pixels and the teacher.

Letters: N pictures, K classes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from benchmarks.lab.learned import Seen
from benchmarks.lab.study import questions
from pretrain.data.cache import MemorySource

LABELS = (5, 20)  # for each emotion or topic
WORD_IN = (60, 600)  # training captions in which a topic's word stands
Names = npt.NDArray[np.object_]


def answers(
    looks: dict[str, dict[str, Seen]], caches: dict[str, Path], opened: dict[str, MemorySource]
) -> dict[str, Any]:
    """{"run", "untrained", "pixels", "teacher": {"emotions", "topics": {labels: (N,) shares}}}."""
    asked = {
        "emotions": ("families", *emotions(caches, opened)),
        "topics": ("pictures", *_topics(opened)),
    }
    return {
        name: {
            question: _from_few(seen, side, known, wanted)
            for question, (side, known, wanted) in asked.items()
        }
        for name, seen in looks.items()
    }


def _from_few(
    seen: dict[str, Seen], side: str, known: Names, wanted: Names
) -> dict[str, list[float]]:
    """(N,) share of label draws in which a picture with a label was right, per labels."""
    there = np.flatnonzero(wanted != None)  # noqa: E711 (element by element)
    return {
        str(count): questions.from_few_labels(
            seen["train"].features, known, seen[side].features[there], wanted[there], count
        )
        .round(3)
        .tolist()
        for count in LABELS
    }


def emotions(caches: dict[str, Path], sources: dict[str, MemorySource]) -> tuple[Names, Names]:
    """Emotion hints of the training pictures and of the unseen families'; None where none."""
    found = []
    for side in ("train", "families"):
        table = pq.read_table(
            caches[side].with_suffix(".parquet"), columns=["id", "emotion_hint"]
        ).to_pydict()
        hints = dict(zip(table["id"], table["emotion_hint"], strict=True))
        found.append(np.array([hints[row_id] for row_id in sources[side].ids], dtype=object))
    return found[0], found[1]


def _topics(sources: dict[str, MemorySource]) -> tuple[Names, Names]:
    """Topics of the training pictures and of the unseen ones; None where a caption has none."""
    captions = {side: _captions(sources[side]) for side in ("train", "pictures")}
    counts = Counter(word for words in captions["train"] for word in words)
    low, high = WORD_IN
    known = {word: count for word, count in counts.items() if low <= count <= high}
    found = [
        np.array([_rarest(words, known) for words in captions[side]], dtype=object)
        for side in ("train", "pictures")
    ]
    return found[0], found[1]


def _captions(source: MemorySource) -> list[set[str]]:
    texts = [source.texts[int(index)] for index in source.text_index]
    return [set(re.findall(r"[a-z]{4,}", text.lower())) for text in texts]


def _rarest(words: Sequence[str] | set[str], known: dict[str, int]) -> str | None:
    """The word of the fewest training captions."""
    return min((w for w in words if w in known), key=lambda w: (known[w], w), default=None)
