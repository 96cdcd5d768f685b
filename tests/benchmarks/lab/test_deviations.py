"""What deviations of the public code cost."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.lab import deviations
from pretrain.data.batches import fixed_batches
from pretrain.data.cache import open_source
from pretrain.losses import reconstruction_loss, reconstruction_target
from pretrain.models.vit import mask_by_noise
from pretrain.views.cut import normalise
from pretrain.weights import encoder
from tests.pretrain.conftest import dataset_dir, teacher_name, trained  # noqa: F401


def test_floor__no_single_prediction_goes_below(
    trained: Path,  # noqa: F811
    dataset_dir: Path,  # noqa: F811
) -> None:
    floor = deviations.one_token_floor(trained, str(dataset_dir), "val")
    _, config = encoder.load_model(trained)
    source = open_source(str(dataset_dir), "val", config)
    batch = fixed_batches(source, config, range(len(source.ids)))
    target, mask = [], []
    for part in batch:
        scene = normalise(part.scene, config.views.mean, config.views.std)
        target.append(reconstruction_target(scene, config.model.patch_size, norm_pix=True))
        mask.append(mask_by_noise(part.scene_noise, config.model.scene_mask_ratio).mask)
    wanted, hidden = torch.cat(target), torch.cat(mask)
    best = (wanted * hidden[..., None]).sum(dim=1) / hidden.sum(dim=1, keepdim=True)
    reached = reconstruction_loss(best[:, None].expand_as(wanted), wanted, hidden)
    assert floor == pytest.approx(float(reached), rel=1e-4)
    torch.manual_seed(0)
    moved = best + 0.1 * torch.randn_like(best)
    assert reconstruction_loss(moved[:, None].expand_as(wanted), wanted, hidden) > floor


def test_interval__holds_the_mean() -> None:
    mean, low, high = deviations._interval(np.array([0.0, 1.0, 1.0, 0.0, 1.0]))
    assert low <= mean == 0.6 <= high
