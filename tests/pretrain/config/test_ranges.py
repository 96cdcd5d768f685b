"""Settings that torch would compute with, and that train something else than was meant."""

from __future__ import annotations

import dataclasses

import pytest

from pretrain.commands.settings import configured
from pretrain.config import ranges, recipes
from pretrain.config.overrides import field_types, override
from pretrain.config.resolve import resolve_steps
from pretrain.config.settings import PretrainConfig
from pretrain.config.unused import UNUSED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optim.clip_norm", "-1"),
        ("optim.clip_norm", "nan"),
        ("optim.warmup_share", "1.5"),
        ("optim.weight_decay", "-0.05"),
        ("optim.betas", "0.9,1.0"),
        ("optim.layer_decay", "1.5"),
        ("views.flip_prob", "2"),
        ("views.mean", "123.7,116.3,103.5"),
        ("views.std", "58.4,57.1,57.4"),
        ("views.scene_scale", "0.2,20"),
        ("views.person_margin", "-0.1"),
        ("loss.contrastive", "inf"),
        ("log.probe_rows", "0"),
        ("data.num_workers", "-1"),
    ],
)
def test_ranges__what_would_train_something_else_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = .*: (at least|above)"):
        override(recipes.b16(), {name: value})


def test_ranges__name_settings_that_exist_and_hold_for_every_recipe() -> None:
    assert set(ranges.RANGES) <= set(field_types(PretrainConfig))
    for recipe in recipes.RECIPES.values():
        ranges.check(recipe())


@pytest.mark.parametrize(
    ("recipe", "given"),
    [
        ("b16", {"optim.cooldown_share": "0.3"}),
        ("b16", {"optim.warmup_steps": "10", "optim.warmup_share": "0.3"}),
        ("b16", {"data.shuffle_rows": "9"}),
        ("b16", {"model.fusion_heads": "5"}),
        ("b16_clip_only", {"loss.norm_pix": "false"}),
        ("b16_mae", {"loss.contrastive_kind": "paired"}),
        ("b16_mae", {"loss.similarity": "0.5"}),
        ("b16_scene_only", {"views.person_margin": "0.5"}),
        ("b16", {"log.probe_rows": "50"}),
        ("b16", {"init.part": "all"}),
        ("b16", {"views.flip_prob": "0", "views.augment_views": "independent"}),
    ],
)
def test_unused__a_setting_that_nothing_reads_is_refused(
    recipe: str, given: dict[str, str]
) -> None:
    rest = [word for name, value in given.items() for word in (f"--{name}", value)]
    with pytest.raises(ValueError, match="would change nothing"):
        configured(recipe, rest)


def test_unused__the_recipes_own_value_and_used_ones_pass() -> None:
    assert configured("b16", ["--optim.cooldown_share", "0.1"])
    assert configured("b16", ["--optim.schedule", "constant", "--optim.cooldown_share", "0.3"])
    assert configured("b16", ["--model.fusion", "weighted_sum", "--model.fusion_heads", "5"])


def test_unused__names_settings_that_exist() -> None:
    assert {name for names, _, _ in UNUSED for name in names} <= set(field_types(PretrainConfig))


def test_resolve_steps__a_rate_that_never_rises_is_refused() -> None:
    long = override(recipes.cpu_smoke(), {"optim.warmup_steps": "12"})
    with pytest.raises(ValueError, match="would never reach its peak"):
        resolve_steps(long, num_rows=10, num_ranks=1)
    assert resolve_steps(dataclasses.replace(long, steps=13), num_rows=10, num_ranks=1)
    upward = override(recipes.cpu_smoke(), {"optim.min_lr": "1e-3"})
    with pytest.raises(ValueError, match=r"min_lr = 0\.001 is above the peak"):
        resolve_steps(upward, num_rows=10, num_ranks=1)
