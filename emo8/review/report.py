"""Numbers about a build's votes: who voted, how far they agree, how reliable each is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from emo8.core import label_set
from emo8.engine.verdict_table import VERDICTS
from emo8.review import agreement, counting, votes
from emo8.review.agreement import Marks

_RATED = ("valence", "arousal", "dominance", "polarity")


def vote_report(build: Path) -> dict[str, Any]:
    """All numbers, for `emo8 review BUILD`, the report and the card."""
    every = votes.read_votes(build)
    cast = votes.counted(every)
    per_row = cast.groupby("id")["annotator"].nunique()
    report: dict[str, Any] = {
        "num_votes": len(every),
        "num_counted": len(cast),
        "num_without_consent": int(every["consent"].eq(False).sum()),
        "batches": every["batch"].value_counts(sort=False).to_dict(),
        "num_rows": int(cast["id"].nunique()),
        "num_annotators": int(cast["annotator"].nunique()),
        "kinds": cast["kind"].value_counts().to_dict(),
        "annotators_per_row": _number(per_row.mean()) if len(per_row) else None,
    }
    found = {**report, **_of_emotions(cast), **_of_styles(cast), **_of_ratings(cast)}
    by_style = _by_style(build, cast)
    return {**found, "krippendorff_alpha_by_style": by_style} if by_style else found


def _by_style(build: Path, cast: pd.DataFrame) -> dict[str, float]:
    """Agreement about the emotion on the rows of each style, where it is defined."""
    path = build / VERDICTS
    if cast.empty or not path.exists():
        return {}
    verdicts = pq.read_table(path, columns=["id", "style"]).to_pandas().drop_duplicates("id")
    style = cast["id"].map(verdicts.set_index("id")["style"])
    alphas = {name: _of_emotions(cast[style.eq(name)]) for name in label_set.styles()}
    key = "krippendorff_alpha" if counting.marks_of(cast)[1] else "krippendorff_alpha_yes_no"
    return {name: alpha for name, found in alphas.items() if (alpha := found.get(key)) is not None}


def _of_emotions(cast: pd.DataFrame) -> dict[str, Any]:
    """Agreement about the emotion: of free answers, of yes and no, and about each emotion."""
    item, keys = pd.factorize(cast["id"])
    named = counting.tally_of(cast, item, len(keys))
    if not named.asked.any():
        return {}
    each = agreement.alpha_of_each(named.each, named.asked)
    return {
        **_of_answers(cast),
        **_of_proposals(cast),
        "krippendorff_alpha_by_emotion": {
            name: _number(each[k]) for k, name in enumerate(label_set.emotions())
        },
    }


def _of_answers(cast: pd.DataFrame) -> dict[str, Any]:
    """Agreement of free answers; sets of ticks are compared by MASI, and by Jaccard beside it."""
    marks, ids, annotators = counting.marks_of(cast)
    if not ids:
        return {}
    counts = marks.counts()
    found: dict[str, Any] = {}
    if cast["kind"].eq("select").any():
        sets, given = _sets(marks)
        masi = agreement.krippendorff_alpha(given, agreement.masi_distance(sets))
        jaccard = agreement.krippendorff_alpha(given, agreement.jaccard_distance(sets))
        found |= {
            "krippendorff_alpha": _number(masi),
            "krippendorff_alpha_distance": "masi",
            "krippendorff_alpha_jaccard": _number(jaccard),
        }
    else:
        same = len(np.unique(counts.sum(axis=1))) == 1
        found |= {
            "krippendorff_alpha": _number(agreement.krippendorff_alpha(counts)),
            "krippendorff_alpha_distance": "nominal",
            "fleiss_kappa": _number(agreement.fleiss_kappa(counts)) if same else None,
            "fleiss_kappa_note": "" if same else "rows have different numbers of votes: use alpha",
        }
    accuracy = agreement.dawid_skene(marks, smoothing=counting.SMOOTHING).accuracy()
    given_by = np.bincount(marks.person, minlength=len(annotators))
    return {
        **found,
        "annotators": {
            name: {"num_votes": int(given_by[k]), "estimated_accuracy": _number(accuracy[k])}
            for k, name in enumerate(annotators)
        },
    }


def _of_proposals(cast: pd.DataFrame) -> dict[str, Any]:
    """Agreement of yes and no to the emotions proposed for rows, all such questions together."""
    counts = counting.proposals(cast)
    alpha = agreement.krippendorff_alpha(counts)
    return {"krippendorff_alpha_yes_no": _number(alpha)} if len(counts) else {}


def _sets(marks: Marks) -> tuple[list[frozenset[int]], np.ndarray]:
    """The different sets that were ticked, and (N, K) how often each was, per row."""
    frame = pd.DataFrame({"item": marks.item, "person": marks.person, "name": marks.name})
    ticked = frame.groupby(["item", "person"])["name"].agg(frozenset)
    number, sets = pd.factorize(ticked)
    counts = np.zeros((marks.shape[0], len(sets)))
    np.add.at(counts, (ticked.index.get_level_values("item").to_numpy(), number), 1)
    return list(sets), counts


def _of_styles(cast: pd.DataFrame) -> dict[str, Any]:
    said = cast[cast["kind"].eq("style")]
    if said.empty:
        return {}
    counts = pd.crosstab(said["id"], said["style"]).to_numpy()
    return {"krippendorff_alpha_style": _number(agreement.krippendorff_alpha(counts))}


def _of_ratings(cast: pd.DataFrame) -> dict[str, Any]:
    """Alpha for ratings, by the interval distance."""
    found = {}
    for name in _RATED:
        said = cast[cast["kind"].eq(name)]
        if len(said):
            counts = pd.crosstab(said["id"], said["value"])
            distance = agreement.interval_distance(counts.columns.to_numpy(float))
            alpha = agreement.krippendorff_alpha(counts.to_numpy(), distance)
            found[f"krippendorff_alpha_{name}"] = _number(alpha)
    return found


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
