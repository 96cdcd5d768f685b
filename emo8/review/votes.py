"""People's votes on the rows of a build, and the human label that follows from them.

`BUILD/tables/votes.parquet` holds every vote that was ever imported and not undone, in the columns
of `schema.VOTES`. Where one annotator voted twice on the same question in two imports, the later
one counts. Four kinds of votes: `choice` (one emotion), `yes_no` (is it this emotion? as EmoSet
asks), `style` (one style) and `reject` (the picture should leave, and why). Annotators are
pseudonyms; a vote whose annotator refused consent is kept and never used.

Rules (`[votes] rule`), over the share that each emotion has of the votes it could have got:
majority = more than half; threshold = at least `min_share`; distribution = more than any other;
dawid_skene = posterior of at least `min_share`, which weighs annotators by their reliability.
Styles follow the same rule, except that dawid_skene is threshold there: few people vote on style.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core import schema
from emo8.core.errors import BuildError
from emo8.core.settings import VotesConfig
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.engine.files import fingerprint, write_part
from emo8.engine.row_index import index_of
from emo8.review.agreement import dawid_skene

NAME = "votes.parquet"
KINDS = ("choice", "yes_no", "style", "reject")
# Votes an unknown annotator is assumed to have given: two per emotion tame one-picture annotators.
SMOOTHING = 2.0


def path_of(build: Path) -> Path:
    """Where a build keeps its votes."""
    return build / "tables" / NAME


def read_votes(build: Path) -> pd.DataFrame:
    """Every vote of a build, in the order of import; empty when nobody voted."""
    path = path_of(build)
    if not path.exists():
        return schema.VOTES.empty_table().to_pandas()
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise BuildError(f"{path} cannot be read: {error}; restore it from a copy") from error
    for field in schema.VOTES:
        if field.name not in table.column_names:  # written before the column was there
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(schema.VOTES.names).cast(schema.VOTES).to_pandas()


def write_votes(build: Path, votes: pd.DataFrame) -> None:
    """Replace the votes of a build; the file appears whole or not at all."""
    table = pa.Table.from_pandas(votes, schema=schema.VOTES, preserve_index=False)
    lines = [{**vote, "time": str(vote["time"])} for vote in table.to_pylist()]
    write_part(table, path_of(build), fingerprint(lines))


def stamp(votes: pd.DataFrame) -> str:
    """Hash of the votes that count, which every decision depends on; empty without votes."""
    if votes.empty:
        return ""
    columns = ["id", "annotator", "kind", "emotion", "style", "answer", "reason"]
    lines = votes[columns].astype(object).where(votes[columns].notna(), None)
    text = "\n".join(sorted(repr(line) for line in lines.itertuples(index=False, name=None)))
    return hashlib.sha256(text.encode()).hexdigest()


def counted(votes: pd.DataFrame) -> pd.DataFrame:
    """The votes that count: with no consent refused, and each annotator's last word only.

    A free choice has one answer per row, like a style; a yes/no question is asked per emotion.
    """
    question = votes["emotion"].where(votes["kind"] == "yes_no", "")
    keyed = votes.assign(question=question.fillna(""))
    last = keyed.drop_duplicates(["id", "annotator", "kind", "question"], keep="last")
    return last[last["consent"].ne(False)].drop(columns="question")


def human_labels(votes: pd.DataFrame, ids: pd.Series, config: VotesConfig) -> pd.DataFrame:
    """Per row: `emotion` (null = no human label), `emotion_votes`, `num_votes`, `rejected`,
    `reject_reason`.

    `votes` are those that count; `emotion_votes` is the share each emotion has, null without
    votes; `rejected` is the share of the row's annotators who reject the picture, and
    `reject_reason` the reason most of them give.
    """
    own = votes[votes["kind"].ne("style") & _among(votes["id"], ids)]
    item, keys = pd.factorize(own["id"])
    n = len(keys)
    shares = _shares(own, item, n)
    annotators = _annotators(own, item, n)
    label = _labels(own, item, shares, annotators, config)
    rejecting = own["kind"].eq("reject").to_numpy()
    rejected = np.bincount(item[rejecting], minlength=n) / np.maximum(annotators, 1)
    reasons = _reasons(own[rejecting], item[rejecting], n)
    total = shares.sum(axis=1, keepdims=True)
    spread = np.round(shares / np.where(total > 0, total, 1), schema.PUBLISHED_DECIMALS)
    spreads = np.full(n + 1, None, object)
    for number in np.flatnonzero(total > 0).tolist():
        spreads[number] = spread[number].tolist()
    place = index_of(ids, keys.to_series())  # -1, the last of every array, where nobody voted
    return pd.DataFrame(
        {
            "emotion": np.array([*label, None], object)[place],
            "emotion_votes": spreads[place],
            "num_votes": np.append(annotators, 0)[place],
            "rejected": np.append(rejected, 0.0)[place],
            "reject_reason": np.array([*reasons, None], object)[place],
        },
        index=ids.index,
    )


def human_styles(votes: pd.DataFrame, ids: pd.Series, config: VotesConfig) -> pd.Series:
    """Per row the style that people chose by the recipe's rule, None where they chose none."""
    cast = votes[votes["kind"].eq("style") & _among(votes["id"], ids)]
    counts = pd.crosstab(cast["id"], cast["style"]).reindex(columns=list(STYLES), fill_value=0)
    chosen = np.full(len(counts) + 1, None, object)
    for number, row in enumerate(counts.to_numpy()):
        best, share = int(row.argmax()), row.max() / row.sum()
        alone = (row == row.max()).sum() == 1
        enough = {"majority": share > 0.5, "distribution": alone}
        if row.sum() >= config.min_votes and enough.get(
            config.rule, alone and share >= config.min_share - 1e-9
        ):
            chosen[number] = STYLES[best]
    place = index_of(ids, counts.index.to_series())
    return pd.Series(chosen[place], index=ids.index, dtype=object)


