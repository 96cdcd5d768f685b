"""Leave one artist out: emotions of one artist's faces, learned from the other artists' alone.

See "Added on 29 November" in learning.md. Letters: N pictures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch

from benchmarks.lab.learned import Seen
from benchmarks.lab.study import data, questions
from pretrain.data.cache import MemorySource

ALL = 10**6  # labels for each emotion: as many as there are
SIDES = ("train", "families")
Names = npt.NDArray[np.object_]


def answers(
    looks: dict[str, dict[str, Seen]], opened: dict[str, MemorySource], corpus: Path
) -> dict[str, dict[str, list[float]]]:
    """{"run", "untrained", "pixels", "teacher": {artist: (N,) 1 where the emotion was right}}."""
    known = _known(corpus, [row_id for side in SIDES for row_id in opened[side].ids])
    return {name: _left_out(seen, *known) for name, seen in looks.items()}


def _left_out(seen: dict[str, Seen], artists: Names, emotions: Names) -> dict[str, list[float]]:
    features = torch.cat([seen[side].features for side in SIDES])
    labelled = (emotions != None) & (artists != None)  # noqa: E711 (element by element)
    names = sorted(set(artists[labelled]))
    found = {}
    for one in names if len(names) > 1 else ():
        asked = np.flatnonzero(labelled & (artists == one))
        labels = np.where(labelled & (artists != one), emotions, None)
        right = questions.from_few_labels(features, labels, features[asked], emotions[asked], ALL)
        found[one] = right.tolist()
    return found


def _known(corpus: Path, ids: list[str]) -> tuple[Names, Names]:
    """Artist and emotion hint of every id; None where there is none."""
    artists: dict[str, str | None] = {}
    emotions: dict[str, str | None] = {}
    for shard in sorted(corpus.glob("images-*.parquet")):
        for row in pq.read_table(
            shard, columns=["id", "source_package", "emotion_hint"]
        ).to_pylist():
            artists[row["id"]] = data.artist(row["source_package"])
            emotions[row["id"]] = row["emotion_hint"]
    return (
        np.array([artists.get(row_id) for row_id in ids], dtype=object),
        np.array([emotions.get(row_id) for row_id in ids], dtype=object),
    )
