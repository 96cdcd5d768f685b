from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.features.backbones import Backbone
from benchmarks.lab.speed.probes import clouds
from benchmarks.protocols import few_shot, knn, linear, load, zeroshot
from benchmarks.protocols.base import Problem, inner_folds

EMOTIONS = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")


def problem(rows: int = 400, dim: int = 32, **changes) -> Problem:
    features, target = clouds(rows, dim)
    features += 0.8 * np.eye(8, dim, dtype=np.float32)[target] * 3
    edge = rows * 3 // 4
    base = Problem(
        features=features,
        target=target,
        emotions=EMOTIONS,
        train=np.arange(edge),
        valid=np.arange(0),
        test=np.arange(edge, rows),
        blocks=np.arange(rows),
        seed=0,
        backbone=Backbone(name="clouds", sha256="", features=lambda _: features),
    )
    return replace(base, **changes)


def accuracy(task: Problem, prob: np.ndarray) -> float:
    return float((prob.argmax(2) == task.target[task.test]).mean())


@pytest.mark.parametrize(("name", "least"), [("knn", 0.5), ("linear", 0.6), ("few_shot", 0.3)])
def test_protocol__learns_and_gives_probabilities(name, least):
    task, module = problem(), load(name)
    prob = module.predict(task, module.Settings()).prob
    assert prob.shape[1:] == (100, 8)
    assert np.allclose(prob.sum(axis=2), 1)
    assert accuracy(task, prob) > least


@pytest.mark.parametrize("name", ["knn", "linear", "few_shot"])
def test_protocol__never_looks_at_test_labels(name):
    task, module = problem(), load(name)
    blind = task.target.copy()
    blind[task.test] = -1
    first = module.predict(task, module.Settings()).prob
    assert np.array_equal(
        first, module.predict(replace(task, target=blind), module.Settings()).prob
    )


@pytest.mark.parametrize("name", ["knn", "linear", "few_shot"])
def test_protocol__emotion_without_training_rows_gets_zero(name):
    task, module = problem(), load(name)
    task = replace(task, train=task.train[task.target[task.train] != 2])
    assert module.predict(task, module.Settings()).prob[..., 2].max() == 0


def test_inner_folds__keep_blocks_together_and_out_of_test():
    task = problem(blocks=np.arange(400) // 20)
    pairs = inner_folds(task, 4)
    assert len(pairs) == 4
    for learn, choose in pairs:
        assert not set(task.blocks[learn]) & set(task.blocks[choose])
        assert max(learn.max(), choose.max()) < 300


def test_inner_folds__own_validation_rows_are_used():
    task = problem(train=np.arange(200), valid=np.arange(200, 300))
    ((learn, choose),) = inner_folds(task, 4)
    assert np.array_equal(learn, task.train)
    assert np.array_equal(choose, task.valid)


def test_knn__agrees_with_a_plain_loop():
    task = problem(120, 8)
    settings = knn.Settings(neighbours=(7,))
    found = knn.predict(task, settings).prob[0]
    unit = task.features / np.linalg.norm(task.features, axis=1, keepdims=True)
    for row, query in zip(found, task.test, strict=True):
        sim = unit[task.train] @ unit[query]
        votes = np.zeros(8)
        for near in np.argsort(-sim)[:7]:
            votes[task.target[task.train[near]]] += np.exp(sim[near] / 0.07)
        assert row == pytest.approx(votes / votes.sum(), abs=1e-5)


def test_knn__copies_do_not_choose_k():
    """Each row twice, labels random: with copies in sight k = 1 would look perfect."""
    rng = np.random.default_rng(0)
    features = np.repeat(rng.standard_normal((200, 16), dtype=np.float32), 2, axis=0)
    target = np.repeat(rng.choice(2, 200, p=[0.2, 0.8]), 2)
    task = problem(features=features, target=target, blocks=np.arange(400) // 2)
    assert knn.predict(task, knn.Settings()).chosen["neighbours"] > 1


def test_knn__chunks_give_the_same(monkeypatch):
    task = problem()
    whole = knn.predict(task, knn.Settings())
    monkeypatch.setattr(knn, "CHUNK_ELEMENTS", 1000)
    assert np.allclose(knn.predict(task, knn.Settings()).prob, whole.prob, atol=1e-6)


def test_linear__agrees_with_scikit_learns_own_pipeline():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    task = problem()
    found = linear.predict(task, linear.Settings(l2=(0.1,)))
    peer = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (0.1 * 300), max_iter=500))
    peer.fit(task.features[task.train], task.target[task.train])
    assert np.allclose(found.prob[0], peer.predict_proba(task.features[task.test]), atol=2e-3)


def test_linear__needs_strong_l2_where_features_are_noise():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((400, 300), dtype=np.float32)
    noise[:, :8] += 2 * np.eye(8)[problem().target]
    task = problem(features=noise)
    assert linear.predict(task, linear.Settings()).chosen["l2"] >= 0.1


def test_few_shot__draws_k_of_each_and_notes_what_is_missing():
    task = problem()
    rare = np.flatnonzero(task.target[task.train] == 4)
    task = replace(task, train=np.delete(task.train, rare[2:]))
    rows = few_shot._draw(task, 5, 0)
    assert np.bincount(task.target[rows]).tolist() == [5, 5, 5, 5, 2, 5, 5, 5]
    assert not np.array_equal(rows, few_shot._draw(task, 5, 1))
    prediction = few_shot.predict(task, few_shot.Settings(draws=3))
    assert prediction.prob.shape == (3, 100, 8)
    assert prediction.notes == ("disgust: 2 of 5 shots",)


class Encoder:
    """Texts that name an emotion point where the clouds of that emotion are."""

    logit_scale = 20.0

    def __init__(self, names, dim):
        self.names, self.dim = names, dim

    def embed_texts(self, texts):
        found = np.full((len(texts), self.dim), 1e-3, dtype=np.float32)
        for vector, text in zip(found, texts, strict=True):
            for number, name in enumerate(self.names):
                vector[number] += name in text
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_zeroshot__unknown_names_get_plain_prompts_and_a_note():
    names = ("joy", "surprise", "trust", "shame", "pride", "envy", "calm", "boredom")
    task = problem(emotions=names)
    unit = task.features / np.linalg.norm(task.features, axis=1, keepdims=True)
    backbone = replace(task.backbone, encoder=Encoder(names, 32))
    task = replace(task, features=unit, backbone=backbone)
    prediction = zeroshot.predict(task, zeroshot.Settings())
    assert accuracy(task, prediction.prob) > 0.6
    assert "plain prompts for joy, surprise" in prediction.notes[0]


def test_zeroshot__embedded_clip_beats_chance(measure, corpus, tmp_path):
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    faces = pq.read_table(corpus / "emotion_faces.parquet")
    pq.write_table(faces.filter(pc.equal(faces["vendor"], "fluent")), tmp_path / "fluent.parquet")
    (result,) = measure(tmp_path / "fluent.parquet", models=("embedded",), protocols=("zero_shot",))
    assert (result["n"], result["split"]) == (88, "all rows")
    assert result["interval95"]["accuracy"][0] > result["baselines"]["chance"]
    assert "prompts_sha256" in result["chosen"][0]
