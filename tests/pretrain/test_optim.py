"""Parameter groups and the learning rate over a run."""

import pytest

from pretrain import recipes
from pretrain.config import OptimConfig
from pretrain.models.uniemox import build_model
from pretrain.optim import build_optimizer, learning_rate

CONFIG = OptimConfig(lr=1e-3, min_lr=1e-5, warmup_share=0.1)


def rate(step: int, global_batch: int = 256) -> float:
    return learning_rate(step, steps=100, global_batch=global_batch, config=CONFIG)


def test_learning_rate__warms_up_linearly_then_falls_to_the_minimum() -> None:
    assert rate(1) == pytest.approx(1e-4)
    assert rate(10) == pytest.approx(1e-3)
    assert rate(55) == pytest.approx((1e-3 + 1e-5) / 2)
    assert rate(100) == pytest.approx(1e-5)


def test_learning_rate__scales_with_the_global_batch() -> None:
    assert rate(10, global_batch=512) == pytest.approx(2e-3)


def test_learning_rate__one_step_without_warmup() -> None:
    assert learning_rate(1, steps=1, global_batch=256, config=CONFIG) >= 0


def test_groups__decay_matrices_only_and_hold_every_trained_parameter() -> None:
    model = build_model(recipes.cpu_smoke().model, teacher_dim=16, seed=0)
    decayed, rest = build_optimizer(model, CONFIG).param_groups
    names = {id(p): name for name, p in model.named_parameters()}
    grouped = {names[id(p)] for group in (decayed, rest) for p in group["params"]}
    assert grouped == {n for n, p in model.named_parameters() if p.requires_grad}
    assert decayed["weight_decay"] == 0.05 and rest["weight_decay"] == 0.0
    undecayed = {names[id(p)] for p in rest["params"]}
    assert {"mae.cls_token", "mae.mask_token", "mae.norm.weight"} <= undecayed
    assert all("weight" in names[id(p)] for p in decayed["params"])
