"""One frozen CLIP: pictures and texts to unit vectors. The only importer of open_clip.

Shapes: N items, S image side in pixels, D embedding width, L text context in tokens.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from emo8.core.errors import ModelError

if TYPE_CHECKING:
    import torch
    from PIL import Image

T = TypeVar("T")
logger = logging.getLogger(__name__)

EMBEDDED = "embedded"
EMBEDDED_DIR = Path(__file__).resolve().parents[2] / "demo" / "sample" / "clip"
CONFIG_NAME = "open_clip_config.json"
PRECISIONS = ("fp32", "bf16", "fp16")
_LOCAL = "local-dir:"
_TAG_LICENSES = {
    "openai": "MIT",
    "laion": "MIT",
    "datacomp": "MIT",
    "commonpool": "MIT",
    "metaclip": "CC-BY-NC-4.0",
    "dfn": "Apple sample code licence",
    "webli": "Apache-2.0",
}


class Encoder:
    """One open_clip model in eval mode, with its own preprocessing, tokenizer and temperature."""

    def __init__(
        self,
        name: str,
        model: Any,  # a torch.nn.Module with open_clip's encode_image and encode_text
        tokenizer: Any,
        *,
        weights_sha256: str,
        license: str,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        from open_clip import get_input_dtype
        from open_clip.transform import PreprocessCfg, image_transform_v2

        if tokenizer is None or not hasattr(model, "encode_text"):
            raise ModelError(
                f"model {name!r} has no text tower: it cannot name what it sees; use a CLIP model."
            )
        self.name = name
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.weights_sha256 = weights_sha256
        self.license = license
        self.device = device
        self.input_dtype = get_input_dtype(precision)  # some weights stay fp32 in any precision
        config = PreprocessCfg(**self.model.visual.preprocess_cfg)
        size = config.size
        self.image_size = int(size if isinstance(size, int) else size[0])
        self.mean = tuple(float(value) for value in config.mean)
        self.std = tuple(float(value) for value in config.std)
        self._transform = image_transform_v2(config, is_train=False)
        # open_clip tokenizers are built for the model's context, so theirs is the true length.
        self.context_length = int(tokenizer.context_length)
        # The temperature FACTOR (already exponentiated), and SigLIP's bias where there is one.
        self.logit_scale = float(self.model.logit_scale.exp())
        bias = getattr(self.model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias)
        self.dim = int(self.embed_texts(["a picture"]).shape[1])

    def preprocess(self, image: np.ndarray | Image.Image) -> torch.Tensor:
        """The picture as this model wants it, (3, S, S) float32; transparent parts become white."""
        tensor: torch.Tensor = self._transform(_as_rgb(image))
        return tensor

    def embed_images(
        self, images: Iterable[np.ndarray | Image.Image], *, batch_size: int = 32
    ) -> np.ndarray:
        """Unit image vectors (N, D) float32 of uint8 RGB arrays (H, W, 3) or PIL pictures."""
        return self.embed_preprocessed(map(self.preprocess, images), batch_size=batch_size)

    def embed_preprocessed(
        self, tensors: Iterable[torch.Tensor], *, batch_size: int = 32
    ) -> np.ndarray:
        """Unit image vectors (N, D) float32 of what `preprocess` gave, (3, S, S) each."""
        import torch

        batches = (torch.stack(group) for group in _batched(tensors, batch_size))
        return self._embed(self.model.encode_image, batches)

    def embed_texts(self, texts: Iterable[str], *, batch_size: int = 256) -> np.ndarray:
        """Unit text vectors (N, D) float32; a text over L tokens is cut, never refused."""
        batches = (self.tokenizer(batch) for batch in _batched(texts, batch_size))
        return self._embed(self.model.encode_text, batches)

    def _embed(self, tower: Any, batches: Iterator[torch.Tensor]) -> np.ndarray:
        import torch

        found: list[np.ndarray] = []
        with torch.inference_mode():
            for batch in batches:
                moved = batch.to(
                    self.device, self.input_dtype if batch.is_floating_point() else None
                )
                features = torch.nn.functional.normalize(tower(moved).float(), dim=-1)
                found.append(features.cpu().numpy())
        if not found:
            return np.zeros((0, getattr(self, "dim", 0)), dtype=np.float32)
        return np.concatenate(found)


def load(name: str, *, device: str = "cpu", precision: str = "fp32") -> Encoder:
    """The encoder called `name`: "embedded", "ViT-B-16/openai" or "local-dir:PATH".

    "open_clip:ViT-B-16/openai" means the same as without the prefix. Raises ModelError for a name
    nobody knows, a folder that is not a model, or weights that cannot be had offline.
    """
    if precision not in PRECISIONS:
        raise ModelError(f"unknown precision {precision!r}; known: {', '.join(PRECISIONS)}.")
    if name == EMBEDDED:
        found = _load_folder(EMBEDDED, EMBEDDED_DIR, device, precision)
    elif name.startswith(_LOCAL):
        found = _load_folder(name, Path(name.removeprefix(_LOCAL)), device, precision)
    else:
        found = _load_public(name, device, precision)
    return Encoder(
        name,
        found.model,
        found.tokenizer,
        weights_sha256=_file_sha256(found.weights),
        license=found.license,
        device=device,
        precision=precision,
    )


def token_counter(name: str) -> Callable[[str], int]:
    """A function that says how many tokens a text takes, without loading the model's weights."""
    import open_clip

    if name == EMBEDDED or name.startswith(_LOCAL):
        folder = EMBEDDED_DIR if name == EMBEDDED else Path(name.removeprefix(_LOCAL))
        tokenizer = open_clip.get_tokenizer(f"{_LOCAL}{folder}", **_tokenizer_options(folder))
    else:
        tokenizer = open_clip.get_tokenizer(_known_pair(name)[0])
    if hasattr(tokenizer, "encode"):
        return lambda text: len(tokenizer.encode(text)) + 2  # start and end
    inner = getattr(tokenizer, "tokenizer", tokenizer)  # a Hugging Face tokenizer in a wrapper
    return lambda text: len(inner(text)["input_ids"])


