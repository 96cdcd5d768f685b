"""Ranking templates and words on pictures whose emotion is known."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score

from emo8.cli import main
from emo8.core.errors import Emo8Error
from emo8.core.taxonomy import EMOTIONS
from emo8.dataset.labelled_pictures import read_labelled
from emo8.labels.clip.prompts import PromptSet, fill
from emo8.labels.clip.scoring import RESAMPLES, _f1, resamples, score_prompts
from tests.conftest import encoded, picture


class Knowing:
    """A text tower that knows the emotions' own names and hears noise in everything else."""

    def embed_texts(self, texts: Iterable[str]) -> np.ndarray:
        vectors = []
        for text in texts:
            rng = np.random.default_rng(abs(hash_of(text)))
            vector = 1 + 0.2 * rng.normal(size=8)
            for k, name in enumerate(EMOTIONS):
                if name in text and "good" in text:
                    vector[k] += 5
            vectors.append(vector / np.linalg.norm(vector))
        return np.stack(vectors).astype(np.float32)


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[-8:], "big")


def _prompts() -> PromptSet:
    templates = ["good {noun}", "noise {noun}"]
    words = {name: {"noun": [name, f"x{k}"]} for k, name in enumerate(EMOTIONS)}
    emotion = {name: fill(templates, words[name], "", "") for name in EMOTIONS}
    return PromptSet(
        emotion=emotion, style={}, polarity={}, safety={}, emotion_in={}, emotion_words=words,
        emotion_templates=templates, sha256="",
    )  # fmt: skip


def test_score_prompts__the_good_template_and_word_come_first() -> None:
    truth = np.repeat(np.arange(8), 6)
    rng = np.random.default_rng(0)
    vectors = np.eye(8)[truth] + 0.05 * rng.normal(size=(48, 8))
    encoder: Any = Knowing()
    scores = score_prompts(encoder, _prompts(), vectors, truth)
    assert [score.kind for score in scores[:3]] == ["all", "template", "template"]
    assert scores[1].text == "good {noun}"
    assert scores[1].value == 1
    assert scores[2].gain_high < 0  # noise alone is worse than both together, surely
    words = {(score.emotion, score.text): score for score in scores[3:]}
    assert len(words) == 16
    assert all(score.metric == "f1" for score in words.values())
    assert words["awe", "awe"].value >= words["awe", "x2"].value
    assert all(score.low <= score.value <= score.high for score in scores)


def test_f1__agrees_with_scikit_learn_on_every_resample() -> None:
    rng = np.random.default_rng(3)
    truth, guesses = rng.integers(0, 8, 60), rng.integers(0, 8, 60)
    weights = resamples(60, seed=1)
    assert weights.shape == (RESAMPLES + 1, 60)
    assert (weights.sum(axis=1) == 60).all()
    found = _f1(guesses, truth, weights[:4])
    for line, expected in zip(found, weights[:4]):
        slow = f1_score(
            truth, guesses, labels=range(8), average=None, sample_weight=expected, zero_division=0
        )
        np.testing.assert_allclose(line, slow)


def _faces(path: Path, emotions: list[object], **columns: list[object]) -> Path:
    images = [encoded(picture(k), "PNG") for k in range(len(emotions))]
    pq.write_table(pa.table({"image": images, "emotion": emotions, **columns}), path)
    return path


def test_prompts_score__command_on_real_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _faces(tmp_path / "f.parquet", ["awe", "sad", "fear", "awe"], who=["a", "a", "a", "b"])
    command = ["prompts", "score", "--data", str(data), "--where", "who=a", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"awe": 1, "fear": 1, "sadness": 1}
    kinds = [score["kind"] for score in found["scores"]]
    assert kinds.count("template") == 8
    assert kinds.count("word") == 3 * 6


def test_read_labelled__never_measures_against_clips_own_labels(tmp_path: Path) -> None:
    rules = ["clip", "source", "human", "abstain"]
    path = _faces(tmp_path / "f.parquet", ["awe", "fear", "anger", None], emotion_rule=rules)
    _, truth = read_labelled(str(path))
    assert [EMOTIONS[k] for k in truth] == ["fear", "anger"]


@pytest.mark.parametrize(
    ("emotions", "where", "said"),
    [
        (["joy"], "", "unknown emotion 'joy'"),
        ([3], "", "write names"),
        (["awe"], "vendor=x", "columns of"),
        (["awe"], "emotion=fear", "holds no row"),
    ],
)
def test_read_labelled__unusable_data_say_what_to_do(
    tmp_path: Path, emotions: list[object], where: str, said: str
) -> None:
    with pytest.raises(Emo8Error, match=said):
        read_labelled(str(_faces(tmp_path / "f.parquet", emotions)), where)
    with pytest.raises(Emo8Error, match="no such file or folder"):
        read_labelled(str(tmp_path / "none"))


def test_read_labelled__minus_one_is_no_label(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"image": datasets.Image(), "emotion": datasets.ClassLabel(names=["fear", "awe", "anger"])}
    )
    image = {"bytes": encoded(picture(1)), "path": None}
    rows = {"image": [image] * 4, "emotion": [0, -1, None, 1]}
    path = tmp_path / "d.parquet"
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(path))
    _, truth = read_labelled(str(path))
    assert [EMOTIONS[k] for k in truth] == ["fear", "awe"]
