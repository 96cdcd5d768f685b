"""Train the small CLIP that ships with emo8, from a corpus of captioned pictures.

    python -m benchmarks.lab.embedded_clip.train --corpus CORPUS --out DIR --seed 0

One core is enough. `emo8/demo/sample/clip/README.md` says what came out. While it trains, only the
families fxemoji and dylan are scored; settings were chosen on them. `evaluate.py` scores
twemoji, openmoji and open-peeps.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.lab.embedded_clip.augment import augment
from benchmarks.lab.embedded_clip.corpus import (
    CHOICE_FAMILIES,
    DRAWN_PACKAGE,
    Corpus,
    read_corpus,
    read_faces,
    with_drawn_faces,
    without_emotion,
)
from benchmarks.lab.embedded_clip.evaluate import evaluate
from benchmarks.lab.embedded_clip.texts import TextMix, Texts, clip_loss
from emo8.core.taxonomy import STYLES
from emo8.labels.clip import folder_models
from emo8.labels.clip.encoder import load
from emo8.labels.clip.folder_models import CONFIG_NAME
from emo8.labels.clip.models import EMBEDDED_DIR
from emo8.labels.clip.prompts import PromptSet, load_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

WEIGHTS_NAME = "open_clip_model.safetensors"
BPE_NAME = "bpe_8192.txt.gz"
_SIDE_PX = 64  # as in open_clip_config.json, like the mean and spread of pixel values below
_MEAN = _STD = 0.5
_MAX_LOGIT_SCALE = 100.0
_SHOW_EVERY, _LOOK_EVERY = 50, 200  # steps


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that shapes a training run."""

    seed: int = 0
    steps: int = 2000  # optimizer steps
    batch: int = 128  # pictures, each with one text
    learning_rate: float = 2e-3  # peak; warmed up, then a cosine down to zero
    warmup: int = 100  # steps
    weight_decay: float = 0.1  # of matrices; biases and norms have none
    small_side_px: int = 48  # side of the pictures at first; then the model's own
    small_share: float = 0.3  # share of the steps at that side
    augment: float = 0.9  # how many pictures are changed in colour and line
    hinted_weight: float = 5.0  # how much more often pictures with an emotion hint are drawn
    rare_style_weight: float = 1.0  # how much more often pictures that are no cartoons are drawn
    style_rarity: float = 0.0  # a style counts by its number of pictures to minus this power
    drawn_faces: int = 0  # portraits drawn by chance, all emotions equally often
    drawn_share: float = 0.15  # of each batch, on average
    emotion: bool = True  # False: a control that learns from no hint and no word of emotion
    emotion_loss: float = 2.0  # weight of naming the emotion among eight prompts
    style_loss: float = 0.2  # weight of naming the style among five prompts
    smoothing: float = 0.1  # label smoothing of both


class Trainer:
    """One training run; `step` is the whole method."""

    def __init__(self, corpus: Corpus, prompts: PromptSet, settings: Settings) -> None:
        torch.manual_seed(settings.seed)
        model = folder_models.untrained(EMBEDDED_DIR)
        self.tokenizer = folder_models.tokenizer(EMBEDDED_DIR)
        self.model: Any = model.train().to(memory_format=torch.channels_last)
        self.corpus, self.settings = corpus, settings
        self.texts = Texts(corpus, prompts, TextMix())
        self.rng = np.random.default_rng(settings.seed)
        self.torch_rng = torch.Generator().manual_seed(settings.seed)
        self.share = _shares(corpus, settings)
        counts = np.bincount(corpus.styles, minlength=len(STYLES)).clip(1)
        rarity = counts**-settings.style_rarity
        self.style_weight = torch.from_numpy((rarity / rarity.mean()).astype(np.float32))
        self.optimizer = _optimizer(self.model, settings)

    def step(self, number: int) -> dict[str, float]:
        """The losses of one optimizer step."""
        s, rng = self.settings, self.rng
        rows = rng.choice(len(self.corpus), s.batch, replace=False, p=self.share)
        side = s.small_side_px if number < s.small_share * s.steps else _SIDE_PX
        cached = torch.from_numpy(self.corpus.pixels[rows])
        pixels = augment(cached, side, self.torch_rng, s.augment)
        texts, truth = self.texts.draw(rows, rng)
        images, words, scale = self._embed(pixels, texts + self.texts.one_each(rng))
        emotion_words, style_words = words[s.batch : -len(STYLES)], words[-len(STYLES) :]
        losses = {
            "clip": clip_loss(images, words[: s.batch], torch.from_numpy(truth), scale),
            "emotion": self._name(images, emotion_words, self.corpus.emotions[rows], scale),
            "style": self._name(
                images, style_words, self.corpus.styles[rows], scale, self.style_weight
            ),
        }
        total = losses["clip"] + s.emotion_loss * losses["emotion"] + s.style_loss * losses["style"]
        self._update(total, number)
        return {name: float(value.detach()) for name, value in losses.items()}

    def _embed(
        self, pixels: torch.Tensor, texts: list[str]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Unit vectors of pictures and of texts, and the temperature factor."""
        ready = ((pixels - _MEAN) / _STD).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            images = self.model.encode_image(ready)
            words = self.model.encode_text(self.tokenizer(texts))
        unit = functional.normalize
        scale = self.model.logit_scale.exp()
        return unit(images.float(), dim=-1), unit(words.float(), dim=-1), scale

    def _name(
        self,
        images: torch.Tensor,
        words: torch.Tensor,
        labels: np.ndarray,
        scale: torch.Tensor,
        weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Cross-entropy of naming each labelled picture among one prompt per name; 0 for none."""
        if (labels < 0).all():
            return images.new_zeros(())
        target = torch.from_numpy(labels)
        smoothing = self.settings.smoothing
        return functional.cross_entropy(
            scale * images @ words.T, target, weight, ignore_index=-1, label_smoothing=smoothing
        )

    def _update(self, loss: torch.Tensor, number: int) -> None:
        s = self.settings
        rise = min(1.0, (number + 1) / s.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = s.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * number / s.steps))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(_MAX_LOGIT_SCALE))