def _among(keys: pd.Series, ids: pd.Series) -> np.ndarray:
    """(V,) bool: keys that are ids of rows."""
    return index_of(keys, ids) >= 0 if len(keys) else np.zeros(0, bool)


def choice_tensor(votes: pd.DataFrame) -> tuple[np.ndarray, list[str], list[str]]:
    """Free choices and yes-answers as (N, A, 8) counts, with the ids and the annotators."""
    said = votes[_in_favour(votes)]
    rows, ids = pd.factorize(said["id"], sort=True)
    people, annotators = pd.factorize(said["annotator"], sort=True)
    tensor = np.zeros((len(ids), len(annotators), len(EMOTIONS)))
    emotion = said["emotion"].map(EMOTIONS.index).to_numpy(dtype=int)
    np.add.at(tensor, (rows, people, emotion), 1)
    return tensor, ids.tolist(), annotators.tolist()


def _in_favour(votes: pd.DataFrame) -> pd.Series:
    return votes["kind"].eq("choice") | (votes["kind"].eq("yes_no") & votes["answer"].eq(True))


def _shares(votes: pd.DataFrame, item: np.ndarray, n: int) -> np.ndarray:
    """(N, 8) share that each emotion has of the votes it could have got.

    A free choice could have gone to any emotion; a yes/no question to the one it asks about.
    """
    won, asked = np.zeros((n, len(EMOTIONS))), np.zeros((n, len(EMOTIONS)))
    choice, yes_no = votes["kind"].eq("choice"), votes["kind"].eq("yes_no")
    emotion = votes["emotion"].map({name: k for k, name in enumerate(EMOTIONS)})
    favour = _in_favour(votes).to_numpy()
    np.add.at(won, (item[favour], emotion[favour].to_numpy(dtype=int)), 1)
    np.add.at(asked, item[choice.to_numpy()], 1)
    about = yes_no.to_numpy()
    np.add.at(asked, (item[about], emotion[about].to_numpy(dtype=int)), 1)
    return won / np.maximum(asked, 1)


def _annotators(votes: pd.DataFrame, item: np.ndarray, n: int) -> np.ndarray:
    pairs = pd.DataFrame({"item": item, "annotator": votes["annotator"].to_numpy()})
    return np.bincount(pairs.drop_duplicates()["item"], minlength=n)


def _labels(
    votes: pd.DataFrame,
    item: np.ndarray,
    shares: np.ndarray,
    annotators: np.ndarray,
    config: VotesConfig,
) -> np.ndarray:
    """Names (N,) that the rule gives, None where it gives none."""
    score, least = shares, np.full(len(shares), config.min_share)
    if config.rule == "dawid_skene" and len(votes):
        score = _posterior(votes, item, len(shares))
    top = score.argmax(axis=1)
    best = score[np.arange(len(score)), top]
    tied = (np.abs(score - best[:, None]) < 1e-9).sum(axis=1) > 1
    accepted = (best >= least - 1e-9) & ~tied
    if config.rule == "majority":
        accepted = best > 0.5
    elif config.rule == "distribution":
        accepted = (best > 0) & ~tied
    accepted &= (annotators >= config.min_votes) & (shares.sum(axis=1) > 0)
    names = np.array(EMOTIONS, dtype=object)[top]
    names[~accepted] = None
    return names


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
    favour = _in_favour(votes).to_numpy()
    tensor, ids, _ = choice_tensor(votes)
    out = np.zeros((n, len(EMOTIONS)))
    if len(ids):
        place = dict(zip(votes["id"].to_numpy()[favour], item[favour]))
        found = dawid_skene(tensor, smoothing=SMOOTHING).prob
        out[[place[key] for key in ids]] = found
    return out
