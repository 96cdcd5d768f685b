"""One frozen CLIP: pictures and texts to unit vectors.

Shapes: N items, S image side in pixels, D embedding width, L text context in tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from emo8.core.errors import ModelError
from emo8.labels.clip import folder_models, models
from emo8.labels.clip.models import EMBEDDED

if TYPE_CHECKING:
    import torch
    from PIL import Image

T = TypeVar("T")

PRECISIONS = ("fp32", "bf16", "fp16")


class Encoder:
    """One open_clip model in eval mode, with its own preprocessing, tokenizer and temperature."""

    def __init__(
        self,
        name: str,
        built: models.BuiltModel,
        *,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        from open_clip import get_input_dtype
        from open_clip.transform import PreprocessCfg, image_transform_v2

        if built.tokenizer is None or not hasattr(built.model, "encode_text"):
            raise ModelError(
                f"model {name!r} has no text tower: it cannot name what it sees; use a CLIP model."
            )
        self.name = name
        self.model = built.model.eval().requires_grad_(False)
        self.tokenizer = built.tokenizer
        self.weights_sha256 = built.sha256  # with the activation, where that is not GELU
        self.license = built.license
        self.device = device
        self.input_dtype = get_input_dtype(precision)  # some weights stay fp32 in any precision
        # open_clip tokenizers are built for the model's context, so theirs is the true length.
        self.context_length = int(built.tokenizer.context_length)
        settings = models.built_settings(self.model, self.context_length)
        self.activation = settings.activation
        self.image_size = settings.image_size[0]
        self.mean, self.std = settings.mean, settings.std
        self.interpolation = settings.interpolation
        self._transform = image_transform_v2(
            PreprocessCfg(**self.model.visual.preprocess_cfg), is_train=False
        )
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
        self, tensors: Iterable[torch.Tensor], *, batch_size: int = 32, filled: bool = False
    ) -> np.ndarray:
        """Unit image vectors (N, D) float32 of what `preprocess` gave, (3, S, S) each.

        With `filled` all batches have one size, and no vector depends on the others.
        """
        import torch

        groups = _batched(tensors, batch_size, filled)
        return self._embed(
            self.model.encode_image, ((torch.stack(group), size) for group, size in groups)
        )

    def embed_texts(
        self, texts: Iterable[str], *, batch_size: int = 256, filled: bool = False
    ) -> np.ndarray:
        """Unit text vectors (N, D) float32; a text over L tokens is cut, never refused."""
        groups = _batched(texts, batch_size, filled)
        return self._embed(
            self.model.encode_text, ((self.tokenizer(group), size) for group, size in groups)
        )

    def _embed(self, tower: Any, batches: Iterator[tuple[torch.Tensor, int]]) -> np.ndarray:
        """Unit vectors of the first so many of each batch."""
        import torch

        found: list[np.ndarray] = []
        with torch.inference_mode():
            for batch, size in batches:
                moved = batch.to(
                    self.device, self.input_dtype if batch.is_floating_point() else None
                )
                features = torch.nn.functional.normalize(tower(moved).float(), dim=-1)
                found.append(features[:size].cpu().numpy())
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
    folder = models.folder_of(name)
    if folder is None:
        built = models.build(name, device, precision)
    else:
        built = folder_models.build(name, folder, device, precision)
    return Encoder(name, built, device=device, precision=precision)


def token_counter(name: str) -> Callable[[str], int]:
    """A function that says how many tokens a text takes, without loading the model's weights."""
    import open_clip

    folder = models.folder_of(name)
    if folder is None:
        tokenizer = open_clip.get_tokenizer(models.known_pair(name)[0])
    else:
        tokenizer = folder_models.tokenizer(folder)
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


def _as_rgb(image: np.ndarray | Image.Image) -> Image.Image:
    """The picture as PIL RGB, as its file would be decoded."""
    from PIL import Image

    if isinstance(image, np.ndarray):
        return Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
    from emo8.core.images import decode_pil

    return Image.fromarray(decode_pil(image).rgb)


def _batched(items: Iterable[T], size: int, filled: bool) -> Iterator[tuple[list[T], int]]:
    """Batches, and how many of each count; a `filled` one repeats its last item up to `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        more = size - len(batch) if filled else 0
        yield batch + batch[-1:] * more, len(batch)
