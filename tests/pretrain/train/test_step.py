"""One step, in training and for measuring."""

import dataclasses

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pretrain import step as measuring
from pretrain.config import recipes
from pretrain.train import step
from pretrain.train.parallelize import World

WORLD = World(rank=0, size=1, device=torch.device("cpu"))


class FixedTeacher:
    """Features that depend on the picture's mean colour only."""

    name, sha256, license, dim, logit_scale = "fixed", "0", "none", 16, 10.0
    reads_texts = True

    def image_features(self, views: Tensor) -> Tensor:
        return functional.normalize(views.float().mean(dim=(2, 3)).repeat(1, 6)[:, :16], dim=-1)

    def use_precision(self, precision: str) -> None:
        pass

    def text_features(self, texts: list[str]) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return functional.normalize(torch.randn(len(texts), 16, generator=generator), dim=-1)


def state_and_batch(**system: str) -> tuple[step.TrainState, step.Batch]:
    recipe = recipes.cpu_smoke()
    config = dataclasses.replace(recipe, system=dataclasses.replace(recipe.system, **system))
    teacher = FixedTeacher()
    state = step.make_state(config, WORLD, teacher, teacher.text_features([""] * 8))
    torch.manual_seed(0)
    return state, measuring.random_batch(config, teacher.dim)


def test_step__repeated_lowers_every_loss() -> None:
    state, batch = state_and_batch()
    before = step.compute_losses(state, batch)
    for _ in range(60):
        step.train_step(state, [batch], 3e-3)
    after = step.compute_losses(state, batch)
    assert all(after[name] < before[name] for name in ("L1", "L2", "L3"))


def test_step__every_trained_parameter_gets_a_gradient() -> None:
    state, batch = state_and_batch()
    step.train_step(state, [batch], 1e-3)
    trained = [(n, p) for n, p in state.model.named_parameters() if p.requires_grad]
    assert not [name for name, p in trained if p.grad is None or not p.grad.abs().sum() > 0]
    frozen = {n for n, p in state.model.named_parameters() if not p.requires_grad}
    assert frozen == {"mae.pos_embed", "mae.decoder_pos_embed"}


def test_step__bf16_is_close_to_fp32() -> None:
    full, half = (
        step.compute_losses(*state_and_batch(precision=name)) for name in ("fp32", "bf16")
    )
    for name, value in full.items():
        assert half[name].item() == pytest.approx(value.item(), abs=0.03)


def test_step__is_the_same_twice() -> None:
    runs = []
    for _ in range(2):
        state, batch = state_and_batch()
        runs.append([step.train_step(state, [batch], 1e-3)["total"].item() for _ in range(3)])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("variant", ["plain", "cached_teacher"])
def test_build__runs_a_step(variant: str) -> None:
    run = measuring.build(variant, model="ti16", batch=2, device="cpu")
    assert set(run()) == {"L1", "L2", "L3", "total", "grad_norm"}


def test_build__cached_teacher_saves_the_teacher() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    counts = {}
    for variant in ("plain", "cached_teacher"):
        with torch.device("meta"):  # shapes alone: counting computes nothing
            run = measuring.build(variant, model="ti16", batch=1, device="meta")
        with FlopCounterMode(display=False) as counter:
            run()
        counts[variant] = counter.get_total_flops()
    saved = (counts["plain"] - counts["cached_teacher"]) / 1e9
    assert saved == pytest.approx(281 / 8, abs=1)


@pytest.mark.parametrize(
    ("variant", "model", "known"),
    [("fast", "b16", "plain, cached_teacher"), ("plain", "b32", "ti16, s16, b16, l16")],
)
def test_build__unknown_name_lists_the_known(variant: str, model: str, known: str) -> None:
    with pytest.raises(ValueError, match=known):
        measuring.build(variant, model=model, batch=1, device="cpu")


def test_step__fp16_scales_the_loss_and_trains() -> None:
    state, batch = state_and_batch(precision="fp16")
    assert state.scaler is not None
    before = step.train_step(state, [batch], 1e-3)  # the first scales are too large
    for _ in range(40):
        after = step.train_step(state, [batch], 1e-3)
    assert after["total"] < before["total"] and after["grad_norm"].isfinite()
    assert state.scaler.get_scale() < 65536


def test_step__fp16_leaves_an_overflow_out_and_halves_its_scale() -> None:
    state, batch = state_and_batch(precision="fp16")
    assert state.scaler is not None
    scale = state.scaler.get_scale()
    step.backward(state, [batch])
    weights = [p.detach().clone() for p in state.model.parameters()]
    # what unscaling found is what counts, as if a gradient had overflowed
    found = state.scaler._per_optimizer_states[id(state.optimizer)]["found_inf_per_device"]
    for value in found.values():
        value.fill_(1.0)
    step.update(state, 1e-3)
    assert state.scaler.get_scale() == scale / 2
    for before, now in zip(weights, state.model.parameters(), strict=True):
        assert torch.equal(before, now)


def test_clip__bounds_the_norm_over_all_trained_parameters() -> None:
    state, batch = state_and_batch()
    object.__setattr__(state.config.optim, "clip_norm", 0.01)
    found = step.backward(state, [batch])
    assert found["grad_norm"] > 0.1  # as it was before
    grads = [p.grad for p in state.model.parameters() if p.grad is not None]
    assert torch.cat([g.flatten() for g in grads]).norm().item() == pytest.approx(0.01, rel=1e-3)
