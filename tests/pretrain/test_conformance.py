"""Our maths against reference vectors: the golden file, and one of other sizes made here."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pretrain import conformance, losses
from pretrain.models import fusion, mae, uniemox, vit
from tests.pretrain.reference import METADATA, write_vectors

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "uniemox_small.safetensors"


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vectors") / "other_sizes.safetensors"
    write_vectors(path)
    return path


@pytest.mark.skipif(not GOLDEN.is_file(), reason="needs the golden file beside the checkout")
def test_conformance__golden_file_is_reproduced() -> None:
    assert conformance.main([str(GOLDEN)]) == 0


def test_conformance__other_sizes_are_reproduced(
    vectors: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance.main([str(vectors)]) == 0
    assert "24 of 24 tensors within 0.0001" in capsys.readouterr().out


OUTPUTS = [
    *(f"{view}_{what}" for view in ("scene", "person") for what in ("mask", "latent", "token")),
    "scene_ids_restore",
    "person_ids_restore",
    "scene_pred",
    "reconstruction_loss",
    "reconstruction_loss_norm_pix",
    *(
        f"{what}.{kind}"
        for what in ("fusion", "similarity_loss", "contrastive_loss")
        for kind in fusion.PUBLISHED
    ),
    "classifier_logits",
]


@pytest.mark.parametrize("output", OUTPUTS)
def test_conformance__one_wrong_number_fails(vectors: Path, tmp_path: Path, output: str) -> None:
    with safe_open(vectors, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    wrong = tensors[f"out.{output}"].clone()
    wrong.view(-1)[-1] += 1 if wrong.dtype == torch.int64 else 2e-4
    save_file({**tensors, f"out.{output}": wrong}, tmp_path / "wrong.safetensors", METADATA)
    differences = conformance.compare(tmp_path / "wrong.safetensors")
    assert [name for name, gap in differences.items() if gap > 1e-4] == [f"out.{output}"]


def nudged(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda *args, **kwargs: function(*args, **kwargs) + 1e-3


def keep_most_noise(noise: torch.Tensor, ratio: float) -> vit.Masking:
    return vit.mask_by_noise(-noise, ratio)


def biased_variance(images: torch.Tensor, patch_size: int, *, norm_pix: bool) -> torch.Tensor:
    target = mae.patchify(images, patch_size)
    if not norm_pix:
        return target
    spread = (target.var(dim=-1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    return (target - target.mean(dim=-1, keepdim=True)) / spread


def channel_first_patches(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    return vit.to_patches(images, patch_size)


def all_patches_loss(pred: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (pred - target).square().mean()


@pytest.mark.parametrize(
    ("owner", "name", "broken", "failing"),
    [
        (uniemox, "mask_by_noise", keep_most_noise, "out.scene_mask"),
        (uniemox, "mask_by_noise", keep_most_noise, "out.person_ids_restore"),
        (vit.MaskedViT, "encode", nudged(vit.MaskedViT.encode), "out.scene_latent"),
        (vit.MaskedViT, "encode", nudged(vit.MaskedViT.encode), "out.person_latent"),
        (uniemox.UniEmoX, "view_token", nudged(uniemox.UniEmoX.view_token), "out.scene_token"),
        (mae.MaskedAutoencoder, "decode", nudged(mae.MaskedAutoencoder.decode), "out.scene_pred"),
        (losses.reconstruction, "patchify", channel_first_patches, "out.reconstruction_loss"),
        (losses, "reconstruction_loss", all_patches_loss, "out.reconstruction_loss"),
        (losses, "reconstruction_target", biased_variance, "out.reconstruction_loss_norm_pix"),
        (losses, "similarity_loss", nudged(losses.similarity_loss), "out.similarity_loss.mlp_glu"),
        (
            losses,
            "contrastive_loss",
            nudged(losses.contrastive_loss),
            "out.contrastive_loss.layernorm_sum",
        ),
        (
            conformance,
            "build_classifier",
            lambda **sizes: vit.build_classifier(**{**sizes, "norm_eps": 0.1}),
            "out.classifier_logits",
        ),
        *(
            (cls, "forward", nudged(cls.forward), f"out.fusion.{kind}")
            for kind, cls in fusion.FUSIONS.items()
            if kind in fusion.PUBLISHED
        ),
    ],
)
def test_conformance__a_broken_part_fails(
    vectors: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    broken: object,
    failing: str,
) -> None:
    monkeypatch.setattr(owner, name, broken)
    assert conformance.compare(vectors)[failing] > 1e-4
    assert conformance.main([str(vectors)]) == 1


def test_conformance__output_nobody_computes_fails(vectors: Path, tmp_path: Path) -> None:
    with safe_open(vectors, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file({**tensors, "out.new": torch.zeros(1)}, tmp_path / "more.safetensors", METADATA)
    assert conformance.main([str(tmp_path / "more.safetensors")]) == 1


def test_conformance__file_that_is_not_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(b"no")
    assert conformance.main([str(path)]) == 2
    assert "cut.safetensors" in capsys.readouterr().err
