"""Checkpoints of other people's training scripts: what lies around the weights."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from emo8.labels.clip import weight_names

ONE, TWO = np.ones(1), np.zeros(2)


@pytest.mark.parametrize(
    "content",
    [
        {"a.w": ONE},
        {"_orig_mod.a.w": ONE},
        {"module.a.w": ONE},
        {"module._orig_mod.a.w": ONE},
        {"_fsdp_wrapped_module.a._fsdp_wrapped_module.w": ONE},
        {"a._orig_mod.w": ONE},
        {"state_dict": {"model.a.w": ONE}, "epoch": 3},
        {"model": {"module.a.w": ONE}, "optimizer": {"state": {0: {"exp_avg": TWO}}}},
        {"model": {"state_dict": {"a.w": ONE}}, "args": object()},
        {"teacher": {"backbone.a.w": ONE, "head.w": TWO}},
        {"student": {"backbone.a.w": ONE}},
        {"student": {"module.backbone.a.w": TWO}, "teacher": {"backbone.a.w": ONE}},
        {"teacher.backbone.a.w": ONE, "student.backbone.a.w": TWO},
        {"mae.a.w": ONE, "fusion.w": TWO},
    ],
)
def test_plain__finds_the_weights(content: Any) -> None:
    assert weight_names.plain(content) == {"a.w": ONE}


def test_plain__says_what_it_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        weight_names.plain({"teacher": {"backbone.a": ONE, "dino_head.a": ONE}, "student": {}})
    assert "'teacher' taken, left behind: student" in caplog.text
    assert "'backbone.' taken, left behind: dino_head" in caplog.text


@pytest.mark.parametrize("content", [None, [], {}, {"model": {}}, {"epoch": 3}])
def test_plain__nothing_where_there_are_no_weights(content: Any) -> None:
    assert weight_names.plain(content) == {}


def test_common_beginning__only_of_all_names() -> None:
    assert weight_names.common_beginning(["x.a", "x.b.c"]) == "x."
    assert weight_names.common_beginning(["x.a", "y.a"]) == ""
    assert weight_names.common_beginning(["x.a", "x"]) == ""
