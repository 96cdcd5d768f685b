"""What a checkpoint holds for others: the trained model, and its frozen encoder for benchmarks.

`pretrain/train/checkpoints.py` says which files there are and writes them.

Letters: N images, C channels, S pixels per side, L patches, D width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emo8.core.json_text import parse_json
from pretrain.config.settings import PretrainConfig, from_dict
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.views.cut import centre_box, cut, normalise

HEADER = "uniemox"  # one metadata key only: safetensors writes several in no fixed order
MODEL, EMA = "model.safetensors", "ema.safetensors"
TRAINING, STATE = "training.safetensors", "state.json"
LAST, OLDER = "last", "checkpoints"  # folders of a RUN


def read_weights(path: Path, key: str) -> tuple[dict[str, Tensor], str | None]:
    """The tensors of a safetensors file, and what its header says under `key`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(key)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as problem:
        raise ValueError(f"{path}: not a complete safetensors file ({problem})") from problem
    return weights, header


def load_model(run: Path | str) -> tuple[UniEmoX, PretrainConfig]:
    """The trained model of a RUN, a checkpoint folder or a model.safetensors, and its config."""
    path = model_path(run)
    weights, header = read_weights(path, HEADER)
    if header is None:
        raise ValueError(f"{path}: not written by `uniemox pretrain` (no config in its header)")
    config = _config(header, path)
    projection = weights.get("projection.weight")
    width = config.model.decoder_dim if projection is None else projection.shape[0]
    model = build_model(config.model, teacher_dim=width, seed=config.seed)
    fill(model, weights, path)
    return model.eval(), config


def _config(header: str, path: Path) -> PretrainConfig:
    """The config in a weights file's header; ValueError names the file where it is damaged."""
    try:
        return from_dict(parse_json(header))
    except (ValueError, TypeError, AttributeError) as problem:
        raise ValueError(
            f"{path}: the config in its header is damaged ({problem}); use a file as it was saved"
        ) from problem


def fill(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Puts the weights of the file `path` into the model; ValueError where they are another's."""
    wrong = [
        (name, tuple(weights[name].shape), tuple(wanted.shape))
        for name, wanted in model.state_dict().items()
        if name in weights and weights[name].shape != wanted.shape
    ]
    if wrong:
        name, found, wanted = wrong[0]
        raise ValueError(
            f"{path}: weights of another size than its config says: {len(wrong)} do not fit, the "
            f"first is {name} with {found} in place of {wanted}. Use a file as it was saved, or "
            "train one of the size you want."
        )
    missing, extra = model.load_state_dict(weights, strict=False)
    if missing or extra:
        raise ValueError(f"{path}: missing weights {missing}, unknown weights {extra}")


def older(run: Path) -> list[Path]:
    """Checkpoint folders of a RUN besides `last`, newest first."""
    return sorted((run / OLDER).glob("step-*"), reverse=True)


def model_path(run: Path | str) -> Path:
    """The weights file that RUN, a checkpoint folder or the file itself stands for."""
    run = Path(run)
    for path in (run, run / LAST / MODEL, *(f / MODEL for f in older(run)), run / MODEL):
        if path.is_file():
            return path
    raise ValueError(f"{run}: no checkpoint there (looked for last/{MODEL} and {MODEL})")


class Encoder:
    """A frozen encoder that turns pictures into features.

    The feature of a picture is its CLS token and the mean of its patch tokens side by side, after
    the final norm, all patches visible (as in the linear evaluation of Oquab et al. 2024,
    "DINOv2"). Pixels: shorter side resized to S with antialiasing, middle square, the run's mean
    and std.
    """

    def __init__(self, model: UniEmoX, config: PretrainConfig, sha256: str) -> None:
        self._mae = model.mae.eval().requires_grad_(False)
        self.config = config
        self.sha256 = sha256
        self.dim = 2 * config.model.dim

    def features(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 64
    ) -> NDArray[np.float32]:
        """(N, 2 D) features of uint8 RGB arrays (H, W, 3)."""
        found = [self._batch(part) for part in _parts(images, batch_size)]
        return np.concatenate(found) if found else np.zeros((0, self.dim), np.float32)

    def tokens(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(N, 1 + L, D) tokens after the final norm, CLS first."""
        tokens: NDArray[np.float32] = self._encode(images).float().cpu().numpy()
        return tokens

    @torch.inference_mode()
    def _encode(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        size, views = self.config.model.image_size, self.config.views
        crops = [
            cut(torch.tensor(image), centre_box(image.shape[1], image.shape[0]), size)
            for image in images
        ]
        pixels = normalise(torch.stack(crops), views.mean, views.std)
        tokens: Tensor = self._mae.encode(pixels)  # (N, 1 + L, D)
        return tokens

    @torch.inference_mode()
    def _batch(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        tokens = self._encode(images)
        pooled = torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)  # (N, 2 D)
        features: NDArray[np.float32] = pooled.float().numpy()
        return features


def load_encoder(run: Path | str) -> Encoder:
    """The pretrained encoder of a RUN, a checkpoint folder or a model.safetensors."""
    model, config = load_model(run)
    return Encoder(model, config, file_sha256(model_path(run)))


def random_encoder(recipe_name: str, seed: int) -> Encoder:
    """The encoder with which a run of that recipe and seed starts."""
    import dataclasses

    from pretrain.config import recipes

    config = dataclasses.replace(recipes.get(recipe_name), seed=seed)
    model = build_model(config.model, teacher_dim=config.model.decoder_dim, seed=seed)
    digest = hashlib.sha256()
    for name, value in sorted(model.mae.state_dict().items()):
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    return Encoder(model, config, digest.hexdigest())


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
