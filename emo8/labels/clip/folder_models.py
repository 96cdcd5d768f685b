"""CLIP models in folders of this machine: a config, a .safetensors file, perhaps a tokenizer.

A folder may come from anywhere, so it is data only: no code, no pickle, no file outside of it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emo8.core.errors import ModelError
from emo8.core.inside import plain_files
from emo8.core.json_text import parse_json
from emo8.labels.clip import models, weight_names

if TYPE_CHECKING:
    import torch

CONFIG_NAME = "open_clip_config.json"
WEIGHTS_NAMES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
                 "model.safetensors")  # fmt: skip
# What a config may say to its tokenizer; `trust_remote_code` above all is not among them.
_TOKENIZER_OPTIONS = ("bpe_path", "clean", "strip_sep_token", "language", "reduction_mask")


def build(name: str, folder: Path, device: str, precision: str) -> models.BuiltModel:
    """The model in `folder`; ModelError says what it lacks, or what of it is refused."""
    config, weights = _config(folder), weights_of(folder)
    if weights is None:
        raise ModelError(
            f"model {name!r}: {folder} needs {CONFIG_NAME} and a .safetensors file; "
            "give a folder that holds both, as local-dir:PATH."
        )
    try:
        model = untrained(folder, precision=precision, device=device)
        _load(model, weights)
        words = tokenizer(folder)
    except (RuntimeError, ValueError, OSError, TypeError, KeyError, ImportError) as error:
        raise ModelError(
            f"model {name!r} in {folder} does not load: {error} "
            "Check that its config and its weights belong together."
        ) from error
    built = models.built_settings(model, int(words.context_length))
    return models.BuiltModel(
        model=model,
        tokenizer=words,
        sha256=models.identity(weights, built.activation),
        license=str(config.get("license", "unknown")),
    )


def untrained(folder: Path, **options: Any) -> torch.nn.Module:
    """The model that the folder's config describes, without its weights."""
    import open_clip

    _config(folder)
    with _without_warnings():
        model: torch.nn.Module = open_clip.create_model(
            f"{models.LOCAL}{folder}", load_weights=False, pretrained_text=False, **options
        )
    return model


@contextmanager
def _without_warnings() -> Iterator[None]:
    """While open_clip builds a model without weights: it warns that there are none."""

    def other(record: logging.LogRecord) -> bool:
        return "No pretrained weights" not in record.getMessage()

    root = logging.getLogger()  # which open_clip uses
    root.addFilter(other)
    try:
        yield
    finally:
        root.removeFilter(other)


def tokenizer(folder: Path) -> Any:
    """The folder's tokenizer, made of its data alone."""
    import open_clip

    text = _config(folder)["model_cfg"]["text_cfg"]
    options: dict[str, Any] = {}
    if bpe := text.get("tokenizer_kwargs", {}).get("bpe_path"):
        # open_clip would look for it in the working directory
        options["bpe_path"] = str(_inside(folder, bpe))
    if text.get("hf_tokenizer_name"):  # said aloud: transformers would ask at a terminal
        options["trust_remote_code"] = False
    return open_clip.get_tokenizer(f"{models.LOCAL}{folder}", **options)


def weights_of(folder: Path) -> Path | None:
    """The folder's weights: the first known name, else its only .safetensors file."""
    found = plain_files(folder, "*.safetensors")
    named = [folder / name for name in WEIGHTS_NAMES if folder / name in found]
    if len(found) > 1 and not named:
        raise ModelError(
            f"{folder} holds {len(found)} .safetensors files ({found[0].name}, {found[1].name}): "
            f"name the one to load {WEIGHTS_NAMES[0]}."
        )
    return next(iter(named or found), None)


