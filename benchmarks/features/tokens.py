"""Token features of every picture, in a file that is mapped and not held in memory.

Shapes: N pictures, T tokens, D width.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.features.backbones import Backbone
from benchmarks.features.pictures import Pictures
from benchmarks.features.views import DEFAULT_CROP
from emo8.core.errors import Emo8Error, ModelError
from emo8.engine.files import appearing, new_array

BATCH = 32
Tokens = npt.NDArray[np.float16]  # (N, T, D)


def extract(backbone: Backbone, pictures: Pictures) -> Tokens:
    """(N, T, D) tokens of the usable pictures, from the cache where they are there already."""
    if backbone.tokens is None:
        raise ModelError(
            f"--protocol attentive pools the tokens of a model, and {backbone.name} has none. "
            "Use a RUN, random:RECIPE, a ViT or CNN of timm: or open_clip:, or --protocol linear."
        )
    parts = [backbone.sha256, "tokens 1", pictures.view, *pictures.digests]
    if pictures.view != "scene":
        parts += [str(pictures.crop)] if pictures.crop != DEFAULT_CROP else []
        parts += [str(pictures.box(i)) for i in range(len(pictures.index))]
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    path = pictures.cache / f"{name}.tokens.npy"
    if not path.is_file():
        _compute(backbone, pictures, path)
    found: Tokens = np.load(path, mmap_mode="r")
    return found


def _compute(backbone: Backbone, pictures: Pictures, path: Path) -> None:
    assert backbone.tokens is not None
    total = len(pictures.index)
    store: Any = None
    with appearing(path, durable=False) as part:
        for start in range(0, total, BATCH):
            which = range(start, min(start + BATCH, total))
            views = [backbone.tokens(pictures.pixels(which, view)) for view in pictures.views]
            with np.errstate(over="ignore"):  # looked at on the next line
                tokens = np.concatenate(views, axis=1).astype(np.float16)
            if not np.isfinite(tokens).all():
                raise ModelError(
                    f"{backbone.name} gives tokens that are no numbers, or too large for half "
                    "precision (65504): use --protocol linear."
                )
            if store is None:
                shape = (total, *tokens.shape[1:])
                _require_space(path.parent, 2 * int(np.prod(shape)))
                store = new_array(part, np.dtype(np.float16), shape)
            store[start : start + len(tokens)] = tokens
            if pictures.progress:
                pictures.progress(f"tokens of {backbone.name}", which[-1] + 1, total)
        store.flush()


def _require_space(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if size_bytes > 0.9 * free:
        raise Emo8Error(
            f"tokens take {size_bytes / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB left: "
            "give --cache another disk, or use --protocol linear "
            f"({json.dumps('pooled features')} are hundreds of times smaller)."
        )
