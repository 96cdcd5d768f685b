"""The review queue: what comes first, and who is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emo8.core.errors import Emo8Error
from emo8.core.taxonomy import EMOTIONS
from emo8.review import queue
from emo8.review.vote_files import import_votes


def _prob(emotion: str, share: float) -> list[float]:
    rest = (1 - share) / 7
    return [share if name == emotion else rest for name in EMOTIONS]


def _rows(*rows: tuple[str, str | None, str, list[float]]) -> pd.DataFrame:
    """Rows from (id, emotion, rule, prob), all cartoons without votes."""
    return pd.DataFrame(
        [
            {
                "id": key, "emotion": emotion, "emotion_rule": rule, "emotion_prob": prob,
                "emotion_entropy": 0.5, "style": "cartoon", "emotion_votes": None, "num_votes": 0,
                "disputed": False,
            }
            for key, emotion, rule, prob in rows
        ]
    )  # fmt: skip


def test_ranked__doubt_and_contradiction_come_first() -> None:
    rows = _rows(
        ("sure", "awe", "clip", _prob("awe", 0.95)),
        ("unsure", "awe", "clip", _prob("awe", 0.3)),
        ("contradicted", "awe", "source", _prob("fear", 0.9)),
        ("nobody", None, "abstain", _prob("awe", 0.3)),
    )
    assert queue.ranked(rows)["id"].tolist() == ["nobody", "contradicted", "unsure", "sure"]


def test_ranked__of_equal_doubt_the_rare_cell_comes_first() -> None:
    common = [(f"c{k}", "awe", "clip", _prob("awe", 0.6)) for k in range(9)]
    rows = _rows(*common, ("rare", "anger", "clip", _prob("anger", 0.6)))
    found = queue.ranked(rows)
    assert found["id"].iloc[0] == "rare"
    # mean cell: 5 rows; sqrt(5 / 1) and sqrt(5 / 9) times a chance of 0.4
    assert found["review_value"].iloc[0] == pytest.approx(0.4 * np.sqrt(5), abs=1e-4)
    assert found["review_value"].iloc[1] == pytest.approx(0.4 * np.sqrt(5 / 9), abs=1e-4)


def test_ranked__copies_under_different_labels_come_before_all_others() -> None:
    common = [(f"c{k}", "awe", "clip", _prob("awe", 0.9)) for k in range(9)]
    rows = _rows(*common, ("nobody", None, "abstain", _prob("anger", 0.3)),
                 ("disputed", "awe", "source", _prob("awe", 0.99)))  # fmt: skip
    rows.loc[rows["id"] == "disputed", "disputed"] = True
    assert queue.ranked(rows)["id"].tolist()[:2] == ["disputed", "nobody"]
    assert queue.by_value(rows)["id"].iloc[0] == "disputed"


def test_ranked__rows_with_votes_are_done() -> None:
    rows = _rows(("a", "awe", "clip", _prob("awe", 0.3)), ("b", "awe", "clip", _prob("awe", 0.4)))
    rows.loc[0, "num_votes"] = 1
    assert queue.ranked(rows)["id"].tolist() == ["b"]


def test_mistakenness__by_its_definition() -> None:
    prob = np.array([_prob("awe", 0.8), _prob("awe", 0.8), _prob("awe", 0.8)])
    label = np.array([EMOTIONS.index("awe"), EMOTIONS.index("fear"), np.nan])
    assert queue.mistakenness(prob, label)[:2] == pytest.approx([0.1, 0.9])
    assert np.isnan(queue.mistakenness(prob, label)[2])


@pytest.fixture
def build(tmp_path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "BUILD" / "rows").mkdir(parents=True)
    ids = [f"r{k}" for k in range(12)]
    pq.write_table(pa.table({"id": ids}), tmp_path / "BUILD" / "rows" / "part-00000.parquet")
    return tmp_path / "BUILD"


def _twelve() -> pd.DataFrame:
    return _rows(*((f"r{k}", "awe", "clip", _prob("awe", 0.3 + k / 20)) for k in range(12)))


def test_assign__loads_are_even_and_everybody_overlaps(build: Path) -> None:
    names = ["ann", "ben", "cid", "dee"]
    found = queue.assign(build, _twelve(), names, overlap=2)
    assert found["annotator"].value_counts().to_dict() == dict.fromkeys(names, 6)
    assert (found.groupby("id")["annotator"].nunique() == 2).all()
    pairs = found.groupby("id")["annotator"].agg(lambda own: tuple(sorted(own)))
    assert pairs.nunique() > 2
    assert queue.open_rows(build, "ann")[0] in ("r0", "r1")


def test_assign__what_was_voted_on_is_done(build: Path, tmp_path: Path) -> None:
    queue.assign(build, _twelve(), ["ann"], limit=3)
    assert queue.open_rows(build, "ann") == ["r0", "r1", "r2"]
    (tmp_path / "v.csv").write_text("id,annotator,emotion\nr1,ann,awe\nr2,ben,awe\n")
    import_votes(build, tmp_path / "v.csv")
    assert queue.open_rows(build, "ann") == ["r0", "r2"]
    with pytest.raises(Emo8Error, match=r"nothing is assigned to 'ben'; assigned are: ann"):
        queue.open_rows(build, "ben")


def test_assign__more_overlap_than_people_is_a_mistake(build: Path) -> None:
    with pytest.raises(Emo8Error, match=r"--overlap 3.*ann, ben.*1 to 2"):
        queue.assign(build, _twelve(), ["ann", "ben", "ann"], overlap=3)
