"""From votes to labels: shares, the rule of the recipe, and what to do with ties.

Somebody who ticks k emotions gives each 1/k of a vote (`split`) or a whole one (`each`); `[votes]
ticks` says by which of the two the label is found. Rules (`[votes] rule`), over the share that each
answer has of the votes it could have got: majority = more than half; threshold = at least
`min_share`; distribution = more than any other; dawid_skene = posterior of at least `min_share`,
which weighs annotators by their reliability; rows that anybody was asked yes or no about follow
threshold, for a no is no confusion of names. "None of these" and "neutral" are answers like the
emotions: where one of them wins, people say that there is no emotion to label. "Cannot tell" is
no vote. A tie gives no label under any rule. Styles follow the same rule, except that dawid_skene
is threshold there: few people vote on style.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from emo8.core import label_set, schema
from emo8.core.settings import VotesConfig
from emo8.engine.row_index import index_of
from emo8.review.agreement import Marks, dawid_skene

# Votes an unknown annotator is assumed to have given: two per emotion tame one-picture annotators.
SMOOTHING = 2.0
MEANS = ("valence", "arousal", "dominance")
# What the votes on a row came to, beside the emotion that won.
NO_EMOTION = ("none", "neutral")
TIE, TOO_FEW, NO_WINNER, WON = "tie", "too_few", "no_winner", "label"
_SAYS = ("choice", "select", "none", "neutral", "other")


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Votes (N, K) for each of the `answers`."""

    split: np.ndarray  # a person's ticks share one vote
    each: np.ndarray  # every tick is a vote
    asked: np.ndarray  # annotators who could have given the answer


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares (N, K) of the `answers`, and how many annotators (N,) answered."""

    split: np.ndarray  # a person's ticks share one vote
    each: np.ndarray  # every tick is a vote
    annotators: np.ndarray


def answers() -> tuple[str, ...]:
    """What can win: the emotions, then two ways to say that there is none."""
    return (*label_set.emotions(), *NO_EMOTION)


def human_labels(votes: pd.DataFrame, ids: pd.Series, config: VotesConfig) -> pd.DataFrame:
    """Per row: `emotion` (null = no human label), `vote_result`, `emotion_votes`, `emotion_ticks`,
    `num_votes`, `valence`, `arousal`, `dominance`, `rejected`, `reject_reason`.

    `votes` are those that count. `vote_result` says what they came to, null without votes;
    `emotion_votes` is the share each emotion has, one vote per annotator; `emotion_ticks` the
    share of annotators who named it; both are null where nobody named any. `rejected` is the share
    of the row's annotators who reject the picture, and `reject_reason` the reason most give.
    """
    own = votes[votes["kind"].ne("style") & _among(votes["id"], ids)]
    item, keys = pd.factorize(own["id"])
    n = len(keys)
    shares = shares_of(own, item, n)
    label, result = _labels(own, item, shares, config)
    rejecting = own["kind"].eq("reject").to_numpy()
    voters = _distinct(own, item, n)
    rejected = np.bincount(item[rejecting], minlength=n) / np.maximum(voters, 1)
    total = shares.split.sum(axis=1, keepdims=True)
    columns = {
        "emotion": label,
        "vote_result": result,
        "emotion_votes": _lists(shares.split / np.where(total > 0, total, 1), total[:, 0] > 0),
        "emotion_ticks": _lists(shares.each, total[:, 0] > 0),
        "num_votes": voters,
        **{name: _means(own, item, n, name) for name in MEANS},
        "rejected": rejected,
        "reject_reason": _reasons(own[rejecting], item[rejecting], n),
    }
    place = index_of(ids, keys.to_series())  # -1, the last of every array, where nobody voted
    empty = {"num_votes": 0, "rejected": 0.0, **dict.fromkeys(MEANS, np.nan)}
    found = {}
    for name, values in columns.items():
        with_none = np.append(values, np.array([empty.get(name)], values.dtype))
        found[name] = with_none[place]
    return pd.DataFrame(found, index=ids.index)


def _lists(shares: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Shares (N, K) of the emotions as lists to publish, None where nothing is known."""
    rounded = np.round(shares[:, : len(label_set.emotions())], schema.PUBLISHED_DECIMALS)
    found = np.full(len(shares), None, object)
    for number in np.flatnonzero(known).tolist():
        found[number] = rounded[number].tolist()
    return found


