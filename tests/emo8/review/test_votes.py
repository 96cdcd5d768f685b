"""Which votes count, and the human label that follows from them under each rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emo8.core.schema import VOTES
from emo8.core.settings import VotesConfig
from emo8.review.counting import human_labels, human_styles
from emo8.review.votes import counted, stamp


def _vote(
    row: str, annotator: str, emotion: str | None, *, kind: str = "choice", **more: object
) -> dict[str, object]:
    vote = {"id": row, "annotator": annotator, "kind": kind, "emotion": emotion}
    rest = dict.fromkeys(("answer", "consent", "style", "reason", "time", "value", "word"))
    return {**vote, **rest, "batch": "b1", **more}


def _votes(*votes: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(list(votes), columns=VOTES.names)


def _labels(votes: pd.DataFrame, ids: list[str], **config: object) -> pd.DataFrame:
    return human_labels(counted(votes), pd.Series(ids), VotesConfig(**config))  # type: ignore[arg-type]


THREE = _votes(
    _vote("x", "a", "awe"),
    _vote("x", "b", "awe"),
    _vote("x", "c", "fear"),
    _vote("y", "a", "awe"),
    _vote("y", "b", "fear"),
    _vote("z", "a", "anger"),
    _vote("z", "b", "fear"),
    _vote("z", "c", "anger"),
    _vote("z", "d", "sadness"),
)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"rule": "majority"}, ["awe", None, None, None]),
        ({"rule": "distribution"}, ["awe", None, "anger", None]),
        ({"rule": "threshold", "min_share": 0.5}, ["awe", None, "anger", None]),
        ({"rule": "threshold", "min_share": 0.7}, [None, None, None, None]),
        ({"rule": "distribution", "min_votes": 4}, [None, None, "anger", None]),
    ],
)
def test_human_labels__by_rule(config: dict[str, object], expected: list[str | None]) -> None:
    assert _labels(THREE, ["x", "y", "z", "nobody"], **config)["emotion"].tolist() == expected


def test_human_labels__the_distribution_stands_next_to_the_label() -> None:
    found = _labels(THREE, ["z", "nobody"])
    assert found["emotion_votes"][0] == [0, 0.5, 0, 0, 0, 0, 0.25, 0.25]
    assert found["emotion_votes"][1] is None
    assert found["num_votes"].tolist() == [4, 0]


def test_human_labels__copies_of_a_row_get_the_same_label() -> None:
    found = _labels(THREE, ["x", "x"])
    assert found["emotion"].tolist() == ["awe", "awe"]


def test_human_labels__one_yes_of_six_is_no_label_under_any_rule() -> None:
    votes = _votes(*(_vote("x", f"a{k}", "awe", kind="yes_no", answer=k < 1) for k in range(6)))
    others = _votes(*(_vote("y", f"a{k}", "fear") for k in range(6)))
    for rule in ("majority", "threshold", "dawid_skene"):
        found = _labels(pd.concat([votes, others]), ["x", "y"], rule=rule)
        assert found["emotion"].tolist() == [None, "fear"], rule


def test_human_labels__yes_no_counts_the_yes_among_those_asked() -> None:
    yes = [_vote("x", f"a{k}", "awe", kind="yes_no", answer=k < 8) for k in range(10)]
    no = [_vote("y", f"a{k}", "awe", kind="yes_no", answer=k < 3) for k in range(10)]
    found = _labels(_votes(*yes, *no), ["x", "y"], rule="threshold", min_share=0.7)
    assert found["emotion"].tolist() == ["awe", None]
    assert found["num_votes"].tolist() == [10, 10]


def test_human_labels__all_no_is_no_label_under_any_rule() -> None:
    votes = _votes(_vote("x", "a", "awe", kind="yes_no", answer=False))
    for rule in ("majority", "threshold", "distribution", "dawid_skene"):
        found = _labels(votes, ["x"], rule=rule, min_share=0.0)
        assert found["emotion"].tolist() == [None], rule
        assert found["emotion_votes"][0] is None


def test_human_labels__dawid_skene_learns_whom_to_believe() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(["awe", "fear", "anger"], 120)
    votes = []
    for k, name in enumerate(truth):
        votes += [_vote(f"r{k}", "good", name), _vote(f"r{k}", "fine", name)]
        for bad in ("b1", "b2", "b3"):
            votes.append(_vote(f"r{k}", bad, str(rng.choice(["awe", "fear", "anger"]))))
    ids = [f"r{k}" for k in range(120)]
    found = _labels(_votes(*votes), ids, rule="dawid_skene", min_share=0.7)["emotion"]
    plain = _labels(_votes(*votes), ids, rule="majority")["emotion"]
    assert (found == truth).mean() > 0.98
    assert (plain == truth).mean() < 0.9


def test_human_labels__rejections_are_a_share_of_the_annotators() -> None:
    votes = _votes(
        _vote("x", "a", None, kind="reject"), _vote("x", "b", "awe"), _vote("x", "c", "awe")
    )
    found = _labels(votes, ["x"])
    assert found["rejected"][0] == pytest.approx(1 / 3)
    assert found["emotion"][0] == "awe"


def test_human_labels__the_reason_most_people_give() -> None:
    votes = _votes(
        *(_vote("x", who, None, kind="reject", reason="blurry") for who in "ab"),
        _vote("x", "c", None, kind="reject", reason="advert"),
        _vote("y", "a", None, kind="reject"),
    )
    assert _labels(votes, ["x", "y"])["reject_reason"].tolist() == ["blurry", None]


def test_counted__the_last_word_counts_and_refused_consent_does_not() -> None:
    votes = _votes(
        _vote("x", "a", "awe"),
        _vote("x", "a", "fear", batch="b2"),
        _vote("x", "b", "anger", consent=False),
        _vote("x", "c", "fear", consent=True),
        _vote("x", "a", "awe", kind="yes_no", answer=True),
        _vote("x", "a", "fear", kind="yes_no", answer=False),
    )
    found = counted(votes)
    assert found[["annotator", "kind", "emotion"]].values.tolist() == [
        ["a", "choice", "fear"],
        ["c", "choice", "fear"],
        ["a", "yes_no", "awe"],
        ["a", "yes_no", "fear"],
    ]


def test_stamp__follows_the_votes_that_count_and_nothing_else() -> None:
    one = _votes(_vote("x", "a", "awe"), _vote("y", "a", "fear"))
    other_order = _votes(_vote("y", "a", "fear", batch="b9"), _vote("x", "a", "awe"))
    assert stamp(counted(one)) == stamp(counted(other_order))
    assert stamp(counted(one)) != stamp(counted(one.iloc[:1]))
    assert stamp(counted(one.iloc[:0])) == ""


def test_human_labels__nobody_voted() -> None:
    found = _labels(_votes(), ["x", "y"])
    assert found["emotion"].tolist() == [None, None]
    assert found["num_votes"].tolist() == [0, 0]
    assert found["rejected"].tolist() == [0, 0]


STYLES_CAST = _votes(
    *(_vote("x", who, None, kind="style", style="natural") for who in "ab"),
    _vote("x", "c", None, kind="style", style="cartoon"),
    _vote("y", "a", None, kind="style", style="natural"),
    _vote("y", "b", None, kind="style", style="cartoon"),
    _vote("y", "a", None, kind="style", style="cartoon", batch="b2"),
    _vote("x", "d", "awe"),
)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"rule": "majority"}, ["natural", "cartoon", None]),
        ({"rule": "distribution", "min_votes": 3}, ["natural", None, None]),
        ({"rule": "threshold", "min_share": 0.7}, [None, "cartoon", None]),
        ({"rule": "dawid_skene", "min_share": 0.6}, ["natural", "cartoon", None]),
    ],
)
def test_human_styles__by_rule(config: dict[str, object], expected: list[str | None]) -> None:
    cast = counted(STYLES_CAST)
    found = human_styles(cast, pd.Series(["x", "y", "nobody"]), VotesConfig(**config))  # type: ignore[arg-type]
    assert found.tolist() == expected
    assert human_labels(cast, pd.Series(["x", "y"]), VotesConfig())["num_votes"].tolist() == [1, 0]
    assert stamp(cast) != stamp(cast[cast["kind"] != "style"])


def test_human_styles__nobody_voted() -> None:
    assert human_styles(_votes(), pd.Series(["x"]), VotesConfig()).tolist() == [None]


def test_human_labels__a_persons_ticks_share_one_vote() -> None:
    votes = _votes(
        _vote("x", "a", "awe", kind="select"),
        _vote("x", "a", "fear", kind="select"),
        _vote("x", "b", "awe", kind="select"),
        _vote("x", "c", None, kind="neutral"),
    )
    split = _labels(votes, ["x"], rule="distribution").iloc[0]
    assert split["emotion_votes"][2] == 0.5 and split["emotion_votes"][6] == pytest.approx(
        1 / 6, abs=1e-4
    )
    assert sum(split["emotion_votes"]) == pytest.approx(2 / 3, abs=1e-3)  # a third is neutral
    assert split["emotion_ticks"][2] == pytest.approx(2 / 3, abs=1e-4)
    assert split["emotion_ticks"][6] == pytest.approx(1 / 3, abs=1e-4)
    assert (split["emotion"], split["vote_result"], split["num_votes"]) == ("awe", "label", 3)
    assert _labels(votes, ["x"]).iloc[0]["vote_result"] == "no_winner"  # half is no majority
    assert _labels(votes, ["x"], ticks="each").iloc[0]["emotion"] == "awe"  # two of three


@pytest.mark.parametrize(
    ("kinds", "emotions", "result"),
    [
        (["choice", "choice"], ["awe", "fear"], "tie"),
        (["neutral", "neutral", "choice"], [None, None, "awe"], "neutral"),
        (["none", "none", "choice"], [None, None, "awe"], "none"),
        (["cannot_tell", "choice"], [None, "awe"], "label"),
        (["cannot_tell", "cannot_tell"], [None, None], None),
        (["other", "choice", "choice", "other"], [None, "awe", "awe", None], "no_winner"),
    ],
)
def test_human_labels__what_the_votes_came_to(
    kinds: list[str], emotions: list[str | None], result: str | None
) -> None:
    pairs = zip(kinds, emotions)
    votes = _votes(*(_vote("x", f"a{k}", e, kind=kind) for k, (kind, e) in enumerate(pairs)))
    found = _labels(votes, ["x"]).iloc[0]
    assert found["vote_result"] == result
    assert (found["emotion"] is not None) == (result == "label")


def test_human_labels__two_emotions_with_every_yes_are_a_tie() -> None:
    votes = _votes(
        _vote("x", "a", "awe", kind="yes_no", answer=True),
        _vote("x", "a", "fear", kind="yes_no", answer=True),
    )
    found = _labels(votes, ["x"]).iloc[0]
    assert (found["emotion"], found["vote_result"]) == (None, "tie")
    assert _labels(votes, ["x"], min_votes=2).iloc[0]["vote_result"] == "too_few"


def test_human_labels__means_of_ratings() -> None:
    votes = _votes(
        _vote("x", "a", None, kind="valence", value=0.75),
        _vote("x", "b", None, kind="valence", value=0.25),
        _vote("x", "a", None, kind="arousal", value=1.0),
    )
    found = _labels(votes, ["x", "y"])
    assert found["valence"].tolist()[0] == 0.5 and found["arousal"].tolist()[0] == 1.0
    assert found[["valence", "arousal", "dominance"]].isna().sum().tolist() == [1, 1, 2]
    assert found["emotion_votes"].tolist() == [None, None]


def test_counted__all_ticks_of_the_last_answer_and_none_of_the_one_before() -> None:
    votes = _votes(
        _vote("x", "a", "awe", kind="select"),
        _vote("x", "a", "fear", kind="select"),
        _vote("x", "a", "anger", kind="select", batch="b2"),
        _vote("x", "a", "awe", kind="select", batch="b2"),
        _vote("x", "b", None, kind="neutral"),
        _vote("x", "b", "fear", batch="b2"),
    )
    assert counted(votes)["emotion"].tolist() == ["anger", "awe", "fear"]
