#!/usr/bin/env bash
# A phone picture saved as HEIC by pillow-heif through Pillow, with its EXIF passed on:
# `image.save("a.heic", exif=image.getexif())`, the way the Pillow documentation shows for all formats. One would
# guess the file is turned as `exif=image.getexif().tobytes()` turns it. It is not: with an Exif object no `irot`
# property is written, only the EXIF tag, which HEIF readers ignore by the standard, so the picture lies on its side
# in them and in pillow-heif itself, which also resets the tag to 1.
# Effect here: a HEIF without a turn of its own is turned by its EXIF (emo8/core/images.py), tested by
# tests/emo8/core/test_pixels.py::test_decode__heif_that_is_turned_by_exif_alone.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet pillow==13.0.0 numpy==2.4.6 pillow-heif==1.8.1
cat >try.py <<'PY'
import io, sys
from importlib.metadata import version

import numpy as np
import pillow_heif
from PIL import Image, ImageOps

for name in ("pillow", "pillow-heif"):
    print(name, version(name))
pillow_heif.register_heif_opener()
stored = np.zeros((60, 100, 3), np.uint8)
stored[:20, :30] = 255  # a white corner, top left before the turn
exif = Image.Exif()
exif[0x0112] = 6  # to be seen turned clockwise: the corner goes to the top right
results = {}
for name, given in (("exif=Exif object", exif), ("exif=bytes", exif.tobytes())):
    file = io.BytesIO()
    Image.fromarray(stored).save(file, "HEIF", exif=given)
    opened = Image.open(io.BytesIO(file.getvalue()))
    seen = ImageOps.exif_transpose(opened)
    results[name] = (b"irot" in file.getvalue(), seen.size)
    print(f"{name}: irot written {results[name][0]}, seen as {seen.size}, EXIF turn now {opened.getexif().get(0x0112)},",
          f"was {opened.info['original_orientation']}")
sys.exit(0 if results == {"exif=Exif object": (False, (100, 60)), "exif=bytes": (True, (60, 100))} else 1)
PY
venv/bin/python try.py
