"""Claims become final labels: who is believed, in the order the recipe gives, and when nobody is.

The source, CLIP and people each make a claim. `[labels] rule` says whose comes first, and
`[labels] style_rule` the same for the style, which every row has. CLIP's claim
about an emotion counts only where it is sure enough for `[labels] max_risk`; a row that nobody
labels keeps a null emotion and the rule `abstain`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from emo8.core.settings import LabelsConfig, VotesConfig
from emo8.core.taxonomy import EMOTIONS, STYLES, parse_emotion, parse_style
from emo8.labels.calibration import Calibrations
from emo8.review import counting

ABSTAIN = "abstain"
# Columns that `final_labels` adds to the verdicts.
COLUMNS = (
    "style", "style_rule", "emotion", "emotion_rule", "emotion_votes", "emotion_ticks",
    "vote_result", "num_votes", "valence", "arousal", "dominance",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FinalLabels:
    """What the final labels depend on besides the rows."""

    labels: LabelsConfig
    votes: VotesConfig
    cast: pd.DataFrame  # the votes that count
    calibrations: Calibrations

    def final_labels(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The columns in COLUMNS, `review_rejected` (share of annotators who reject the row) and
        `review_reason` (why).

        `rows` has `id`, `style_source`, `style_prob`, `emotion_source`, `emotion_prob`.
        """
        found = pd.DataFrame(index=rows.index)
        ids = rows["id"].fillna("")
        styles = {
            "human": counting.human_styles(self.cast, ids, self.votes),
            "source": parsed(rows["style_source"], parse_style),
            "clip": most_likely(rows["style_prob"], STYLES),
        }
        found["style"], found["style_rule"] = first_claim(
            {name: styles[name] for name in self.labels.style_rule}
        )
        human = counting.human_labels(self.cast, ids, self.votes)
        no_emotion = human["vote_result"].isin(counting.NO_EMOTION)
        claims = {
            "human": human["emotion"].mask(no_emotion, ABSTAIN),
            "source": parsed(rows["emotion_source"], parse_emotion),
            "clip": self._sure(rows["emotion_prob"], found["style"]),
        }
        found["emotion"], rule = first_claim({name: claims[name] for name in self.labels.rule})
        denied = found["emotion"].eq(ABSTAIN)  # people say that there is no emotion to label
        found["emotion"] = found["emotion"].mask(denied, None)
        nobody = denied | (rule.isna() & rows["emotion_prob"].notna())
        found["emotion_rule"] = rule.mask(nobody, ABSTAIN)
        for name in ("emotion_votes", "emotion_ticks", "vote_result", *counting.MEANS):
            found[name] = human[name]
        found["num_votes"] = human["num_votes"].astype("int32")
        found["review_rejected"] = human["rejected"]
        found["review_reason"] = human["reject_reason"]
        return found

    def _sure(self, prob: pd.Series, style: pd.Series) -> pd.Series:
        """CLIP's most likely emotion where it is sure enough, else None."""
        claim = most_likely(prob, EMOTIONS)
        if self.labels.max_risk >= 1:
            return claim
        _, top = largest(prob)
        least = style.map(
            {name: self.calibrations.threshold(name, self.labels.max_risk) for name in STYLES}
        )
        # a published probability is rounded; a threshold is not
        return claim.where(top >= least.fillna(np.inf) - 1e-4, None)


def first_claim(claims: dict[str, pd.Series]) -> tuple[pd.Series, pd.Series]:
    """Final names and who made them: for each row the first of `claims` that is not null."""
    index = next(iter(claims.values())).index
    final, rule = np.full(len(index), None, object), np.full(len(index), None, object)
    for name, claim in claims.items():
        new = pd.isna(final) & claim.notna().to_numpy()
        final[new], rule[new] = claim.to_numpy(object)[new], name
    return pd.Series(final, index, dtype=object), pd.Series(rule, index, dtype=object)


def parsed(source: pd.Series, parse: Callable[[str], str]) -> pd.Series:
    """The source's claims that are names of ours, else None."""
    codes, texts = pd.factorize(source)
    names: list[str | None] = []
    for text in texts:
        try:
            names.append(parse(text))
        except ValueError:  # another vocabulary: kept verbatim in the claim's own column
            names.append(None)
    return pd.Series(np.array([*names, None], object)[codes], index=source.index, dtype=object)


def most_likely(prob: pd.Series, names: tuple[str, ...]) -> pd.Series:
    """The most likely name of each distribution, None where there is none."""
    place, _ = largest(prob)
    return pd.Series(np.array([*names, None], object)[place], index=prob.index, dtype=object)


def largest(prob: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """(N,) place of the largest number of each distribution and that number; -1 and 0 for none."""
    place, value = np.full(len(prob), -1), np.zeros(len(prob))
    column = pa.array(prob, from_pandas=True)
    end = 0
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        start, end = end, end + len(chunk)
        rows = start + np.flatnonzero(chunk.is_valid())
        if len(rows):
            numbers = chunk.flatten().to_numpy().reshape(len(rows), -1)
            place[rows], value[rows] = numbers.argmax(axis=1), numbers.max(axis=1)
    return place, value
