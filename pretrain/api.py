"""Pretrained encoders from Python: `pretrain.load("RUN").features(pictures)`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pretrain.weights.encoder import Encoder

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    Picture = str | Path | Image.Image | NDArray[np.uint8]


class Model:
    """A frozen encoder."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.dim = encoder.dim  # width of a feature
        self.sha256 = encoder.sha256  # of its weights

    def features(self, pictures: Sequence[Picture], *, batch_size: int = 64) -> NDArray[np.float32]:
        """(N, D) features of files, PIL pictures or uint8 RGB arrays (H, W, 3).

        ValueError names a file that is no picture.
        """
        pixels = [_pixels(picture) for picture in pictures]
        return self._encoder.features(pixels, batch_size=batch_size)


def load(name: str | Path) -> Model:
    """The encoder of a RUN, of a weights file, or of `random:RECIPE` before any training."""
    from pretrain.show.embed import open_encoder

    return Model(open_encoder(str(name)))


def _pixels(picture: Picture) -> Any:
    from emo8.core.images import decode_pil
    from pretrain.weights.classifier import decode_file

    if isinstance(picture, str | Path):
        return decode_file(Path(picture)).numpy()
    if isinstance(picture, np.ndarray):
        return picture
    return decode_pil(picture).rgb
