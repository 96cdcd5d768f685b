"""The settings of a pretraining run.

A run is one `PretrainConfig`, made by a function in `recipes.py`. Nothing here imports torch, so
`uniemox --help` and a wrong flag answer at once.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pretrain.config import ranges


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of the network; `recipes.vit("b")` fills dim, depth and heads."""

    # "vit": MAE's, with fixed positions; "timm:NAME": one of timm with rotary positions, such as
    # timm:vit_small_patch16_dinov3, whose sizes the fields below must name
    encoder: str = "vit"
    dim: int = 768  # width of the encoder
    depth: int = 12  # blocks of the encoder
    heads: int = 12  # attention heads of the encoder
    image_size: int = 224  # pixels per side of both views
    patch_size: int = 16  # pixels per side of a patch
    decoder_dim: int = 512  # width of the decoder, and of the fused token
    decoder_depth: int = 8  # blocks of the decoder
    decoder_heads: int = 16  # attention heads of the decoder
    mlp_ratio: float = 4.0  # hidden width of an MLP over the width of its block
    norm_eps: float = 1e-6  # epsilon of every LayerNorm of encoder and decoder
    pre_norm: bool = False  # a LayerNorm before the first block, as CLIP's towers have
    activation: str = "gelu"  # of the encoder's MLPs; "quick_gelu" for OpenAI's CLIP weights
    scene_mask_ratio: float = 0.75  # share of scene patches the encoder does not see
    person_mask_ratio: float = 0.75  # the same for the person view
    fusion: str = "layernorm_sum"  # how scene and person tokens become one; see models/fusion.py
    fusion_heads: int = 3  # heads of the fusions that have heads
    # "self": MAE's decoder, every token attends to every token; "cross": mask tokens attend to
    # visible tokens only (models/cross.py), a fraction of the cost
    decoder: str = "self"
    predicted_share: float = 1.0  # of the masked scene patches, drawn anew in each training step

    def __post_init__(self) -> None:
        _divides("model.image_size", self.image_size, "model.patch_size", self.patch_size)
        _divides("model.dim", self.dim, "model.heads", self.heads)
        _divides("model.decoder_dim", self.decoder_dim, "model.decoder_heads", self.decoder_heads)
        # sin-cos positions: sine and cosine of two axes
        _divides("model.dim", self.dim, "the four parts of a position", 4)
        _divides("model.decoder_dim", self.decoder_dim, "the four parts of a position", 4)
        _one_of("model.activation", self.activation, ("gelu", "quick_gelu"))
        if self.encoder != "vit":
            if not self.encoder.startswith("timm:"):
                raise ValueError(f"model.encoder = {self.encoder!r}: choose vit or timm:NAME")
            if self.pre_norm or self.activation != "gelu":
                raise ValueError(
                    f"model.encoder = {self.encoder!r} has its own norms and activation: leave "
                    "model.pre_norm and model.activation as they are"
                )
        _one_of("model.decoder", self.decoder, ("self", "cross"))
        if not 0.0 < self.predicted_share <= 1.0:
            raise ValueError(f"model.predicted_share = {self.predicted_share}: above 0, at most 1")
        for name in ("scene_mask_ratio", "person_mask_ratio"):
            ratio = getattr(self, name)
            if not 0.0 <= ratio < 1.0 or int(self.num_patches * (1 - ratio)) < 1:
                raise ValueError(
                    f"model.{name} = {ratio} leaves no patch of {self.num_patches} visible"
                )

    @property
    def num_patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """How scene and person views are cut from a picture."""

    scene_scale: tuple[float, float] = (0.2, 1.0)  # area of a random scene crop over the picture's
    person_scale: tuple[float, float] = (0.6, 1.0)  # the same inside the person's region
    ratio: tuple[float, float] = (0.75, 4 / 3)  # width over height of a random crop
    flip_prob: float = 0.5  # both views flip together, so left and right stay consistent
    # flip and colour of the person view: "shared" with the scene's, or drawn "independent"ly
    augment_views: str = "shared"
    # brightness, contrast and saturation are each multiplied by 1 - this to 1 + this; 0 = off, as
    # in the paper. Not with cached teacher features: the teacher must see the student's colours
    colour_jitter: float = 0.0
    # what stands in where nobody is found: "whole" picture, another "scene_crop", or "skip": the
    # row is passed over and the next one with a person takes its place
    person_fallback: str = "whole"
    person_jitter: float = 0.0  # largest random shift of the person's square, as share of its side
    person_margin: float = 0.15  # added on each side of the box, as a share of its longer side
    person_min_side_px: int = 16  # a smaller region grows to this
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # of the student's pixels, 0 to 1
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)  # the same; both are ImageNet's

    def __post_init__(self) -> None:
        for name in ("scene_scale", "person_scale", "ratio"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"views.{name} = {low},{high} must rise and be above zero")
        _one_of("views.augment_views", self.augment_views, ("shared", "independent"))
        _one_of("views.person_fallback", self.person_fallback, ("whole", "scene_crop", "skip"))
        if not 0 <= self.colour_jitter < 1:
            raise ValueError(f"views.colour_jitter = {self.colour_jitter}: from 0, below 1")
        if not 0 <= self.person_jitter <= 1:
            raise ValueError(f"views.person_jitter = {self.person_jitter}: from 0 to 1")
        if min(self.std) <= 0:
            raise ValueError(f"views.std = {self.std} must be above zero")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which rows are read, how they are batched, and which columns make the text."""

    batch_size: int = 64  # rows per step and process
    num_workers: int = 0  # loader processes; 0 = load in the training process
    in_memory: bool = False  # decode everything once and keep small pixels in memory
    store_side_px: int = 320  # shorter side of pixels kept in memory or in a cache file
    text_columns: tuple[str, ...] = ("description", "caption")  # first one that is not empty wins
    text_with_emotion: bool = False  # append the row's emotion label to its text
    text_dropout: float = 0.0  # share of draws whose text becomes "a picture": prompt dropout
    split: str = "train"  # what is trained on; several are joined by +, as in "train+val"
    revision: str = ""  # of a Hub dataset: a commit, tag or branch; "" = its newest
    streaming: bool = False  # read shards one after the other instead of the whole dataset at once
    shuffle_rows: int = 1024  # streaming only: rows are shuffled within windows of so many
    # "" = every row once per epoch; "emotion", "style" or "emotion+style": every value of that
    # column as often, rare ones repeated, an epoch as long as before
    balance: str = ""

    def __post_init__(self) -> None:
        _positive("data.batch_size", self.batch_size)
        _positive("data.shuffle_rows", self.shuffle_rows)
        _one_of("data.balance", self.balance, ("", "emotion", "style", "emotion+style"))
        if self.streaming and (self.balance or self.in_memory):
            raise ValueError(
                "data.streaming reads rows in the order of the shards: set data.balance to '' and "
                "data.in_memory to false with it"
            )
        _positive("data.store_side_px", self.store_side_px)
        if not 0 <= self.text_dropout <= 1:
            raise ValueError(f"data.text_dropout = {self.text_dropout}: from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """The frozen network that gives targets."""

    # "embedded", "open_clip:NAME/TAG", or an image tower, "timm:NAME", where L1 is off
    name: str = "open_clip:ViT-B-16/openai"
    # "live": the teacher runs in every step; "cached": image and text features, and the crops they
    # belong to, come from the cache file; "auto": cached when --data is a cache file
    features: str = "auto"

    def __post_init__(self) -> None:
        _one_of("teacher.features", self.features, ("auto", "live", "cached"))


@dataclass(frozen=True, kw_only=True)
class InitConfig:
    """Whose weights a run starts from."""

    # "" = random; a .safetensors or .pth file (a RUN's, MAE's, the authors'), "timm:NAME" or
    # "open_clip:NAME/TAG"
    weights: str = ""
    part: str = "auto"  # "encoder"; "all" = decoder too; "auto" = all where the file has a decoder
    license: str = ""  # of those weights; "" = as their source states it, else "unknown"

    def __post_init__(self) -> None:
        _one_of("init.part", self.part, ("auto", "encoder", "all"))


OWN_LOSSES = ("L1", "L2", "L3")  # those with settings of their own; others are in `further`


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the losses in the total, and what L1 and L3 are."""

    contrastive: float = 1.0  # L1: similarities to all texts of the batch
    similarity: float = 1.0  # L2: cosine to the teacher's image feature
    reconstruction: float = 1.0  # L3: masked patches of the scene
    # switches: a loss that is off is not computed, nor what only it needs
    contrastive_on: bool = True
    similarity_on: bool = True  # the same for L2
    reconstruction_on: bool = True  # the same for L3
    # L1 as the paper has it ("rows": the student's row of similarities to all texts is pulled to
    # CLIP's row) or "paired": cross-entropy of finding the row's own text among all texts
    contrastive_kind: str = "rows"
    norm_pix: bool = True  # L3 on pixels normalised per patch
    # weight of a loss of your own, a file in pretrain/losses; without it the one its file says;
    # 0 = not computed
    further: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = (self.contrastive, self.similarity, self.reconstruction)
        weights = (*own, *self.further.values())
        if min(weights) < 0 or not sum(weights) > 0:
            raise ValueError(f"loss weights {weights} must not be negative, nor all zero")
        _one_of("loss.contrastive_kind", self.contrastive_kind, ("rows", "paired"))
        if not self.weights or not sum(self.weights.values()) > 0:
            raise ValueError("every loss is off or has weight 0: nothing to train")

    @property
    def weights(self) -> dict[str, float]:
        """{"L1": weight, …} of the losses that are on, in the order of their names."""
        every = {
            "L1": (self.contrastive_on, self.contrastive),
            "L2": (self.similarity_on, self.similarity),
            "L3": (self.reconstruction_on, self.reconstruction),
            **{name: (weight > 0, weight) for name, weight in self.further.items()},
        }
        return {name: weight for name, (on, weight) in sorted(every.items()) if on}


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW with a linear warm-up, then a schedule down to `min_lr`."""

    lr: float = 1.5e-4  # per 256 rows of the global batch (linear scaling rule)
    min_lr: float = 0.0  # at the last step, not scaled
    # "cosine" ends with the last step; "constant" stays at the peak until a linear cool-down, so a
    # run that is made longer before its cool-down is the longer run from the start
    schedule: str = "cosine"
    cooldown_share: float = 0.1  # of all steps; "constant" only
    warmup_share: float = 0.05  # of all steps
    warmup_steps: int = 0  # above 0: instead of the share, so that --steps does not move it
    accumulate: int = 1  # micro-batches of data.batch_size rows per step and process
    layer_decay: float = 1.0  # each block's rate over that of the block above it; 1 = none
    ema: float = 0.0  # decay per step of averaged weights, as 0.9999, kept beside; 0 = none
    weight_decay: float = 0.05  # on matrices only
    betas: tuple[float, float] = (0.9, 0.95)  # of AdamW; MAE's
    clip_norm: float = 1.0  # gradient norm over all trained parameters; 0 = no clipping

    def __post_init__(self) -> None:
        _positive("optim.lr", self.lr)
        _positive("optim.accumulate", self.accumulate)
        _positive("optim.layer_decay", self.layer_decay)
        _one_of("optim.schedule", self.schedule, ("cosine", "constant"))
        if not 0 <= self.ema < 1:
            raise ValueError(f"optim.ema = {self.ema}: from 0, below 1; for example 0.9999")


@dataclass(frozen=True, kw_only=True)
class SystemConfig:
    """What changes speed and safety, not the method. All but `precision` may differ on resume."""

    device: str = "auto"  # "auto", "cpu" or "cuda"
    # "fp32", "bf16" or "fp16": autocast, weights stay fp32; fp16 scales the loss. "auto": bf16 on
    # a GPU; on a CPU what a few steps at the run's start find faster, with the number of threads
    precision: str = "fp32"
    # of a CPU; 0 = chosen with precision "auto", else torch's own number. Another number gives
    # other last bits, so a run keeps the one that it chose
    threads: int = 0
    compile: bool = False  # torch.compile: a minute or more at the start, faster steps on a GPU
    parallel: str = "ddp"  # several processes: "ddp" copies the weights, "fsdp" (FSDP2) shards them
    recompute: bool = False  # activation checkpointing: less memory, about a third more time
    deterministic: bool = False  # only algorithms that repeat bit for bit; slower on a GPU
    save_every: int = 500  # steps between checkpoints
    keep: int = 2  # newest checkpoints kept; the best one is kept besides
    save_async: bool = True  # write checkpoints beside training; a copy of the state in memory
    # no step finished for so long, or one process waited so long for another: stop with the
    # stack of every thread; the first step (compiling) gets ten times as long. 0 = never
    timeout_s: float = 1800.0
    max_nonfinite: int = 3  # steps in a row with a NaN or infinite loss that are skipped, not fatal
    # a loss so many times its usual spread above the usual is reported, with its rows; 0 = never
    spike_factor: float = 10.0

    def __post_init__(self) -> None:
        _one_of("system.device", self.device, ("auto", "cpu", "cuda"))
        _one_of("system.precision", self.precision, ("fp32", "bf16", "fp16", "auto"))
        if self.threads < 0:
            raise ValueError(f"system.threads = {self.threads} must not be negative")
        _one_of("system.parallel", self.parallel, ("ddp", "fsdp"))
        if self.precision == "fp16" and self.parallel == "fsdp":
            raise ValueError("system.precision = 'fp16' does not go with fsdp; use bf16, or ddp")
        _positive("system.save_every", self.save_every)
        _positive("system.keep", self.keep)


@dataclass(frozen=True, kw_only=True)
class LogConfig:
    """What is told besides RUN/metrics.jsonl. Nothing here touches training."""

    tensorboard: bool = True  # RUN/tensorboard, where the package is installed
    wandb_project: str = ""  # Weights & Biases project; "" = off
    every_s: float = 10.0  # seconds between lines of progress
    pictures_every: int = 0  # steps between sheets of reconstructions, RUN/pictures; 0 = none
    peak_tflops: float = 0.0  # of the device at this precision, for MFU; 0 = known for common GPUs
    # kNN accuracy of the encoder's features, every so many epochs, rows of the first half of the
    # sample voting on the second; 0 = never
    probe_every_epochs: float = 0.0
    probe_column: str = "emotion"  # or "style"; emotions count where a human or the source said so
    probe_rows: int = 2000  # rows of the training data in the sample

    def __post_init__(self) -> None:
        _one_of("log.probe_column", self.probe_column, ("emotion", "style"))


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """One run. Exactly one of `steps` and `epochs` is above zero in a recipe."""

    recipe: str  # the function of pretrain/config/recipes.py that made this
    seed: int = 0  # of every random draw
    steps: int = 0  # optimizer steps; 0 = from epochs
    epochs: float = 0.0  # passes over the data; becomes steps when the data are known
    model: ModelConfig = field(default_factory=ModelConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    data: DataConfig = field(default_factory=DataConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    init: InitConfig = field(default_factory=InitConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    system: SystemConfig = field(default_factory=SystemConfig)
    log: LogConfig = field(default_factory=LogConfig)

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.epochs > 0) or self.steps < 0 or self.epochs < 0:
            raise ValueError(
                f"set steps or epochs above zero, not both: {self.steps}, {self.epochs}"
            )
        if self.seed < 0:
            raise ValueError(f"seed = {self.seed} must not be negative")
        ranges.check(self)


def as_dict(config: Any) -> dict[str, Any]:
    """Plain nested dict that survives JSON; tuples become lists."""
    return typing.cast(dict[str, Any], json.loads(json.dumps(dataclasses.asdict(config))))


def written(config: PretrainConfig) -> dict[str, Any]:
    """`as_dict` for files that others may read: names no folder of this machine."""
    values = as_dict(config)
    values["init"]["weights"] = without_folder(config.init.weights)
    values["teacher"]["name"] = without_folder(config.teacher.name)
    return values


def without_folder(place: str) -> str:
    """A name as it may be shown: of an absolute path, with `local-dir:` or without, the last part.

    "local-dir:/models/clip" becomes "local-dir:clip"; what is no absolute path stays as it is.
    """
    kind, colon, file = place.rpartition(":")
    path = Path(file).expanduser()
    return f"{kind}{colon}{path.name}" if path.is_absolute() else place


def from_dict(values: Mapping[str, Any]) -> PretrainConfig:
    """The config that a file holds; fields added to the code since then get their defaults."""
    return typing.cast(PretrainConfig, _rebuild(PretrainConfig, values))


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines such as `optim.lr: 0.1 before, 0.2 now`, one per setting that differs."""
    lines: list[str] = []
    for key in sorted(set(old) | set(new)):
        before, now = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            lines += differences(before, now, f"{prefix}{key}.")
        elif before != now:
            lines.append(f"{prefix}{key}: {before} before, {now} now")
    return lines


def _rebuild(cls: type, values: Mapping[str, Any]) -> Any:
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ValueError(unknown_setting(unknown[0], sorted(hints)))
    made: dict[str, Any] = {}
    for name, value in values.items():
        kind = hints[name]
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            made[name] = _rebuild(kind, value)
        else:
            made[name] = tuple(value) if isinstance(value, list) else value
    return cls(**made)


def unknown_setting(name: str, known: Sequence[str]) -> str:
    """The message for a setting that does not exist, with the nearest one that does."""
    from emo8.core.suggest import nearest

    near = nearest(name, known) or nearest(name.rpartition(".")[2], known)
    hint = f"; did you mean --{near[0]}?" if near else ""
    return f"unknown setting --{name}{hint}"


def _divides(whole_name: str, whole: int, part_name: str, part: int) -> None:
    if part <= 0 or whole <= 0 or whole % part:
        raise ValueError(f"{whole_name} = {whole} must be a multiple of {part_name} ({part})")


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} = {value} must be above zero")


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} = {value!r}: choose one of {', '.join(known)}")
