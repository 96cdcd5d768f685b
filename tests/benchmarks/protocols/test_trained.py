"""The protocols that train networks: attentive and finetune, on pictures told apart by colour."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.protocols import finetune, load, training, with_options
from emo8.core.errors import Emo8Error, ModelError
from tests.benchmarks.conftest import NAMES, face, face_rows, write


@pytest.fixture
def many(tmp_path):
    return write(face_rows(24), tmp_path / "many.parquet")


def test_attentive__learns_colours(many, measure):
    (result,) = measure(
        many, models=("random:cpu_smoke",), protocols=("attentive",), folds=2,
        set=("epochs=30", "lr=0.01"),
    )  # fmt: skip
    assert result["metrics"]["accuracy"] > 0.5
    assert result["chosen"][0] == {"lr": 0.01}


def test_attentive__embedded_clip_has_tokens(many, measure):
    (result,) = measure(
        many, models=("embedded",), protocols=("attentive",), folds=2, set=("epochs=1",)
    )
    assert result["n"] == 96


def test_finetune__learns_saves_and_predicts(many, measure, tmp_path, capsys):
    from pretrain.cli import main

    saved = tmp_path / "classifier.safetensors"
    (result,) = measure(
        many, models=("random:cpu_smoke",), protocols=("finetune",), folds=2, save=saved,
        set=("epochs=12", "base_lr=0.03", "mixup=0", "cutmix=0", "auto_augment=", "ema=0"),
    )  # fmt: skip
    assert result["metrics"]["accuracy"] > 0.5
    assert any("saved model trained on all rows" in note for note in result["notes"])
    picture = tmp_path / "one.png"
    picture.write_bytes(face("anger", 77))
    assert main(["predict", str(saved), str(picture), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["emotion_prob"]
    assert set(told) == set(NAMES)
    assert abs(sum(told.values()) - 1) < 1e-5


def test_finetune__same_seed_gives_the_same_result(faces, measure):
    options = {"models": ("random:cpu_smoke",), "protocols": ("finetune",), "folds": 2,
                   "set": ("epochs=1",)}  # fmt: skip
    first, again = (measure(faces, **options)[0] for _ in range(2))
    assert first["confusion"] == again["confusion"]
    assert first["settings"]["recipe"] == "small"


def test_finetune__named_recipes():
    released = finetune.Settings(recipe="uniemox").resolved()
    assert (released.drop_path, released.layer_decay, released.batch_size) == (0.2, 1.0, 16)
    mine = finetune.Settings(recipe="uniemox", epochs=3).resolved()
    assert (mine.epochs, mine.base_lr) == (3, 1e-3)
    with pytest.raises(Emo8Error, match="recipe=paper: choose one of small, mae, uniemox"):
        with_options(finetune.Settings(), "finetune", ["recipe=paper"])


def test_finetune__what_has_no_weights_or_cannot_be_saved(faces, measure, tmp_path):
    with pytest.raises(ModelError, match="pixels:4 has none"):
        measure(faces, protocols=("finetune",))
    with pytest.raises(Emo8Error, match="ask for that alone"):
        measure(faces, save=tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match="not a UniEmoX encoder"):
        measure(
            faces, models=("embedded",), protocols=("finetune",), folds=2, set=("epochs=1",),
            save=tmp_path / "x.safetensors",
        )  # fmt: skip


def test_batches__no_batch_of_one_row():
    sizes = [len(b) for b in training.batches(np.arange(9), 4, np.random.default_rng(0))]
    assert sizes == [4, 5]


def test_settings__of_every_protocol_can_be_set():
    assert with_options(load("knn").Settings(), "knn", ["neighbours=1,2"]).neighbours == (1, 2)
    with pytest.raises(Emo8Error, match="write NAME=VALUE"):
        with_options(load("knn").Settings(), "knn", ["neighbours"])
