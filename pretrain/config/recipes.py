"""Named runs. Each function returns a complete `PretrainConfig`; the command line picks one.

uniemox pretrain cpu_demo --data DATASET --out RUN
torchrun --nproc-per-node 8 -m pretrain.cli pretrain b16 --data DATASET --out RUN
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypedDict

from pretrain.config.settings import (
    DataConfig,
    LogConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    PretrainConfig,
    SystemConfig,
    TeacherConfig,
    ViewConfig,
)

# The cheaper decoder, for any recipe: --model.decoder cross --model.predicted_share 0.25
LIGHT_DECODER = {"model.decoder": "cross", "model.predicted_share": "0.25"}


class VitSize(TypedDict):
    """The three numbers of a ViT size."""

    dim: int
    depth: int
    heads: int


# Dosovitskiy et al. (2021), "An Image is Worth 16x16 Words", Table 1 (b, l, h), and Touvron et
# al. (2021), "Training data-efficient image transformers", Table 1 (ti, s).
_SIZES: dict[str, tuple[int, int, int]] = {
    "ti": (192, 12, 3),
    "s": (384, 12, 6),
    "b": (768, 12, 12),
    "l": (1024, 24, 16),
    "h": (1280, 32, 16),
}


def vit(size: str) -> VitSize:
    """Width, depth and heads of "ti", "s", "b", "l" or "h"."""
    dim, depth, heads = _SIZES[size]
    return VitSize(dim=dim, depth=depth, heads=heads)


def cpu_smoke() -> PretrainConfig:
    """A few quick steps for tests; it learns nothing."""
    return PretrainConfig(
        recipe="cpu_smoke",
        steps=12,
        model=ModelConfig(
            dim=32,
            depth=2,
            heads=2,
            image_size=32,
            patch_size=8,
            decoder_dim=32,
            decoder_depth=1,
            decoder_heads=2,
        ),
        data=DataConfig(batch_size=8, in_memory=True, store_side_px=48),
        teacher=TeacherConfig(name="embedded"),
        system=SystemConfig(device="cpu", save_every=2),
        log=LogConfig(tensorboard=False),  # tests start it many times
    )


def cpu_demo() -> PretrainConfig:
    """About two minutes on two cores for some hundred small pictures; it visibly learns.

    Four blocks, the light decoder and a small weight of L3 buy steps for what the teacher says,
    which is what a few hundred pictures can teach: nearest neighbours then beat raw pixels, not
    only the untrained network.
    """
    return PretrainConfig(
        recipe="cpu_demo",
        steps=700,
        model=ModelConfig(
            dim=192,
            depth=4,
            heads=3,
            image_size=64,
            patch_size=8,
            decoder_dim=128,
            decoder_depth=2,
            decoder_heads=4,
            decoder="cross",
            predicted_share=0.25,
        ),
        views=ViewConfig(scene_scale=(0.5, 1.0)),
        data=DataConfig(batch_size=64, in_memory=True, store_side_px=96),
        teacher=TeacherConfig(name="embedded"),
        loss=LossConfig(reconstruction=0.2),
        optim=OptimConfig(lr=4e-3, warmup_share=0.1),
        system=SystemConfig(device="cpu", precision="auto", save_every=100),
        log=LogConfig(tensorboard=False),  # two minutes are too short to watch
    )


def study_ti8() -> PretrainConfig:
    """The full method of `python -m benchmarks.lab.study`: ViT-Ti/8 at 64 px, for two cores.

    The arms of the study differ from it in the dotted fields of its `arms.py` alone.
    """
    demo = cpu_demo()
    return dataclasses.replace(
        demo,
        recipe="study_ti8",
        steps=1000,
        model=dataclasses.replace(demo.model, **vit("ti"), decoder="self", predicted_share=1.0),
        loss=LossConfig(),
        system=dataclasses.replace(demo.system, save_every=50),
        log=LogConfig(),
    )


def b16() -> PretrainConfig:
    """ViT-B/16 at 224 px: the size a lab with one GPU starts with. MAE's optimizer settings."""
    return PretrainConfig(
        recipe="b16",
        epochs=100,
        model=ModelConfig(**vit("b")),
        data=DataConfig(batch_size=256, num_workers=12),
        optim=OptimConfig(lr=1.5e-4, warmup_share=0.1, clip_norm=0.0),
        system=SystemConfig(precision="bf16"),
    )


