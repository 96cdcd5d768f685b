"""Models as a build records them."""

from __future__ import annotations

import dataclasses

import pytest

from emo8.labels.clip import encoder, recorded


def test_resolve__a_build_keeps_the_precision_it_chose_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoder, "best_precision", lambda name: "bf16")
    first = recorded.resolve("embedded", "auto")
    assert first.precision == "bf16"
    monkeypatch.setattr(encoder, "best_precision", lambda name: "fp32")
    known = [dataclasses.asdict(first)]
    assert recorded.recall("embedded", known, "auto").precision == "bf16"
    assert recorded.recall("embedded", known, "fp32").precision == "fp32"


def test_outdated__a_build_of_before_says_why_its_labels_are_made_anew() -> None:
    names = ["ViT-B-16/openai", "ViT-B-32/laion2b_s34b_b79k", "embedded"]
    old = {"models": [{"name": name} for name in names]}
    ((table, line),) = recorded.outdated(old).items()
    assert table == "embed-ViT-B-16-openai"
    for word in ("ViT-B-16/openai", "GELU", "quick_gelu", "emo8 build"):
        assert word in line
    assert not recorded.outdated({"models": [{"name": names[0], "activation": "quick_gelu"}]})