def _shares(corpus: Corpus, settings: Settings) -> np.ndarray:
    """How often each row is drawn, adding up to 1."""
    drawn = np.array([package == DRAWN_PACKAGE for package in corpus.packages])
    weight = np.where(corpus.emotions >= 0, settings.hinted_weight, 1.0)
    weight *= np.where(corpus.styles == STYLES.index("cartoon"), 1.0, settings.rare_style_weight)
    weight[~drawn] *= (1 - settings.drawn_share * drawn.any()) / weight[~drawn].sum()
    weight[drawn] *= settings.drawn_share / max(1.0, weight[drawn].sum())
    return np.asarray(weight / weight.sum())


def _optimizer(model: torch.nn.Module, settings: Settings) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))


def save(model: torch.nn.Module, out: Path) -> None:
    """Writes the model folder that `local-dir:` loads: config, tokenizer, fp16 weights."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG_NAME, BPE_NAME):
        if not (out / name).exists():
            shutil.copyfile(EMBEDDED_DIR / name, out / name)
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(tensors, out / WEIGHTS_NAME, metadata={"format": "pt"})


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, saves, and writes the scores on the families that may be looked at."""
    args = _arguments(argv)
    torch.set_num_threads(args.threads)
    settings = Settings(seed=args.seed, **json.loads(args.settings))
    prompts = load_prompts()
    corpus = with_drawn_faces(read_corpus(args.corpus), settings.drawn_faces)
    corpus = corpus if settings.emotion else without_emotion(corpus)
    print(
        f"{len(corpus)} pictures, {int((corpus.emotions >= 0).sum())} with an emotion", flush=True
    )
    trainer = Trainer(corpus, prompts, settings)
    began = time.process_time()
    for number in range(settings.steps):
        losses = trainer.step(number)
        if number % _SHOW_EVERY == 0 or number == settings.steps - 1:
            shown = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            print(f"step {number} {shown} {time.process_time() - began:.0f} CPU-s", flush=True)
        if number % _LOOK_EVERY == _LOOK_EVERY - 1:
            save(trainer.model, args.out)
            _choice_scores(args, prompts)
    save(trainer.model, args.out)
    training = {
        "settings": asdict(settings),
        "cpu_minutes": round((time.process_time() - began) / 60, 1),
        "prompts_sha256": prompts.sha256,
        "zero_shot_on_choice_families": _choice_scores(args, prompts),
    }
    (args.out / "training.json").write_text(json.dumps(training, indent=1) + "\n")
    (args.out / "manifest.json").write_text(json.dumps(corpus.manifest(), indent=1) + "\n")


def _choice_scores(args: argparse.Namespace, prompts: PromptSet) -> dict[str, dict[str, Any]]:
    """Scores of the weights as saved, by the public encoder, so that fp16 is in the numbers."""
    faces = read_faces(args.corpus, CHOICE_FAMILIES)
    scores = evaluate(load(f"local-dir:{args.out}"), prompts, faces)
    print(*(f"{family} {found['accuracy']:.2f}" for family, found in scores.items()), flush=True)
    return scores


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the small CLIP that ships with emo8.")
    parser.add_argument("--corpus", type=Path, required=True, help="folder with the parquet files")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--settings", default="{}", help='JSON of settings to change, {"steps": 9}')
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
