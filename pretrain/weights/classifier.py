"""A fine-tuned classifier on disk, and the emotions it sees in pictures.

One safetensors file: the weights of `vit.build_classifier`, and in its header the sizes, emotion
names, pixel statistics and the temperature that calibrates it (Guo et al. 2017, "On Calibration of
Modern Neural Networks").

Letters: N pictures, C emotions.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emo8.core.json_text import parse_json
from pretrain.config.settings import PretrainConfig
from pretrain.data.dataset import decode
from pretrain.models.rotary import tower
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.models.vit import build_classifier
from pretrain.views.cut import centre_box, cut, normalise
from pretrain.weights import encoder as checkpoint

HEADER = "uniemox_classifier"
# the final norm of an encoder, which a classifier has behind its pooling, fresh
POOLED_BEFORE = ("norm.weight", "norm.bias")


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """What a classifier's file says besides its weights."""

    emotions: tuple[str, ...]  # names, in the order of the head's outputs
    image_size: int
    patch_size: int
    dim: int
    depth: int
    heads: int
    mlp_ratio: float = 4.0
    norm_eps: float = 1e-6
    pre_norm: bool = False  # as ModelConfig has these three
    activation: str = "gelu"
    encoder: str = "vit"  # or "timm:NAME"
    temperature: float = 1.0  # logits are divided by it; fitted on held-out rows
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    crop_pct: float = 1.0  # side of the middle square that is seen over the picture's shorter side


def build(config: ClassifierConfig, *, drop_path: float = 0.0) -> nn.Module:
    """An untrained classifier; in training, a share `drop_path` of its last block's paths drop."""
    if config.encoder != "vit":
        options = {"num_classes": len(config.emotions), "global_pool": "avg"}
        made: nn.Module = tower(
            config.encoder, config.image_size, drop_path_rate=drop_path, **options
        )
        return made
    return build_classifier(
        image_size=config.image_size,
        patch_size=config.patch_size,
        dim=config.dim,
        depth=config.depth,
        heads=config.heads,
        num_classes=len(config.emotions),
        mlp_ratio=config.mlp_ratio,
        norm_eps=config.norm_eps,
        pre_norm=config.pre_norm,
        activation=config.activation,
        drop_path=drop_path,
    )


def from_run(
    run: Path, emotions: Sequence[str], *, seed: int = 0, drop_path: float = 0.0
) -> tuple[nn.Module, ClassifierConfig]:
    """A classifier to fine-tune: a RUN's encoder under a new `fc_norm` and `head`."""
    return _on_top(*checkpoint.load_model(run), emotions, seed, drop_path)


def from_recipe(
    recipe: str, emotions: Sequence[str], *, seed: int = 0, drop_path: float = 0.0
) -> tuple[nn.Module, ClassifierConfig]:
    """The same on the encoder with which a run of that recipe and seed starts."""
    from pretrain.config import recipes

    config = dataclasses.replace(recipes.get(recipe), seed=seed)
    model = build_model(config.model, teacher_dim=config.model.decoder_dim, seed=seed)
    return _on_top(model, config, emotions, seed, drop_path)


def _on_top(
    model: UniEmoX,
    trained: PretrainConfig,
    emotions: Sequence[str],
    seed: int,
    drop_path: float,
) -> tuple[nn.Module, ClassifierConfig]:
    sizes = {f.name for f in dataclasses.fields(ClassifierConfig)}
    given = {k: v for k, v in dataclasses.asdict(trained.model).items() if k in sizes}
    config = ClassifierConfig(
        emotions=tuple(emotions), mean=trained.views.mean, std=trained.views.std, **given
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = build(config, drop_path=drop_path)
    own = classifier.state_dict()
    public = model.mae.encoder_state()
    if lost := [name for name in public if name not in own and name not in POOLED_BEFORE]:
        raise ValueError(f"a classifier has no place for {', '.join(lost)} of this encoder")
    encoder = {name: value for name, value in public.items() if name in own}
    classifier.load_state_dict({**own, **encoder})
    return classifier, config


def save(path: Path, model: nn.Module, config: ClassifierConfig) -> None:
    """Writes the classifier's file."""
    from safetensors.torch import save_file

    header = json.dumps(dataclasses.asdict(config), sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path, {HEADER: header})
    path.chmod(0o644)


def load(path: Path) -> tuple[nn.Module, ClassifierConfig]:
    """The classifier in a file; ValueError where it is none."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    weights, header = checkpoint.read_weights(path, HEADER)
    if header is None:
        raise ValueError(f"{path}: not a fine-tuned classifier (no {HEADER} in its header)")
    config = _config(header, path)
    model = build(config)
    checkpoint.fill(model, weights, path)
    return model.eval(), config


def _config(header: str, path: Path) -> ClassifierConfig:
    try:
        known = parse_json(header)
        for name in ("emotions", "mean", "std"):
            known[name] = tuple(known[name])
        return ClassifierConfig(**known)
    except (ValueError, KeyError, TypeError) as problem:
        raise ValueError(
            f"{path}: the config in its header is damaged ({problem}); use a file as it was saved"
        ) from problem


@torch.inference_mode()
def predict(path: Path, pictures: Sequence[Path]) -> list[dict[str, float]]:
    """{emotion: probability} of each picture, calibrated by the file's temperature."""
    model, config = load(path)
    crops = []
    for picture in pictures:
        pixels = decode_file(picture)
        crops.append(_square(pixels, config))
    logits: Tensor = model(normalise(torch.stack(crops), config.mean, config.std))  # (N, C)
    probs = torch.softmax(logits / config.temperature, dim=1).tolist()
    return [dict(zip(config.emotions, row, strict=True)) for row in probs]


def _square(pixels: Tensor, config: ClassifierConfig) -> Tensor:
    """uint8 (C, S, S): the middle of a uint8 picture (H, W, C), as much of it as was tested."""
    height, width, _ = pixels.shape
    left, top, right, bottom = centre_box(width, height)
    gone = round((right - left) * (1 - config.crop_pct) / 2)
    gone = min(gone, (right - left - 1) // 2)
    box = (left + gone, top + gone, right - gone, bottom - gone)
    return cut(pixels, box, config.image_size)


def decode_file(path: Path) -> Tensor:
    """uint8 (H, W, 3) of a picture file; ValueError names a file that is none."""
    try:
        return decode(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise ValueError(f"{path}: not a readable picture ({problem})") from problem


class Frozen:
    """A fine-tuned classifier's encoder for probes: what its head reads, and its tokens."""

    def __init__(self, path: Path) -> None:
        self._model, self._config = load(path)
        self.sha256 = checkpoint.file_sha256(path)

    @torch.inference_mode()
    def features(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(N, D) mean patch tokens after the last norm, of uint8 RGB arrays (H, W, 3)."""
        tokens = self._model.forward_features(self._pixels(images))
        found: NDArray[np.float32] = self._model.forward_head(tokens, pre_logits=True).numpy()
        return found

    @torch.inference_mode()
    def tokens(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(N, 1 + L, D) tokens, CLS first."""
        found: NDArray[np.float32] = self._model.forward_features(self._pixels(images)).numpy()
        return found

    def _pixels(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        config = self._config
        crops = [_square(torch.tensor(image), config) for image in images]
        return normalise(torch.stack(crops), config.mean, config.std)
