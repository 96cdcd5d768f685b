"""Gradients of the whole loss against finite differences of the slow reference in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pretrain.config.settings import LossConfig
from pretrain.conformance import read_sizes, read_vectors
from pretrain.losses import Targets, all_losses, total_loss
from pretrain.models.uniemox import build_model
from tests.pretrain import reference

STEP = 1e-5
PARTS = [
    "model.cls_token",
    "model.patch_embed",
    "model.blocks.0",
    "model.blocks.2",
    "model.norm",
    "model.decoder_embed",
    "model.mask_token",
    "model.decoder_blocks",
    "model.decoder_norm",
    "model.decoder_pred",
    "fusion.bn",
    "fusion.linear",
]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], dict]:
    path = tmp_path_factory.mktemp("vectors") / "small.safetensors"
    reference.write_vectors(path, seed=3)
    return read_vectors(path)


@pytest.fixture(scope="module")
def gradients(vectors: tuple[dict[str, torch.Tensor], dict]) -> dict[str, np.ndarray]:
    """Ours by backpropagation, named as in the reference file."""
    tensors, metadata = vectors
    sizes = read_sizes(tensors, metadata)
    model = build_model(sizes, teacher_dim=reference.DECODER_DIM, seed=0)
    model.mae.load_state_dict(_under(tensors, "model."))
    model.fusion.load_state_dict(_under(tensors, "fusion.layernorm_sum."))
    model.double().eval()
    inputs = {name: tensors[f"in.{name}"].double() for name in INPUTS}
    output = model(*(inputs[name] for name in INPUTS[:4]))
    targets = Targets(
        scene=inputs["scene"],
        image=tensors["in.teacher_image"],
        texts=tensors["in.teacher_text"],
        positive=torch.eye(reference.BATCH, dtype=torch.bool),
        logit_scale=float(inputs["logit_scale"].exp()),
    )
    config = LossConfig()
    # the losses themselves are in float32, as in a run
    total_loss(all_losses(output, targets, config, patch_size=sizes.patch_size), config).backward()
    named = {f"model.{n}": p for n, p in model.mae.named_parameters()}
    named |= {f"fusion.{n}": p for n, p in model.fusion.named_parameters()}
    return {n: p.grad.numpy() for n, p in named.items() if p.grad is not None}


INPUTS = (
    "scene",
    "person",
    "scene_noise",
    "person_noise",
    "teacher_image",
    "teacher_text",
    "logit_scale",
)


@pytest.fixture(scope="module")
def slow_loss(
    vectors: tuple[dict[str, torch.Tensor], dict],
) -> Callable[[dict[str, np.ndarray]], float]:
    """L1 + L2 + L3 of the reference with some weights moved."""
    tensors, _ = vectors
    inputs = {name: tensors[f"in.{name}"].double().numpy() for name in INPUTS}
    classifier = {n: v.double().numpy() for n, v in _under(tensors, "classifier.").items()}

    def loss(moved: dict[str, np.ndarray]) -> float:
        model = {n: v.double().numpy() for n, v in _under(tensors, "model.").items()}
        weights = _under(tensors, "fusion.layernorm_sum.")
        fusion = {n: v.double().numpy() for n, v in weights.items()}
        for name, shift in moved.items():
            part, _, rest = name.partition(".")
            table = model if part == "model" else fusion
            table[rest] = table[rest] + shift
        out = reference.compute(model, classifier, {"layernorm_sum": fusion}, inputs)
        names = ("contrastive_loss.layernorm_sum", "similarity_loss.layernorm_sum")
        return sum(out[n][0] for n in (*names, "reconstruction_loss_norm_pix"))

    return loss


@pytest.mark.parametrize("part", PARTS)
def test_gradient__is_the_slope_of_the_slow_version(
    part: str, gradients: dict[str, np.ndarray], slow_loss: Callable[..., float]
) -> None:
    rng = np.random.default_rng(len(part))
    names = [n for n in gradients if n == part or n.startswith(f"{part}.")]
    assert names
    along = {n: rng.normal(size=gradients[n].shape) for n in names}
    slope = sum(float((gradients[n] * along[n]).sum()) for n in names)
    ahead = slow_loss({n: STEP * along[n] for n in names})
    behind = slow_loss({n: -STEP * along[n] for n in names})
    assert slope == pytest.approx((ahead - behind) / (2 * STEP), rel=1e-3, abs=2e-5)
    assert abs(slope) > 1e-4  # a direction in which something happens


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
