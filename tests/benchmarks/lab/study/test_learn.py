"""The second study: what is held out, budgets, few labels, intervals, and one arm end to end."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.lab.study import (
    fine_tuned,
    intervals,
    learn,
    learned_page,
    person_view,
    questions,
    sides,
    transfer,
)
from emo8.core.errors import SourceError
from tests.benchmarks.lab.study.test_claim import corpus  # noqa: F401


@pytest.mark.parametrize(
    ("done", "spent", "steps"),
    [
        (0, 0.0, 250),
        (250, 60.0, 500),
        (1000, 240.0, 2000),
        (2000, 480.0, 3750),
        (3750, 899.9, 3750),
    ],
)
def test_next__doubles_until_the_budget_says_less(done: int, spent: float, steps: int) -> None:
    assert learn._next(done, spent, 900.0, first=250) == steps


def test_few_labels__what_is_in_the_features_is_found_and_noise_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = np.array(["a", "b"] * 100, dtype=object)
    signal = torch.tensor([[1.0], [-1.0]]).repeat(100, 3)
    noise = torch.randn(200, 3, generator=generator)
    clear = questions.from_few_labels(signal + noise / 10, labels, signal, labels, 5)
    assert clear.mean() == 1.0
    blind = questions.from_few_labels(noise, labels, noise.flip(0), labels, 5)
    assert blind.mean() < 0.7


def test_interval__of_equal_models_holds_zero_and_of_better_ones_does_not() -> None:
    rng = np.random.default_rng(0)
    gaps = rng.choice([-1.0, 0.0, 1.0], size=(3, 400))
    low, high = intervals.interval(gaps - gaps.mean(), 4)
    assert low < 0 < high
    assert intervals.interval(gaps - gaps.mean() + 0.3, 4)[0] > 0


def test_topics__are_the_rarest_of_the_words_that_are_neither_common_nor_odd() -> None:
    known = {"cat": 70, "face": 500}
    assert transfer._rarest({"cat", "face", "of"}, known) == "cat"
    assert transfer._rarest({"of", "odd"}, known) is None


def test_page__without_results_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="run an arm first"):
        learned_page.write(tmp_path)
    assert learn.main(["--out", str(tmp_path)]) == 2


@pytest.mark.slow
def test_learn__one_arm_then_again_without_work(
    corpus: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learn, "FIRST_POINT", 2)
    monkeypatch.setattr(sides, "HELD_OUT_BELOW", 80)
    monkeypatch.setattr(sides.data, "CHOICE", ("twemoji",))  # the family that the corpus holds
    monkeypatch.setattr(questions, "LABELS", (20, 200))
    monkeypatch.setattr(transfer, "WORD_IN", (1, 100))
    monkeypatch.setattr(person_view, "TRAIN", 4)
    monkeypatch.setattr(person_view, "ASKED", 3)
    monkeypatch.setattr(fine_tuned, "STEPS", {20: 2, 200: 2, 10**6: 2})
    out = tmp_path / "results"
    command = ["--corpus", str(corpus), "--work", str(tmp_path / "work"), "--out", str(out)]
    command += ["--composites", "2", "--cpu-minutes", "0.02"]
    assert learn.main(command) == 0
    found = json.loads((out / "learning" / "full-seed0.json").read_text())
    assert found["points"][0]["steps"] == 2 and found["cpu_s"] > 1
    assert {"untrained", "pixels", "teacher"} == set(found["beside"])
    assert set(found["transfer"]) == {"run", "untrained", "pixels", "teacher"}
    assert set(found["transfer"]["run"]["topics"]) == {"5", "20"}
    assert set(found["person_view"]) == {"run", "untrained", "teacher", "overlap"}
    assert len(found["person_view"]["run"]["student with random"]) == 3
    assert set(found["fine_tuned"]["run"]) == set(found["fine_tuned"]["untrained"])
    page = (out / "learning.md").read_text()
    assert "## The person view" in page and "## Fine-tuned" in page
    assert "| full | 0 | 2 |" in page and "Unfinished" in page and "Zero-shot agreement" in page
    assert "| emotions, 5 labels | untrained |" in page and (out / "learning.svg").is_file()
    monkeypatch.setattr(learn, "train", None)  # would raise
    assert learn.main(command) == 0