def write_untrained(architecture: str, folder: Path) -> str:
    """Put an untrained model of this architecture in `folder`; the name of it comes back."""
    import open_clip
    from safetensors.torch import save_file

    model = open_clip.create_model(architecture, load_weights=False)
    save_file(model.state_dict(), folder / WEIGHTS_NAMES[0])
    config = {
        "model_cfg": open_clip.get_model_config(architecture),
        "preprocess_cfg": open_clip.get_model_preprocess_cfg(model),
    }
    (folder / CONFIG_NAME).write_text(json.dumps(config))
    return f"{models.LOCAL}{folder}"


def stored_sha256(name: str) -> str | None:
    """The `identity` of a folder's model without loading it; None for a public one.

    The weights behind a public NAME/TAG never change; those in a folder can.
    """
    folder = models.folder_of(name)
    if folder is None:
        return None
    weights = weights_of(folder)
    quick = _described(folder)["model_cfg"].get("quick_gelu", False)
    return models.identity(weights, models.QUICK_GELU if quick else models.GELU) if weights else ""


def _load(model: torch.nn.Module, weights: Path) -> None:
    """Give the model the weights of the file; RuntimeError lists what does not fit."""
    from safetensors.torch import load_file

    found = weight_names.plain(load_file(weights))
    for name, own in model.state_dict().items():  # a scale may be stored as one number or a list
        if name in found and found[name].numel() == own.numel() == 1:
            found[name] = found[name].reshape(own.shape)
    model.load_state_dict(found)


def _described(folder: Path) -> dict[str, Any]:
    """The folder's config as written; ModelError for one that describes no model."""
    path = folder / CONFIG_NAME
    if not path.is_file():
        raise ModelError(
            f"model '{models.LOCAL}{folder}': {folder} needs {CONFIG_NAME} and a .safetensors "
            "file; give a folder that holds both, as local-dir:PATH."
        )
    try:
        config: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        text, vision = config["model_cfg"]["text_cfg"], config["model_cfg"]["vision_cfg"]
        list(text.get("tokenizer_kwargs", {}))
        vision.get("timm_model_name")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(
            f"{path} describes no model with a text tower ({error!r}): without "
            "one it cannot name what it sees. Use a CLIP model, as open_clip saves it."
        ) from error
    return config


def _config(folder: Path) -> dict[str, Any]:
    """The folder's config, checked; ModelError also for one that asks for more than data."""
    config, path = _described(folder), folder / CONFIG_NAME
    text, vision = config["model_cfg"]["text_cfg"], config["model_cfg"]["vision_cfg"]
    for option in text.get("tokenizer_kwargs", {}):
        if option not in _TOKENIZER_OPTIONS:
            raise ModelError(
                f"{path}: tokenizer_kwargs.{option} is refused: a folder is read as data and runs "
                f"no code of its own. Known: {', '.join(_TOKENIZER_OPTIONS)}."
            )
    if (tower := vision.get("timm_model_name")) is not None:
        _check_tower(path, tower)
    if (hub := text.get("hf_model_name")) is not None:
        _check_text_model(path, folder, hub)
    return config


def _check_tower(path: Path, tower: Any) -> None:
    """Raise ModelError for an image tower that is no name in timm but an address or a folder."""
    import timm

    if not isinstance(tower, str) or not timm.is_model(tower):
        raise ModelError(f"{path}: timm_model_name {tower!r} is not a model that timm knows.")


def _check_text_model(path: Path, folder: Path, hub: Any) -> None:
    """Raise ModelError for a text tower that would need code from elsewhere."""
    try:
        from transformers import AutoConfig

        if not isinstance(hub, str) or Path(hub).exists() or (folder / hub).exists():
            raise ValueError("a folder, where the name of a model on the Hub is expected")
        AutoConfig.from_pretrained(hub, trust_remote_code=False)
    except (ImportError, OSError, ValueError) as error:
        cause = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelError(f"{path}: hf_model_name {hub!r} cannot be had: {cause}.") from error


def _inside(folder: Path, name: str) -> Path:
    """A file of the folder; ModelError for a name that leads elsewhere."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{folder / CONFIG_NAME}: {name!r} lies outside of the folder.")
    return path
