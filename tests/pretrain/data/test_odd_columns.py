"""Columns of somebody's own dataset that would train without their content, or with another."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import datasets
import pytest
import torch

from pretrain.config import recipes
from pretrain.config.settings import DataConfig
from pretrain.data import cache, dataset
from pretrain.data.dataset import require_people, row_labels, row_texts
from pretrain.models.uniemox import build_model
from pretrain.weights import init
from tests.conftest import encoded, picture


def rows(**columns) -> datasets.Dataset:
    return datasets.Dataset.from_dict(columns)


def test_texts__a_named_column_that_is_not_there_is_an_error() -> None:
    own = rows(caption=["a"], title=["b"])
    with pytest.raises(ValueError, match="text columns captoin are not in the dataset"):
        row_texts(own, DataConfig(text_columns=("captoin", "title")))
    assert row_texts(own, DataConfig()) == ["a"]


def test_texts__several_texts_a_row_are_no_text() -> None:
    with pytest.raises(ValueError, match="column caption holds no texts"):
        row_texts(rows(caption=[["a", "b"]]), DataConfig())


def test_labels__an_empty_one_is_none() -> None:
    assert row_labels(rows(emotion=["awe", "", None]))["emotion"] == ["awe", None, None]


def box(x0, y0, x1, y1):
    return {"x0": x0, "y0": y0, "x1": x1, "y1": y1}


def test_people__boxes_in_pixels_or_of_another_form_are_an_error() -> None:
    good = rows(people=[[box(0.1, 0.1, 0.5, 1.1)], [], None])
    require_people(good.features["people"], good["people"])
    pixels = rows(people=[[box(10.0, 20.0, 50.0, 90.0)]])
    with pytest.raises(ValueError, match="1 of 1 boxes seem to be in pixels"):
        require_people(pixels.features["people"], pixels["people"])
    for other in ([[[0.1, 0.1, 0.5, 0.5]]], [[{"x": 1.0, "y": 1.0, "w": 2.0, "h": 2.0}]], ["one"]):
        own = rows(people=other)
        with pytest.raises(ValueError, match="a list of structs with x0, y0, x1, y1"):
            require_people(own.features["people"], own["people"])


def test_people__are_looked_at_when_a_dataset_is_opened() -> None:
    own = rows(image=[b""], caption=["a"], people=[[box(10.0, 20.0, 50.0, 90.0)]])
    with pytest.raises(ValueError, match="in pixels"):
        dataset.DatasetSource(own, DataConfig(), recipes.b16().views)


def test_store__smaller_than_a_view_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows(image=[encoded(picture(3, (90, 60)))], caption=["a"]).to_parquet(tmp_path / "one.parquet")
    data, small = str(tmp_path / "one.parquet"), recipes.cpu_smoke()
    with caplog.at_level(logging.WARNING):
        cache.open_source(data, "train", small)
        assert not caplog.messages
        large = dataclasses.replace(small, model=dataclasses.replace(small.model, image_size=64))
        cache.open_source(data, "train", large)
    assert "so every view is blurred" in caplog.text


def test_init__resampled_patches_and_positions_are_told(caplog: pytest.LogCaptureFixture) -> None:
    model = build_model(recipes.cpu_smoke().model, teacher_dim=16, seed=0)
    own = model.mae.state_dict()
    other = {"patch_embed.proj.weight": torch.zeros(32, 3, 16, 16),
             "pos_embed": torch.zeros(1, 197, 32)}  # fmt: skip
    with caplog.at_level(logging.WARNING):
        init.tell_resampled("w", own, own)
        assert not caplog.messages
        init.tell_resampled("w", other, own)
    assert caplog.messages == [
        "w: patches of size 16x16 are resampled to 8x8",
        "w: positions of size 197 are resampled to 17",
    ]


def test_init__pixels_of_open_clip_are_compared(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from emo8.labels.clip import encoder

    class Tower:
        mean, std = (0.5, 0.5, 0.5), (0.229, 0.224, 0.225)

    monkeypatch.setattr(encoder, "load", lambda name: Tower)
    config = dataclasses.replace(
        recipes.b16(), init=dataclasses.replace(recipes.b16().init, weights="open_clip:A/b")
    )
    with caplog.at_level(logging.WARNING):
        init.check_pixels(config)
    assert [m for m in caplog.messages if "--views.mean 0.5,0.5,0.5" in m]
