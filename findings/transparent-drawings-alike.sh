#!/usr/bin/env bash
# Pictograms as they are published: black lines, and nothing behind them (PNG with alpha). One would guess that a
# perceptual hash tells a face from a tree, or refuses what it cannot hash. imagehash gives every such drawing the
# same hash with each of its methods (it hashes the colours under the alpha, which are black everywhere), so that
# distance 0 says "copies"; cleanvision, which hashes with it, reports them as near duplicates of each other, dark
# and of low information. On white paper the same hashes are far apart. (imagehash#122 asks it for colorhash only.)
# Effect here: transparent parts are laid on a ground before anything is measured (emo8/core/pixels.py), tested by
# tests/emo8/pipeline/test_run.py::test_build__black_drawings_on_transparent_ground_are_no_copies.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet pillow==13.0.0 numpy==2.4.6 ImageHash==4.3.2 cleanvision==0.3.7
cat >try.py <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import imagehash
from cleanvision import Imagelab
from PIL import Image, ImageDraw


def drawing(name):
    art = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    drawn = ImageDraw.Draw(art)
    if name == "face":
        drawn.ellipse((20, 20, 180, 180), outline="black", width=8)
        drawn.arc((60, 60, 140, 140), 0, 180, fill="black", width=8)
    elif name == "tree":
        drawn.polygon([(100, 10), (180, 150), (20, 150)], fill="black")
    else:
        drawn.rectangle((40, 90, 160, 190), fill="black")
        drawn.line((20, 90, 100, 20, 180, 90), fill="black", width=10)
    return art


def on_white(art):
    return Image.alpha_composite(Image.new("RGBA", art.size, "white"), art)


for name in ("pillow", "ImageHash", "cleanvision"):
    print(name, version(name))
arts = {name: drawing(name) for name in ("face", "tree", "house")}
alike, apart = [], []
for method in ("phash", "average_hash", "dhash", "whash"):
    hashes = [getattr(imagehash, method)(art) for art in arts.values()]
    laid = [getattr(imagehash, method)(on_white(art)) for art in arts.values()]
    alike.append(len(set(map(str, hashes))) == 1)
    apart.append(min(laid[0] - laid[1], laid[0] - laid[2], laid[1] - laid[2]))
    print(f"{method}: {[str(one) for one in hashes]}, least distance on white {apart[-1]} of 64")
Path("pictures").mkdir()
for name, art in arts.items():
    art.save(f"pictures/{name}.png")
lab = Imagelab(data_path="pictures")
lab.find_issues(verbose=False, n_jobs=1)
names = ("near_duplicates", "dark", "low_information")
found = {name: int(lab.issues[f"is_{name}_issue"].sum()) for name in names}
print("\ncleanvision, of three pictures:", found)
sys.exit(0 if all(alike) and min(apart) >= 8 and found == dict.fromkeys(names, 3) else 1)
PY
venv/bin/python try.py
