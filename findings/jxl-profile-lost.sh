#!/usr/bin/env bash
# A JPEG XL picture without loss in Display P3, read with pillow-jxl-plugin. One would guess that the
# picture's `icc_profile` describes its numbers. It does not: the numbers are Display P3 as stored, and
# the profile beside them is sRGB, so a colour-managed program shows every colour paler than it is.
# pyjpegxl (the same libjxl) hands out the same numbers with the Display P3 profile.
# Effect here: emo8 reads JPEG XL with pyjpegxl (emo8/core/jxl.py), tested by
# tests/emo8/core/test_pixels.py::test_decode__jxl_keeps_profile_alpha_and_depth.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet pillow==13.0.0 numpy==2.4.6 pillow-jxl-plugin==1.3.8 pyjpegxl==0.3.0
cat >try.py <<'PY'
import io, struct, sys
from importlib.metadata import version

import numpy as np
import pillow_jxl, pyjpegxl
from PIL import Image, ImageCms

for name in ("pillow", "pillow-jxl-plugin", "pyjpegxl"):
    print(name, version(name))


def display_p3():
    xyz = [(0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407), (0.9642, 1, 0.8249)]
    bodies = [b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in c)) for c in xyz]
    bodies += [struct.pack(">4sIHH5i", b"para", 0, 3, 0, 157286, 62119, 3417, 5072, 2651)] * 3
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"rTRC", b"gTRC", b"bTRC")
    table, body, start = b"", b"", 132 + 12 * len(names)
    for name, content in zip(names, bodies):
        table += name + struct.pack(">II", start + len(body), len(content)); body += content
    head = struct.pack(">I4sI4s4s4s12x4s", start + len(body), b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    head += bytes(68 - len(head)) + struct.pack(">3i", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(names)) + table + body


def shown(pixels, icc):
    """What a colour-managed program shows for the pixel, as sRGB."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    image = ImageCms.profileToProfile(Image.fromarray(pixels), source, ImageCms.createProfile("sRGB"), renderingIntent=1)
    return [int(v) for v in np.asarray(image)[5, 5]]


stored = np.full((16, 16, 3), (30, 180, 90), np.uint8)
file = pyjpegxl.encode_from_numpy(stored, icc=display_p3(), lossless=True)
right = shown(stored, display_p3())
plugin = Image.open(io.BytesIO(file))
by_plugin = shown(np.asarray(plugin), plugin.info["icc_profile"])
head, pixels = pyjpegxl.decode_to_numpy(file)
by_pyjpegxl = shown(pixels, head.icc)
print("stored numbers", stored[5, 5].tolist(), "in Display P3, to be shown as", right)
print("pillow-jxl-plugin: numbers", np.asarray(plugin)[5, 5].tolist(), "shown by its own profile as", by_plugin)
print("pyjpegxl:          numbers", pixels[5, 5].tolist(), "shown by its own profile as", by_pyjpegxl)
same = np.asarray(plugin)[5, 5].tolist() == stored[5, 5].tolist() and by_plugin == stored[5, 5].tolist()
sys.exit(0 if same and max(abs(a - b) for a, b in zip(by_pyjpegxl, right)) <= 1 and by_plugin != right else 1)
PY
venv/bin/python try.py
