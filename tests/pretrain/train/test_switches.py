"""Ablation switches: every one runs a step and trains what it should."""

import dataclasses

import pytest
import torch

from pretrain import losses
from pretrain import step as measuring
from pretrain.config import recipes
from pretrain.config.overrides import override
from pretrain.models.uniemox import build_model
from pretrain.train import step
from pretrain.views.cut import jittered, recolour
from tests.pretrain.train.test_step import WORLD, FixedTeacher


def stepped(settings: dict[str, str]) -> tuple[step.TrainState, dict[str, torch.Tensor]]:
    config = override(recipes.cpu_smoke(), settings)
    teacher = FixedTeacher()
    state = step.make_state(config, WORLD, teacher, teacher.text_features([""] * 8))
    torch.manual_seed(0)
    return state, step.train_step(state, [measuring.random_batch(config, teacher.dim)], 1e-3)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"model.decoder": "cross", "model.predicted_share": "0.25"}, {"L1", "L2", "L3"}),
        ({"model.predicted_share": "0.25"}, {"L1", "L2", "L3"}),
        ({"loss.reconstruction_on": "false"}, {"L1", "L2"}),
        ({"loss.contrastive_on": "false", "loss.similarity_on": "false"}, {"L3"}),
        ({"loss.contrastive_kind": "paired"}, {"L1", "L2", "L3"}),
        ({"model.fusion": "scene_only"}, {"L1", "L2", "L3"}),
        ({"model.fusion": "person_only"}, {"L1", "L2", "L3"}),
    ],
)
def test_switch__runs_and_trains_exactly_what_is_used(
    settings: dict[str, str], names: set[str]
) -> None:
    state, found = stepped(settings)
    assert set(found) == names | {"total", "grad_norm"}
    trained = [(n, p) for n, p in state.model.named_parameters() if p.requires_grad]
    assert not [name for name, p in trained if p.grad is None]


def test_cross_decoder__a_patch_does_not_depend_on_which_others_are_predicted() -> None:
    sizes = dataclasses.replace(recipes.cpu_smoke().model, decoder="cross")
    model = build_model(sizes, teacher_dim=16, seed=0).eval()
    view = model.encode_view(torch.randn(2, 3, 32, 32), torch.rand(2, 16), 0.75)
    tokens = model.mae.decoder_embed(view.latent)
    whole = model.mae.decode(tokens, view.masking.restore)
    places = view.masking.hidden[:, :3]
    some = model.mae.decode_places(tokens, view.masking.keep, places)
    index = places.unsqueeze(-1).expand(-1, -1, whole.shape[-1])
    torch.testing.assert_close(some, whole.gather(1, index))


def test_paired__equal_texts_share_the_target() -> None:
    texts = torch.eye(3)[[0, 1, 1]]
    positive = torch.tensor([[True, False, False], [False, True, True]])
    found = losses.paired_contrastive_loss(torch.eye(3)[:2] * 5, texts, positive, 2.0)
    rows = []
    for row, own in ((torch.tensor([2.0, 0, 0]), [0]), (torch.tensor([0.0, 2, 2]), [1, 2])):
        log_prob = (row.exp() / row.exp().sum()).log()
        rows.append(-log_prob[own].mean())
    torch.testing.assert_close(found, torch.stack(rows).mean())


def test_losses__all_off_is_refused() -> None:
    names = ("contrastive_on", "similarity_on", "reconstruction_on")
    with pytest.raises(ValueError, match="nothing to train"):
        override(recipes.cpu_smoke(), {f"loss.{name}": "false" for name in names})


def test_recolour__by_one_changes_nothing_and_brightness_scales() -> None:
    view = torch.randint(0, 120, (3, 8, 8), dtype=torch.uint8)
    assert (recolour(view, (1, 1, 1)).int() - view.int()).abs().max() <= 1
    assert (recolour(view, (2, 1, 1)).int() - 2 * view.int()).abs().max() <= 1


def test_jittered__stays_inside_and_is_centred_by_default() -> None:
    assert jittered((0, 0, 20, 20), 0.5) == (5, 5, 15, 15)
    assert jittered((0, 0, 20, 20), 0.5, (1.0, 0.0)) == (10, 0, 20, 10)