def best_device() -> str:
    """ "cuda" where this process may use a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def best_precision(name: str) -> str:
    """ "bf16" where this machine computes in it, else "fp32"; the embedded model stays in fp32.

    It is so small that little is won, and its published figures were measured in fp32.
    """
    import torch

    if name == EMBEDDED:
        return "fp32"
    if best_device() == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if found.get("avx512_bf16") or found.get("amx_bf16") else "fp32"


def fresh(folder: Path) -> tuple[torch.nn.Module, Any]:
    """An untrained model as `folder`'s config describes it, and its tokenizer; for training."""
    import open_clip

    path = f"{_LOCAL}{folder}"
    model = open_clip.create_model(path, load_weights=False)
    return model, open_clip.get_tokenizer(path, **_tokenizer_options(folder))


def write_untrained(architecture: str, folder: Path) -> str:
    """The name by which `load` finds an untrained model of this architecture, put in `folder`."""
    import open_clip
    from safetensors.torch import save_file

    model = open_clip.create_model(architecture, load_weights=False)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    config = {
        "model_cfg": open_clip.get_model_config(architecture),
        "preprocess_cfg": open_clip.get_model_preprocess_cfg(model),
    }
    (folder / CONFIG_NAME).write_text(json.dumps(config))
    return f"{_LOCAL}{folder}"


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """What open_clip made, and where its weights lie."""

    model: Any
    tokenizer: Any
    weights: Path
    license: str


