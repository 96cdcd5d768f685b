"""What a CLIP model is built as, and public models built as their own config says.

open_clip keeps the description of an architecture apart from that of its weights, and builds by
the first alone: `ViT-B-16/openai` comes out with GELU although its weights were trained with
QuickGELU. Here the description of the weights decides where it says something.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emo8.core.errors import ModelError
from emo8.core.suggest import nearest

if TYPE_CHECKING:
    import torch

EMBEDDED = "embedded"
PUBLIC = "ViT-B-16/openai"  # the normal way
EMBEDDED_KNOWS = (
    "the embedded CLIP knows drawings: it makes no claim about pictures unlike those it learned "
    "from (emotion_calibration is out_of_domain), which are nearly all photographs and a third or "
    "more of new drawings; of the sample's pictures it would name the style of 133 of 135 cartoons "
    "right, of 12 of 38 natural, 1 of 31 science_fiction, and of no realistic picture or "
    "advertising_cover"
)
EMBEDDED_DIR = Path(__file__).resolve().parents[2] / "demo" / "sample" / "clip"
LOCAL = "local-dir:"
GELU, QUICK_GELU = "gelu", "quick_gelu"
_TAG_LICENSES = {
    "openai": "MIT",
    "laion": "MIT",
    "datacomp": "MIT",
    "commonpool": "MIT",
    "metaclip": "CC-BY-NC-4.0",
    "dfn": "Apple sample code licence",
    "webli": "Apache-2.0",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a model computes besides its weights."""

    activation: str  # of its transformers: GELU or QUICK_GELU
    image_size: tuple[int, int]  # height and width in pixels
    mean: tuple[float, ...]  # of pixel values from 0 to 1
    std: tuple[float, ...]
    interpolation: str  # bicubic or bilinear
    resize_mode: str  # shortest (then a centre crop), longest (then a border) or squash
    context_length: int  # tokens


@dataclass(frozen=True, kw_only=True)
class BuiltModel:
    """What open_clip made of a name."""

    model: Any  # a torch.nn.Module with open_clip's encode_image and encode_text
    tokenizer: Any
    sha256: str  # see `identity`
    license: str


def folder_of(name: str) -> Path | None:
    """The folder of the embedded model or of a `local-dir:`; None for a public name."""
    if name == EMBEDDED:
        return EMBEDDED_DIR
    return Path(name.removeprefix(LOCAL)) if name.startswith(LOCAL) else None


def settings_of(architecture: str, tag: str) -> Settings:
    """What the weights `tag` of an architecture want, read from open_clip's own two descriptions.

    A tag that says nothing about its activation was trained with that of its architecture.
    """
    import open_clip

    model, weights = open_clip.get_model_config(architecture), _tag_config(architecture, tag)
    size = weights.get("size") or model["vision_cfg"].get("image_size", 224)
    quick = weights.get("quick_gelu", model.get("quick_gelu", False))
    return Settings(
        activation=QUICK_GELU if quick else GELU,
        image_size=(size, size) if isinstance(size, int) else (size[0], size[1]),
        mean=tuple(weights["mean"]),
        std=tuple(weights["std"]),
        interpolation=weights["interpolation"],
        resize_mode=weights["resize_mode"],
        context_length=model["text_cfg"].get("context_length", 77),
    )


def create(architecture: str, tag: str, **options: Any) -> torch.nn.Module:
    """open_clip's model of these weights, with the activation that they were trained with."""
    import open_clip

    quick = settings_of(architecture, tag).activation == QUICK_GELU
    with warnings.catch_warnings():  # open_clip compares the two descriptions before it hears ours
        warnings.filterwarnings("ignore", message="QuickGELU mismatch")
        model: torch.nn.Module = open_clip.create_model(
            architecture, pretrained=tag, quick_gelu=quick, **options
        )
    return model


def built_settings(model: Any, context_length: int) -> Settings:
    """What a built model does compute, read from its modules."""
    from open_clip.transformer import QuickGELU

    quick = any(isinstance(module, QuickGELU) for module in model.modules())
    pictures = model.visual.preprocess_cfg
    size = pictures["size"]
    return Settings(
        activation=QUICK_GELU if quick else GELU,
        image_size=(size, size) if isinstance(size, int) else (size[0], size[1]),
        mean=tuple(pictures["mean"]),
        std=tuple(pictures["std"]),
        interpolation=pictures["interpolation"],
        resize_mode=pictures["resize_mode"],
        context_length=context_length,
    )


def identity(weights: Path, activation: str) -> str:
    """SHA-256 of a model: of its weights file, and of its activation where that is not GELU.

    The same weights give other vectors under another activation, so one hash of both says whether
    two results may be compared.
    """
    with weights.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if activation == GELU:
        return sha256
    return hashlib.sha256(f"{sha256} {activation}".encode()).hexdigest()


def quick_gelu_tags() -> set[str]:
    """Names of weights that stand for QuickGELU whatever the architecture, "openai" for one."""
    import open_clip

    said: dict[str, set[bool]] = {}
    for architecture, tag in open_clip.list_pretrained():
        quick = bool(_tag_config(architecture, tag).get("quick_gelu"))
        said.setdefault(tag, set()).add(quick)
    return {tag for tag, quick in said.items() if quick == {True}}


def known_pair(name: str) -> tuple[str, str]:
    """The (architecture, tag) that open_clip knows by `name`; ModelError with the nearest else."""
    import open_clip

    pairs = {f"{model}/{tag}": (model, tag) for model, tag in open_clip.list_pretrained()}
    wanted = name.removeprefix("open_clip:")
    if wanted in pairs:
        return pairs[wanted]
    near = nearest(wanted, [EMBEDDED, *pairs], most=3)
    tags = [f"{model}/{tag}" for model, tag in pairs.values() if model == wanted.split("/")[0]]
    hint = ", ".join((tags or near)[:6]) or "ViT-B-16/openai"
    raise ModelError(
        f"unknown model {name!r}; nearest: {hint}. "
        f'Write MODEL/TAG as open_clip lists them, local-dir:PATH, or "{EMBEDDED}".'
    )


def _tag_config(architecture: str, tag: str) -> dict[str, Any]:
    import open_clip

    return dict(open_clip.get_pretrained_cfg(architecture, tag))


def build(name: str, device: str = "cpu", precision: str = "fp32") -> BuiltModel:
    """The public model called `name` with its weights; ModelError where it cannot be had."""
    import open_clip

    architecture, tag = known_pair(name)
    wanted = settings_of(architecture, tag)
    try:
        weights = open_clip.download_pretrained(_tag_config(architecture, tag))
        model = create(architecture, tag, precision=precision, device=device)
        tokenizer = open_clip.get_tokenizer(architecture)
    except Exception as error:  # download clients raise anything from OSError to RuntimeError
        cause = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelError(
            f"model {name!r} could not be had: {cause}. Check the network, or, offline, use "
            f'"{EMBEDDED}" (small, ships with emo8) or local-dir:PATH.'
        ) from error
    built = built_settings(model, int(tokenizer.context_length))
    if built != wanted:
        raise ModelError(
            f"model {name!r}: open_clip {open_clip.__version__} built {built}, and its weights "
            f"want {wanted}; install the version of open_clip_torch that emo8 names."
        )
    start = next((key for key in _TAG_LICENSES if tag.startswith(key)), None)
    return BuiltModel(
        model=model,
        tokenizer=tokenizer,
        sha256=identity(Path(weights), built.activation),
        license=_TAG_LICENSES[start] if start else "see the model's own card",
    )
