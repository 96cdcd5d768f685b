"""L1, L2, L3 against slow plain versions, values and gradients."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pretrain import losses
from pretrain.config.settings import LossConfig
from pretrain.models.mae import patchify, unpatchify


@pytest.fixture
def features() -> tuple[Tensor, Tensor, Tensor]:
    """Student (4, 6), unit teacher image (4, 6), unit texts (5, 6)."""
    generator = torch.Generator().manual_seed(0)
    student, image = torch.randn(2, 4, 6, generator=generator, dtype=torch.float64)
    texts = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    unit = functional.normalize
    return student.requires_grad_(), unit(image, dim=-1), unit(texts, dim=-1)


def plain_cosine(a: list[Tensor], b: list[Tensor]) -> Tensor:
    dot = sum((x * y for x, y in zip(a, b, strict=True)), torch.zeros(()))
    norms = [sum((x * x for x in v), torch.zeros(())).sqrt() for v in (a, b)]
    return dot / (norms[0] * norms[1])


def plain_contrastive(student: Tensor, image: Tensor, texts: Tensor, scale: float) -> Tensor:
    total = torch.zeros((), dtype=student.dtype)
    for row in range(len(student)):
        unit = student[row] / student[row].square().sum().sqrt()
        ours = [scale * (unit * text).sum() for text in texts]
        clips = [scale * (image[row] * text).sum() for text in texts]
        total = total + 1 - plain_cosine(ours, clips)
    return total / len(student)


def test_contrastive__equals_the_slow_version(features: tuple[Tensor, Tensor, Tensor]) -> None:
    student, image, texts = features
    found = losses.contrastive_loss(student, image, texts, 14.0)
    wanted = plain_contrastive(student, image, texts, 14.0)
    assert found.item() == pytest.approx(wanted.item(), abs=1e-9)
    ours, slow = (torch.autograd.grad(loss, student)[0] for loss in (found, wanted))
    torch.testing.assert_close(ours, slow, atol=1e-9, rtol=0)


def test_similarity__equals_the_slow_version(features: tuple[Tensor, Tensor, Tensor]) -> None:
    student, image, _ = features
    found = losses.similarity_loss(student, image)
    pairs = zip(student, image, strict=True)
    wanted = torch.stack([1 - plain_cosine(list(a), list(b)) for a, b in pairs]).mean()
    assert found.item() == pytest.approx(wanted.item(), abs=1e-9)
    ours, slow = (torch.autograd.grad(loss, student)[0] for loss in (found, wanted))
    torch.testing.assert_close(ours, slow, atol=1e-9, rtol=0)


def test_contrastive__does_not_see_the_order_of_texts(
    features: tuple[Tensor, Tensor, Tensor],
) -> None:
    student, image, texts = features
    straight = losses.contrastive_loss(student, image, texts, 14.0)
    shuffled = losses.contrastive_loss(student, image, texts[[3, 0, 4, 1, 2]], 14.0)
    torch.testing.assert_close(straight, shuffled)


def test_contrastive__is_zero_with_zero_gradient_at_batch_one(
    features: tuple[Tensor, Tensor, Tensor],
) -> None:
    student, image, texts = features
    for sign in (1.0, -1.0):  # the cosine of two numbers would be 1 or -1
        loss = losses.contrastive_loss(sign * student[:1], image[:1], texts[:1], 14.0)
        assert loss.item() == 0.0
        assert torch.autograd.grad(loss, student)[0].abs().max() == 0.0


@pytest.mark.parametrize("norm_pix", [False, True])
def test_reconstruction__equals_the_slow_version(norm_pix: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, 8, 8, generator=generator)
    pred = torch.randn(2, 4, 48, generator=generator)
    mask = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0]])
    target = losses.reconstruction_target(images, 4, norm_pix=norm_pix)
    found = losses.reconstruction_loss(pred, target, mask)
    errors = []
    for row in range(2):
        for place in range(4):
            top, left = 4 * (place // 2), 4 * (place % 2)
            patch = images[row, :, top : top + 4, left : left + 4].permute(1, 2, 0).flatten()
            if norm_pix:
                spread = math.sqrt(float(patch.var(unbiased=True)) + 1e-6)
                patch = (patch - patch.mean()) / spread
            if mask[row, place]:
                errors.append(float(((pred[row, place] - patch) ** 2).mean()))
    assert found.item() == pytest.approx(sum(errors) / len(errors), rel=1e-5)


def test_patchify__unpatchify_brings_the_image_back() -> None:
    images = torch.randn(2, 3, 12, 12)
    assert torch.equal(unpatchify(patchify(images, 4), 4), images)


def test_total__weights_each_loss() -> None:
    found = {"L1": torch.tensor(1.0), "L2": torch.tensor(10.0), "L3": torch.tensor(100.0)}
    config = LossConfig(contrastive=2.0, similarity=0.5, reconstruction=0.0)
    assert losses.total_loss(found, config).item() == 7.0
