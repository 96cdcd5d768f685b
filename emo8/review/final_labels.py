"""Claims become final labels: who is believed, in the order the recipe gives, and when nobody is.

The source, CLIP and people each make a claim. `[labels] rule` says whose comes first, and
`[labels] style_rule` the same for the style. CLIP's claim about an emotion counts only where it is
sure enough for `[labels] max_risk`, and none of its claims where it finds all names equally likely,
as outside of its domain. What nobody labels stays null, with the rule `abstain`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from emo8.core import label_set
from emo8.core.settings import LabelsConfig, VotesConfig
from emo8.engine.database import Database, values
from emo8.labels.calibration import Calibrations
from emo8.labels.clip.domain import says_something
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

    def prepare(self, db: Database, rows: str) -> None:
        """Make the tables that `labelled` joins: what people and sources say, in our words.

        `rows` is SQL of all rows with `id`, `style_source`, `emotion_source`.
        """
        db.keep("voted", pa.table({"id": pa.array(self.cast["id"].unique(), pa.string())}))
        known = (
            f"SELECT DISTINCT id FROM {rows} SEMI JOIN voted USING (id)" if len(self.cast) else ""
        )
        ids = db.frame(known)["id"] if known else pd.Series([], dtype=object)
        human = counting.human_labels(self.cast, ids, self.votes).assign(
            id=ids, style=counting.human_styles(self.cast, ids, self.votes)
        )
        db.keep("people", pa.Table.from_pandas(human, _PEOPLE, preserve_index=False))
        said = "list(DISTINCT style_source), list(DISTINCT emotion_source)"
        styles, emotions = db.lines(f"SELECT {said} FROM {rows}")[0]
        for claim, words, parse in (
            ("style", styles, label_set.parse_style),
            ("emotion", emotions, label_set.parse_emotion),
        ):
            names = {word: _parsed(word, parse) for word in words or () if word is not None}
            ours = {word: name for word, name in names.items() if name}
            table = pa.table([list(ours), list(ours.values())], schema=_WORDS)
            db.keep(f"{claim}_words", table)
        least = [
            self.calibrations.threshold(name, self.labels.max_risk) for name in label_set.styles()
        ]
        db.keep(
            "least_sure",
            pa.table({"style": label_set.styles(), "prob": pa.array(least, pa.float64())}),
        )

    def labelled(self, rows: str) -> str:
        """SQL: `rows` with the columns in COLUMNS, `review_rejected` (share of annotators who
        reject the row) and `review_reason` (why).

        `rows` has `id`, `style_source`, `style_prob`, `emotion_source`, `emotion_prob`.
        """
        style, style_rule = first_claim(
            {
                "human": "people.style",
                "source": "style_words.name",
                "clip": most_likely_sql("style_prob", label_set.styles()),
            },
            self.labels.style_rule,
        )
        # a published probability is rounded; a threshold is not
        sure = "TRUE" if self.labels.max_risk >= 1 else "list_max(emotion_prob) >= prob - 1e-4"
        likely = most_likely_sql("emotion_prob", label_set.emotions())
        emotion, rule = first_claim(
            {
                "human": f"CASE WHEN vote_result IN {counting.NO_EMOTION} THEN '{ABSTAIN}' "
                "ELSE human_emotion END",
                "source": "source_emotion",
                "clip": f"CASE WHEN {sure} THEN {likely} END",
            },
            self.labels.rule,
        )
        denied = f"{emotion} = '{ABSTAIN}'"  # people say that there is no emotion to label
        nobody = f"style_prob IS NOT NULL THEN '{ABSTAIN}'"
        return f"""(
            SELECT * EXCLUDE (human_emotion, source_emotion, prob),
                nullif({emotion}, '{ABSTAIN}') AS emotion,
                CASE WHEN {denied} OR ({emotion} IS NULL AND emotion_prob IS NOT NULL)
                    THEN '{ABSTAIN}' ELSE {rule} END AS emotion_rule
            FROM (
                SELECT rows.*, {style} AS style,
                    coalesce({style_rule}, CASE WHEN {nobody} END) AS style_rule,
                    people.emotion AS human_emotion, emotion_words.name AS source_emotion,
                    emotion_votes, emotion_ticks, vote_result, coalesce(num_votes, 0) AS num_votes,
                    valence, arousal, dominance,
                    coalesce(rejected, 0) AS review_rejected, reject_reason AS review_reason
                FROM {rows} AS rows
                LEFT JOIN people USING (id)
                LEFT JOIN style_words ON style_source = style_words.word
                LEFT JOIN emotion_words ON emotion_source = emotion_words.word
            ) LEFT JOIN least_sure USING (style)
        )"""


_PEOPLE = pa.schema(
    [
        ("id", pa.string()),
        ("style", pa.string()),
        ("emotion", pa.string()),
        ("emotion_votes", pa.list_(pa.float64())),
        ("emotion_ticks", pa.list_(pa.float64())),
        ("vote_result", pa.string()),
        ("num_votes", pa.int32()),
        ("valence", pa.float64()),
        ("arousal", pa.float64()),
        ("dominance", pa.float64()),
        ("rejected", pa.float64()),
        ("reject_reason", pa.string()),
    ]
)
_WORDS = pa.schema([("word", pa.string()), ("name", pa.string())])


def first_claim(claims: dict[str, str], order: Sequence[str]) -> tuple[str, str]:
    """SQL of the first of `claims` that is not null, in this order, and of who made it."""
    asked = {name: claims[name] for name in order}
    rules = " ".join(f"WHEN {claim} IS NOT NULL THEN '{name}'" for name, claim in asked.items())
    return f"coalesce({', '.join(asked.values())})", f"CASE {rules} END"


def most_likely_sql(prob: str, names: tuple[str, ...]) -> str:
    """SQL of the most likely name of a distribution, null where it prefers none."""
    likely = f"{values(names)}[list_position({prob}, list_max({prob}))]"
    if len(names) == 1:
        return likely
    return f"CASE WHEN list_max({prob}) > list_min({prob}) THEN {likely} END"


def _parsed(word: str, parse: Callable[[str], str]) -> str | None:
    """One of our names; None for another vocabulary, kept verbatim in the claim's own column."""
    try:
        return parse(word)
    except ValueError:
        return None


def parsed(source: pd.Series, parse: Callable[[str], str]) -> pd.Series:
    """The source's claims that are names of ours, else None."""
    codes, words = pd.factorize(source)
    names = [_parsed(word, parse) for word in words]
    return pd.Series(np.array([*names, None], object)[codes], index=source.index, dtype=object)


def most_likely(prob: pd.Series, names: tuple[str, ...]) -> pd.Series:
    """The most likely name of each distribution, None where it prefers none."""
    place, _ = largest(prob)
    return pd.Series(np.array([*names, None], object)[place], index=prob.index, dtype=object)


def largest(prob: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """(N,) place of the largest number of each distribution and that number; -1 and 0 for none.

    A distribution that finds all names equally likely has no largest number.
    """
    place, value = np.full(len(prob), -1), np.zeros(len(prob))
    column = pa.array(prob, from_pandas=True)
    end = 0
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        start, end = end, end + len(chunk)
        rows = start + np.flatnonzero(chunk.is_valid())
        if len(rows):
            numbers = chunk.flatten().to_numpy().reshape(len(rows), -1)
            prefers = says_something(numbers)
            place[rows] = np.where(prefers, numbers.argmax(axis=1), -1)
            value[rows] = np.where(prefers, numbers.max(axis=1), 0)
    return place, value