def l16_paper() -> PretrainConfig:
    """The paper's run: ViT-L/16, nine tenths masked, CLIP ViT-B/16 as teacher, on EmoSet-118K's
    train and val with texts from its own attributes, emotion included (`uniemox import-emoset`).

    From the paper: encoder, mask, teacher, fused width 512, texts, the three losses with equal
    weight. From MAE (He et al. 2022, Table 8), and the defaults of the public code as well: AdamW's
    betas, weight decay, crop scale, no clipping. From MAE alone, where the public code's defaults
    differ and we could not read which the paper used: rate (there 1e-3 per 256 rows), warm-up
    (there 40 of 800 epochs), normalised pixels (there not). Ours: 100 epochs, batch 128 per
    process, margin.
    """
    return PretrainConfig(
        recipe="l16_paper",
        epochs=100,
        model=ModelConfig(**vit("l"), scene_mask_ratio=0.9, person_mask_ratio=0.9),
        data=DataConfig(batch_size=128, num_workers=12, text_with_emotion=True, split="train+val"),
        loss=LossConfig(contrastive=1.0, similarity=1.0, reconstruction=1.0, norm_pix=True),
        optim=OptimConfig(lr=1.5e-4, warmup_share=0.1, clip_norm=0.0),
        system=SystemConfig(precision="bf16"),
    )


def u_emo_defaults() -> PretrainConfig:
    """The paper's run with the defaults of its public code where they differ from MAE's paper.

    docs/training.md has the two beside each other, number by number. Which the paper used could not
    be read.
    """
    paper = l16_paper()
    return dataclasses.replace(
        paper,
        recipe="u_emo_defaults",
        epochs=800,
        loss=dataclasses.replace(paper.loss, norm_pix=False),
        optim=dataclasses.replace(paper.optim, lr=1e-3, warmup_share=40 / 800),
    )


def recommended() -> PretrainConfig:
    """What we would start on a GPU: b16 with the light decoder, averaged weights, compiled.

    The light decoder costs less than a third of the operations (docs/method.md); averaged weights,
    clipping and compiling are common practice. Its accuracy is not measured yet.
    """
    base = b16()
    return dataclasses.replace(
        base,
        recipe="recommended",
        model=dataclasses.replace(base.model, decoder="cross", predicted_share=0.25),
        optim=dataclasses.replace(base.optim, clip_norm=1.0, ema=0.9999),
        system=dataclasses.replace(base.system, compile=True),
        log=LogConfig(probe_every_epochs=5.0, pictures_every=2000),
    )


def b16_scene_only() -> PretrainConfig:
    """Ablation of b16: no person view."""
    base = b16()
    model = dataclasses.replace(base.model, fusion="scene_only")
    return dataclasses.replace(base, recipe="b16_scene_only", model=model)


def b16_mae() -> PretrainConfig:
    """Ablation of b16: reconstruction alone, a plain masked autoencoder."""
    loss = LossConfig(contrastive_on=False, similarity_on=False)
    return dataclasses.replace(b16(), recipe="b16_mae", loss=loss)


def b16_clip_only() -> PretrainConfig:
    """Ablation of b16: CLIP's guidance alone (L1 and L2), nothing is reconstructed."""
    return dataclasses.replace(
        b16(), recipe="b16_clip_only", loss=LossConfig(reconstruction_on=False)
    )


def b16_paired() -> PretrainConfig:
    """Ablation of b16: L1 finds the row's own text, in place of CLIP's row of similarities."""
    loss = LossConfig(contrastive_kind="paired")
    return dataclasses.replace(b16(), recipe="b16_paired", loss=loss)


RECIPES: dict[str, Callable[[], PretrainConfig]] = {
    recipe.__name__: recipe
    for recipe in (
        *(cpu_smoke, cpu_demo, study_ti8, b16, l16_paper, u_emo_defaults, recommended),
        *(b16_scene_only, b16_mae, b16_clip_only, b16_paired),
    )
}


RENAMED = {"claim": "study_ti8"}  # old names, which RUNs made before still hold


def get(name: str) -> PretrainConfig:
    """The config of the recipe of that name, old or new; ValueError names the nearest one."""
    name = RENAMED.get(name, name)
    if name not in RECIPES:
        from emo8.core.suggest import suggest

        raise ValueError(f"unknown recipe {name!r}; {suggest(name, RECIPES)}")
    return RECIPES[name]()
