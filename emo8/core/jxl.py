"""JPEG XL as a PIL picture whose pixels come late, and with all their bits.

Importing this needs pyjpegxl (extra `pictures`). Its own Pillow plugin decodes when a file is
opened, before anybody could refuse its size, and keeps 8 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyjpegxl
from PIL import Image, ImageFile

_MODES = {(1, False): "L", (1, True): "LA", (3, False): "RGB", (3, True): "RGBA"}


class JxlFile(ImageFile.ImageFile):  # type: ignore[no-any-unimported,misc,unused-ignore]
    """The first frame of a JPEG XL file, turned as the file says."""

    format = "JXL"

    def _open(self) -> None:
        assert self.fp is not None
        self._file = self.fp.read()
        try:
            head: Any = pyjpegxl.probe(self._file)
            self._mode = _MODES[head.num_color_channels, head.has_alpha]
        except (RuntimeError, ValueError, KeyError) as error:
            raise SyntaxError(str(error)) from error
        self._size = (head.width, head.height)
        self.is_wide = head.bits_per_sample > 8
        if head.icc:
            self.info["icc_profile"] = head.icc
        if head.exif:
            self.info["exif"] = head.exif

    def values(self) -> np.ndarray:
        """Numbers (H, W), or (H, W, C) as stored: uint8, uint16 or float32."""
        found = np.asarray(pyjpegxl.decode_to_numpy(self._file)[1])
        return found[..., 0] if found.shape[2] == 1 else found

    def load(self) -> Any:
        if self._im is None:
            self.im = Image.fromarray(self.values()).im
        return None
