"""Checks the maths against reference vectors: `python -m pretrain.conformance FILE`.

Exit 0 when every `out.*` tensor of FILE is reproduced within 1e-4 by the constructors that
recipes use. Sizes come from the tensors' shapes, the rest from the file's metadata.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pretrain import losses
from pretrain.config.settings import ModelConfig
from pretrain.models.fusion import PUBLISHED, build_fusion
from pretrain.models.uniemox import Encoded, UniEmoX, build_model
from pretrain.models.vit import build_classifier

TOLERANCE = 1e-4
METADATA = (
    "image_size",
    "patch_size",
    "num_heads",
    "decoder_num_heads",
    "fusion_heads",
    "mask_ratio",
    "layer_norm_eps",
    "mlp_ratio",
)


def read_vectors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a reference file; ValueError if it is not one."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
    except (OSError, SafetensorError) as problem:
        raise ValueError(f"{path}: not a readable safetensors file ({problem})") from problem
    missing = [name for name in METADATA if name not in metadata]
    if missing:
        raise ValueError(f"{path}: metadata lacks {', '.join(missing)}")
    if not any(name.startswith("out.") for name in tensors):
        raise ValueError(f"{path}: holds no out.* tensor, so there is nothing to check")
    return tensors, metadata


def read_sizes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> ModelConfig:
    """The model settings of a reference file."""
    return ModelConfig(
        dim=tensors["model.cls_token"].shape[-1],
        depth=_count_blocks(tensors, "model.blocks."),
        heads=int(metadata["num_heads"]),
        image_size=int(metadata["image_size"]),
        patch_size=int(metadata["patch_size"]),
        decoder_dim=tensors["model.mask_token"].shape[-1],
        decoder_depth=_count_blocks(tensors, "model.decoder_blocks."),
        decoder_heads=int(metadata["decoder_num_heads"]),
        mlp_ratio=float(metadata["mlp_ratio"]),
        norm_eps=float(metadata["layer_norm_eps"]),
        scene_mask_ratio=float(metadata["mask_ratio"]),
        person_mask_ratio=float(metadata["mask_ratio"]),
        fusion_heads=int(metadata["fusion_heads"]),
    )


def compute(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Tensor]:
    """Every `out.*` tensor as our modules compute it from the file's inputs and weights."""
    sizes = read_sizes(tensors, metadata)
    model = build_model(sizes, teacher_dim=tensors["in.teacher_image"].shape[-1], seed=0).eval()
    model.mae.load_state_dict(_under(tensors, "model."), strict=True)
    with torch.inference_mode():
        found = _views(model, tensors)
        found |= _reconstruction(model, sizes, tensors, found)
        found |= _fusions(sizes, tensors, found)
        if _under(tensors, "classifier."):
            found["out.classifier_logits"] = _classifier(sizes, tensors)
    return found


def compare(path: Path) -> dict[str, float]:
    """{out.* tensor: largest absolute difference}; infinite where shape differs or none is made."""
    tensors, metadata = read_vectors(path)
    found = compute(tensors, metadata)
    return {
        name: _difference(found.get(name), wanted)
        for name, wanted in sorted(tensors.items())
        if name.startswith("out.")
    }


def main(argv: list[str] | None = None) -> int:
    """0 when all of the file is reproduced, 1 when not, 2 when it cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m pretrain.conformance", description=__doc__)
    parser.add_argument("file", type=Path)
    path = parser.parse_args(argv).file
    try:
        differences = compare(path)
    except (ValueError, KeyError, RuntimeError) as problem:
        sys.stderr.write(f"{path}: {problem}\n")
        return 2
    failed = [name for name, value in differences.items() if not value <= TOLERANCE]
    for name, value in differences.items():
        sys.stdout.write(f"{'FAIL' if name in failed else 'ok  '} {value:9.2e}  {name}\n")
    kept = len(differences) - len(failed)
    sys.stdout.write(f"{kept} of {len(differences)} tensors within {TOLERANCE:g}\n")
    return 1 if failed else 0


def _views(model: UniEmoX, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    names = ("in.scene", "in.person", "in.scene_noise", "in.person_noise")
    views: tuple[Encoded, Encoded] = model.encode_views(*(tensors[name] for name in names))
    for name, view in zip(("scene", "person"), views, strict=True):
        found[f"out.{name}_mask"] = view.masking.mask
        found[f"out.{name}_ids_restore"] = view.masking.restore
        found[f"out.{name}_latent"] = view.latent
        found[f"out.{name}_token"] = model.view_token(view)
    return found


def _reconstruction(
    model: UniEmoX,
    sizes: ModelConfig,
    tensors: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    names = ("in.scene", "in.person", "in.scene_noise", "in.person_noise")
    output = model(*(tensors[name] for name in names))
    made = {"out.scene_pred": output.pred}
    for suffix, norm_pix in (("", False), ("_norm_pix", True)):
        target = losses.reconstruction_target(
            tensors["in.scene"], sizes.patch_size, norm_pix=norm_pix
        )
        loss = losses.reconstruction_loss(output.pred, target, found["out.scene_mask"])
        made[f"out.reconstruction_loss{suffix}"] = loss
    return made


def _fusions(
    sizes: ModelConfig, tensors: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    made: dict[str, Tensor] = {}
    image, texts = tensors["in.teacher_image"], tensors["in.teacher_text"]
    scale = float(tensors["in.logit_scale"].exp())
    for kind in PUBLISHED:
        weights = _under(tensors, f"fusion.{kind}.")
        if not weights:
            continue
        fusion = build_fusion(kind, dim=sizes.decoder_dim, heads=sizes.fusion_heads).eval()
        fusion.load_state_dict(weights, strict=True)
        fused = fusion(found["out.scene_token"], found["out.person_token"])
        made[f"out.fusion.{kind}"] = fused
        made[f"out.similarity_loss.{kind}"] = losses.similarity_loss(fused, image)
        made[f"out.contrastive_loss.{kind}"] = losses.contrastive_loss(fused, image, texts, scale)
    return made


def _classifier(sizes: ModelConfig, tensors: Mapping[str, Tensor]) -> Tensor:
    weights = _under(tensors, "classifier.")
    classifier = build_classifier(
        image_size=sizes.image_size,
        patch_size=sizes.patch_size,
        dim=weights["cls_token"].shape[-1],
        depth=_count_blocks(weights, "blocks."),
        heads=sizes.heads,
        num_classes=weights["head.weight"].shape[0],
        mlp_ratio=sizes.mlp_ratio,
        norm_eps=sizes.norm_eps,
    ).eval()
    # The reference keeps the encoder's `norm` although mean pooling replaces it by `fc_norm`.
    used = {name: value for name, value in weights.items() if not name.startswith("norm.")}
    classifier.load_state_dict(used, strict=True)
    logits: Tensor = classifier(tensors["in.scene"])
    return logits


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _count_blocks(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.split(".")[0] for name in _under(tensors, prefix)})


def _difference(found: Tensor | None, wanted: Tensor) -> float:
    if found is None:
        return float("inf")
    if found.numel() == wanted.numel() == 1:  # losses are stored as (1,)
        found = found.reshape(wanted.shape)
    if found.shape != wanted.shape:
        return float("inf")
    gap = (found.double() - wanted.double()).abs().max().item()
    return gap if gap == gap else float("inf")


if __name__ == "__main__":
    sys.exit(main())