def _load_folder(name: str, folder: Path, device: str, precision: str) -> _Loaded:
    import open_clip

    weights = sorted(folder.glob("*.safetensors"))
    if not (folder / CONFIG_NAME).is_file() or not weights:
        raise ModelError(
            f"model {name!r}: {folder} needs {CONFIG_NAME} and a .safetensors file; "
            "give a folder that holds both, as local-dir:PATH."
        )
    path = f"{_LOCAL}{folder}"
    options = _tokenizer_options(folder)
    try:
        model = open_clip.create_model(path, precision=precision, device=device)
        tokenizer = open_clip.get_tokenizer(path, **options)
    except (RuntimeError, ValueError, OSError, TypeError, KeyError) as error:
        raise ModelError(
            f"model {name!r} in {folder} does not load: {error} "
            "Check that its config and its weights belong together."
        ) from error
    license = json.loads((folder / CONFIG_NAME).read_text()).get("license", "unknown")
    return _Loaded(model=model, tokenizer=tokenizer, weights=weights[0], license=license)


def _tokenizer_options(folder: Path) -> dict[str, str]:
    """A `bpe_path` from the folder itself: open_clip would look for it in the working directory."""
    try:
        config = json.loads((folder / CONFIG_NAME).read_text())
        bpe = config["model_cfg"]["text_cfg"].get("tokenizer_kwargs", {}).get("bpe_path")
    except (json.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(
            f"{folder / CONFIG_NAME} describes no model with a text tower ({error!r}): without "
            "one it cannot name what it sees. Use a CLIP model, as open_clip saves it."
        ) from error
    return {} if bpe is None else {"bpe_path": str(folder / bpe)}


def _load_public(name: str, device: str, precision: str) -> _Loaded:
    import open_clip

    architecture, tag = _known_pair(name)
    try:
        weights = open_clip.download_pretrained(open_clip.get_pretrained_cfg(architecture, tag))
        model = open_clip.create_model(
            architecture, pretrained=tag, precision=precision, device=device
        )
        tokenizer = open_clip.get_tokenizer(architecture)
    except Exception as error:  # download clients raise anything from OSError to RuntimeError
        cause = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelError(
            f"model {name!r} could not be had: {cause}. Check the network, or, offline, use "
            f'"{EMBEDDED}" (small, ships with emo8) or local-dir:PATH.'
        ) from error
    start = next((key for key in _TAG_LICENSES if tag.startswith(key)), None)
    license = _TAG_LICENSES[start] if start else "see the model's own card"
    return _Loaded(model=model, tokenizer=tokenizer, weights=Path(weights), license=license)


def stored_sha256(name: str) -> str | None:
    """Hash of the weights in a local model's folder, without loading them; None for a public one.

    The weights behind a public NAME/TAG never change; those in a folder can.
    """
    folder = EMBEDDED_DIR if name == EMBEDDED else Path(name.removeprefix(_LOCAL))
    if name != EMBEDDED and not name.startswith(_LOCAL):
        return None
    weights = sorted(folder.glob("*.safetensors"))
    return _file_sha256(weights[0]) if weights else ""


def _known_pair(name: str) -> tuple[str, str]:
    """The (architecture, tag) that open_clip knows by `name`; ModelError with the nearest else."""
    import open_clip

    pairs = {f"{model}/{tag}": (model, tag) for model, tag in open_clip.list_pretrained()}
    wanted = name.removeprefix("open_clip:")
    if wanted in pairs:
        return pairs[wanted]
    near = get_close_matches(wanted, [EMBEDDED, *pairs], n=3, cutoff=0.4)
    tags = [f"{model}/{tag}" for model, tag in pairs.values() if model == wanted.split("/")[0]]
    hint = ", ".join((tags or near)[:6]) or "ViT-B-16/openai"
    raise ModelError(
        f"unknown model {name!r}; nearest: {hint}. "
        f'Write MODEL/TAG as open_clip lists them, local-dir:PATH, or "{EMBEDDED}".'
    )


def _as_rgb(image: np.ndarray | Image.Image) -> Image.Image:
    """The picture as PIL RGB, transparent parts laid on white."""
    from PIL import Image

    if isinstance(image, np.ndarray):
        return Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
