"""Probes of one encoder on the faces: who was right about which picture, seed by seed.

Probes learn from the families named in `Sides.train` and are asked about those in `Sides.test`.
Shapes: N faces, D feature width, K emotions, M asked faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.adapters import emotion_faces
from benchmarks.adapters.base import LabelledRows
from benchmarks.features import backbones, features
from benchmarks.features.backbones import Backbone, Features
from benchmarks.lab.study.data import CHOICE, TEST
from benchmarks.problem.folds import Index, numbered, split_keeping
from benchmarks.protocols import knn, linear
from benchmarks.protocols.base import Prob, Problem
from emo8.core.taxonomy import EMOTIONS

TRAIN_SHARE = 0.9  # of the training rows, drawn anew by each probe seed
LABEL_SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
CODEPOINT_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class ProbeFaces:
    """The labelled faces, in file order."""

    rows: LabelledRows
    family: list[str]
    codepoint: Index  # (N,) equal numbers draw the same thing; a portrait is its own
    strong: npt.NDArray[np.bool_]
    target: Index  # (N,) in taxonomy order
    digests: list[str]


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Which faces teach and which are asked."""

    train: Index
    test: Index
    name: str  # "choice" or "test"


def read(path: Path) -> ProbeFaces:
    """All faces of `emotion_faces.parquet`."""
    rows = emotion_faces.read(path)
    index = list(range(len(rows)))
    digests = features.digests(rows, index)
    strength = rows.require("strength", "emotion_faces: column")
    return ProbeFaces(
        rows=rows,
        family=[str(f) for f in rows.column("family")],
        codepoint=numbered(rows.require("codepoint", "emotion_faces: column"), digests),
        strong=np.array([s == "strong" for s in strength]),
        target=np.array([EMOTIONS.index(str(e)) for e in rows.emotion], dtype=np.int64),
        digests=digests,
    )


def sides(faces: ProbeFaces, *, open_test: bool) -> Sides:
    """Choice: asked about fxemoji and dylan. Test: asked about the test families."""
    family = np.array(faces.family)
    asked, never = (TEST, ()) if open_test else (CHOICE, TEST)
    test = np.isin(family, asked)
    train = ~test & ~np.isin(family, never)
    return Sides(
        train=np.flatnonzero(train),
        test=np.flatnonzero(test),
        name="test" if open_test else "choice",
    )


def measure(model: str, seed: int, faces: ProbeFaces, where: Sides, probe_seeds: int, cache: Path
            ) -> dict[str, Any]:  # fmt: skip
    """Everything the report needs about one encoder, as plain numbers and texts of 0 and 1."""
    backbone = backbones.load(model, seed)
    index = [*where.train.tolist(), *where.test.tolist()]
    table = features.extract(backbone, faces.rows, index, [faces.digests[i] for i in index], cache)
    full = np.zeros((len(faces.target), table.features.shape[1]), np.float32)
    full[np.array(index)[table.usable]] = table.features
    found: dict[str, Any] = {"model_sha256": backbone.sha256, "side": where.name}
    found["faces"] = where.test.tolist()
    for name, module in (("linear", linear), ("knn", knn)):
        said = [
            _ask(module, full, faces, _drawn(faces, where.train, TRAIN_SHARE, s), where.test, s,
                 backbone)
            for s in range(probe_seeds)
        ]  # fmt: skip
        found[name] = ["".join(str(int(e)) for e in prob.argmax(axis=1)) for prob in said]
    found["unseen_codepoint"] = _unseen(full, faces, where, backbone)
    found["label_shares"] = {
        str(share): [
            _accuracy(
                _ask(linear, full, faces, _drawn(faces, where.train, share, s), where.test, s,
                     backbone),
                faces.target[where.test],
            )
            for s in range(min(3, probe_seeds))
        ]
        for share in LABEL_SHARES
    }  # fmt: skip
    return found


def _ask(
    module: Any,
    table: Features,
    faces: ProbeFaces,
    train: Index,
    test: Index,
    seed: int,
    backbone: Backbone,
) -> Prob:
    """(M, K) of one probe; its settings are chosen by leaving families of `train` out."""
    problem = Problem(
        features=table,
        target=faces.target,
        emotions=EMOTIONS,
        train=train,
        valid=train[:0],
        test=test,
        blocks=numbered(list(faces.family), faces.digests),
        seed=seed,
        backbone=backbone,
    )
    prob: Prob = module.predict(problem, module.Settings()).prob[0]
    return prob


def accuracy_of(
    table: Features, faces: ProbeFaces, where: Sides, seed: int, backbone: Backbone
) -> float:
    """Of the linear probe of one probe seed on any features (N, D) of the faces."""
    train = _drawn(faces, where.train, TRAIN_SHARE, seed)
    return _accuracy(
        _ask(linear, table, faces, train, where.test, seed, backbone), faces.target[where.test]
    )


def _drawn(faces: ProbeFaces, train: Index, share: float, seed: int) -> Index:
    """That share of the training rows of every emotion, one at least."""
    rng = np.random.default_rng([seed, 31])
    kept = []
    for emotion in range(len(EMOTIONS)):
        mine = rng.permutation(train[faces.target[train] == emotion])
        if len(mine):
            kept.append(mine[: max(1, round(share * len(mine)))])
    return np.sort(np.concatenate(kept))


def _unseen(table: Features, faces: ProbeFaces, where: Sides, backbone: Backbone) -> str:
    """Answers, as digits, of probes that saw no training picture of the asked code points."""
    both = np.concatenate([where.train, where.test])
    cut = split_keeping(faces.target[both], faces.codepoint[both], CODEPOINT_FOLDS, 0)
    said = np.full(len(faces.target), -1)
    for _, part in cut:
        asked = np.intersect1d(both[part], where.test)
        if not len(asked):
            continue
        train = where.train[~np.isin(faces.codepoint[where.train], faces.codepoint[asked])]
        said[asked] = _ask(linear, table, faces, train, asked, 0, backbone).argmax(axis=1)
    return "".join(str(int(e)) for e in said[where.test])


def _accuracy(prob: Prob, target: Index) -> float:
    return round(float((prob.argmax(axis=1) == target).mean()), 6)