def _means(votes: pd.DataFrame, item: np.ndarray, n: int, kind: str) -> np.ndarray:
    """(N,) mean rating of one kind, NaN where nobody rated."""
    rated = votes["kind"].eq(kind).to_numpy()
    count = np.bincount(item[rated], minlength=n)
    total = np.bincount(item[rated], votes["value"].to_numpy(float)[rated], minlength=n)
    mean = np.full(n, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return np.round(mean, schema.PUBLISHED_DECIMALS)


def human_styles(votes: pd.DataFrame, ids: pd.Series, config: VotesConfig) -> pd.Series:
    """Per row the style that people chose by the recipe's rule, None where they chose none."""
    cast = votes[votes["kind"].eq("style") & _among(votes["id"], ids)]
    counts = pd.crosstab(cast["id"], cast["style"]).reindex(
        columns=list(label_set.styles()), fill_value=0
    )
    chosen = np.full(len(counts) + 1, None, object)
    for number, row in enumerate(counts.to_numpy()):
        best, share = int(row.argmax()), row.max() / row.sum()
        alone = (row == row.max()).sum() == 1
        enough = {"majority": share > 0.5, "distribution": alone}
        if row.sum() >= config.min_votes and enough.get(
            config.rule, alone and share >= config.min_share - 1e-9
        ):
            chosen[number] = label_set.styles()[best]
    place = index_of(ids, counts.index.to_series())
    return pd.Series(chosen[place], index=ids.index, dtype=object)


def _among(keys: pd.Series, ids: pd.Series) -> np.ndarray:
    """(V,) bool: keys that are ids of rows."""
    return index_of(keys, ids) >= 0 if len(keys) else np.zeros(0, bool)


def marks_of(votes: pd.DataFrame) -> tuple[Marks, list[str], list[str]]:
    """Free answers as marks over `answers`, with the ids and the annotators.

    Marks of one answer share one vote; a foreign word has its share and no mark.
    """
    said = votes[votes["kind"].isin(_SAYS)]
    rows, ids = pd.factorize(said["id"], sort=True)
    people, annotators = pd.factorize(said["annotator"], sort=True)
    marks = Marks(
        item=rows,
        person=people,
        name=_numbers(said),
        weight=_weights(rows, people),
        shape=(len(ids), len(annotators), len(answers())),
    )
    return marks.named(), ids.tolist(), annotators.tolist()


def proposals(votes: pd.DataFrame) -> np.ndarray:
    """(Q, 2) how often yes and no was said to each emotion proposed for a row."""
    said = votes[votes["kind"].eq("yes_no")]
    pair = said.groupby(["id", "emotion"], sort=True).ngroup().to_numpy()
    counts = np.zeros((int(pair.max()) + 1 if len(pair) else 0, 2))
    np.add.at(counts, (pair, said["answer"].eq(False).to_numpy(int)), 1)
    return counts


def _numbers(votes: pd.DataFrame) -> np.ndarray:
    """(V,) places in `answers`; -1 for words that name none."""
    names = votes["emotion"].where(votes["emotion"].notna(), votes["kind"])
    return names.map({name: k for k, name in enumerate(answers())}).fillna(-1).to_numpy(int)


def _weights(item: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(V,) share that each tick has of its annotator's vote on the row."""
    if not len(item):
        return np.zeros(0)
    answer = item.astype(np.int64) * (int(person.max()) + 1) + person
    _, number, size = np.unique(answer, return_inverse=True, return_counts=True)
    return np.asarray(1 / size[number])


def tally_of(votes: pd.DataFrame, item: np.ndarray, n: int) -> Tally:
    """The votes for each answer, and how many it could have got.

    A free answer could have gone to any; a yes/no question to the one it asks about.
    """
    free = votes["kind"].isin(_SAYS).to_numpy()
    number = _numbers(votes)
    person = pd.factorize(votes["annotator"])[0]
    split, each, asked = (np.zeros((n, len(answers()))) for _ in range(3))
    weight = np.ones(len(votes))
    weight[free] = _weights(item[free], person[free])
    named = free & (number >= 0)
    np.add.at(split, (item[named], number[named]), weight[named])
    np.add.at(each, (item[named], number[named]), 1)
    asked += _distinct(votes[free], item[free], n)[:, None]
    about = votes["kind"].eq("yes_no").to_numpy()
    yes = about & votes["answer"].eq(True).to_numpy()
    for table in (split, each):
        np.add.at(table, (item[yes], number[yes]), 1)
    np.add.at(asked, (item[about], number[about]), 1)
    return Tally(split=split, each=each, asked=asked)


def shares_of(votes: pd.DataFrame, item: np.ndarray, n: int) -> Shares:
    """Shares of the votes that each answer could have got."""
    found = tally_of(votes, item, n)
    told = votes["kind"].isin((*_SAYS, "yes_no", "reject")).to_numpy()
    return Shares(
        split=found.split / np.maximum(found.asked, 1),
        each=found.each / np.maximum(found.asked, 1),
        annotators=_distinct(votes[told], item[told], n),
    )


def _distinct(votes: pd.DataFrame, item: np.ndarray, n: int) -> np.ndarray:
    """(N,) annotators of each row."""
    pairs = pd.DataFrame({"item": item, "annotator": votes["annotator"].to_numpy()})
    found: np.ndarray = np.bincount(pairs.drop_duplicates()["item"], minlength=n)
    return found


def _labels(
    votes: pd.DataFrame, item: np.ndarray, shares: Shares, config: VotesConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Emotions (N,) that the rule gives, None where it gives none, and what the votes came to."""
    score = shares.each if config.ticks == "each" else shares.split
    voted = score.sum(axis=1) > 0
    if config.rule == "dawid_skene" and len(votes):
        proposed = np.isin(np.arange(len(score)), item[votes["kind"].eq("yes_no").to_numpy()])
        score = np.where(proposed[:, None], score, _posterior(votes, item, len(score)))
    top = score.argmax(axis=1)
    best = score[np.arange(len(score)), top]
    tied = (np.abs(score - best[:, None]) < 1e-9).sum(axis=1) > 1
    enough = best >= config.min_share - 1e-9
    if config.rule == "majority":
        enough = best > 0.5
    elif config.rule == "distribution":
        enough = best > 0
    result = np.full(len(score), NO_WINNER, object)
    winner = np.array(answers(), object)[top]
    emotional = top < len(label_set.emotions())
    result[enough] = np.where(emotional, WON, winner)[enough]
    result[tied & voted] = TIE
    result[shares.annotators < config.min_votes] = TOO_FEW
    result[~voted & (shares.annotators >= config.min_votes)] = NO_WINNER
    label = winner.copy()
    label[np.not_equal(result, WON)] = None
    result[shares.annotators == 0] = None
    return label, result


def _reasons(votes: pd.DataFrame, item: np.ndarray, n: int) -> np.ndarray:
    """The reason (N,) given most often to reject each row, the first by name among equals."""
    found = np.full(n, None, dtype=object)
    said = votes.assign(item=item)[votes["reason"].notna().to_numpy()]
    counts = said.groupby(["item", "reason"]).size().rename("n").reset_index()
    most = counts.sort_values(["item", "n", "reason"], ascending=[True, False, True])
    most = most.drop_duplicates("item")
    found[most["item"].to_numpy(dtype=int)] = most["reason"]
    return found


def _posterior(votes: pd.DataFrame, item: np.ndarray, n: int) -> np.ndarray:
    """(N, K) posterior over `answers`; zeros where nobody named one."""
    marks, ids, _ = marks_of(votes)
    out = np.zeros((n, len(answers())))
    if len(ids):
        place = dict(zip(votes["id"].to_numpy(), item))
        found = dawid_skene(marks, smoothing=SMOOTHING).prob
        out[[place[key] for key in ids]] = found
    return out
