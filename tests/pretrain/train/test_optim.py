"""Parameter groups and the learning rate over a run."""

import dataclasses
import math

import pytest
import torch

from pretrain.config import recipes
from pretrain.config.settings import OptimConfig
from pretrain.models.uniemox import build_model
from pretrain.train.optim import Ema, build_optimizer, learning_rate, set_learning_rate

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
    groups = build_optimizer(model, CONFIG).param_groups
    rest, decayed = sorted(groups, key=lambda group: group["weight_decay"])
    names = {id(p): name for name, p in model.named_parameters()}
    grouped = {names[id(p)] for group in (decayed, rest) for p in group["params"]}
    assert grouped == {n for n, p in model.named_parameters() if p.requires_grad}
    assert decayed["weight_decay"] == 0.05 and rest["weight_decay"] == 0.0
    undecayed = {names[id(p)] for p in rest["params"]}
    assert {"mae.cls_token", "mae.mask_token", "mae.norm.weight"} <= undecayed
    assert all("weight" in names[id(p)] for p in decayed["params"])


def test_learning_rate__constant_until_a_linear_cooldown() -> None:
    config = dataclasses.replace(CONFIG, schedule="constant", cooldown_share=0.2)
    found = [
        learning_rate(step, steps=100, global_batch=256, config=config) for step in (10, 50, 80)
    ]
    assert found == pytest.approx([1e-3] * 3)
    half, last = (
        learning_rate(step, steps=100, global_batch=256, config=config) for step in (90, 100)
    )
    assert half == pytest.approx((1e-3 + 1e-5) / 2) and last == pytest.approx(1e-5)


def test_learning_rate__constant_does_not_know_how_long_the_run_will_be() -> None:
    config = dataclasses.replace(CONFIG, schedule="constant", warmup_steps=7)
    for step in (1, 7, 8, 80):
        rates = {learning_rate(step, steps=n, global_batch=256, config=config) for n in (100, 1000)}
        assert len(rates) == 1


def layers() -> dict[str, float]:
    """{name: how many blocks lie above it, the rest of the network included}, for two blocks."""
    model = build_model(recipes.cpu_smoke().model, teacher_dim=16, seed=0)
    optimizer = build_optimizer(model, dataclasses.replace(CONFIG, layer_decay=0.5))
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: -math.log2(group["lr_scale"])
        for group in optimizer.param_groups
        for p in group["params"]
    }


@pytest.mark.parametrize(
    ("name", "above"),
    [
        ("mae.patch_embed.proj.weight", 3),
        ("mae.cls_token", 3),
        ("mae.blocks.0.attn.qkv.weight", 2),
        ("mae.blocks.1.mlp.fc1.bias", 1),
        ("mae.norm.weight", 0),
        ("mae.decoder_blocks.0.attn.qkv.weight", 0),
        ("fusion.linear.weight", 0),
    ],
)
def test_layer__of_a_weight_in_the_encoder(name: str, above: int) -> None:
    assert layers()[name] == above


def test_layer_decay__lower_blocks_learn_slower() -> None:
    model = build_model(recipes.cpu_smoke().model, teacher_dim=16, seed=0)
    optimizer = build_optimizer(model, dataclasses.replace(CONFIG, layer_decay=0.5))
    set_learning_rate(optimizer, 1.0)
    above = layers()
    names = {id(p): name for name, p in model.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["lr"] == pytest.approx(0.5 ** above[names[id(parameter)]])
    trained = [p for p in model.parameters() if p.requires_grad]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(trained)


def test_ema__is_the_average_it_says() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    ema = Ema(layer, decay=0.5)
    expected = 0.0
    for step in range(1, 30):
        torch.nn.init.constant_(layer.weight, float(step))
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        ema.update()
    assert float(ema.averages["weight"]) == pytest.approx(expected, rel=1e-5)
