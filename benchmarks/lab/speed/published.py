"""A build and a release of the sample's pictures in a usual size, for the scripts beside."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from PIL import Image

import emo8

SAMPLE = Path(emo8.__file__).parent / "demo" / "sample" / "pictures"
_RECIPE = """\
name = "measured"
[[source]]
kind = "folder"
path = "pictures"
style = "cartoon"
license = "CC0-1.0"
[labels]
clip = ["embedded"]
[people]
detector = "off"
"""


def build(folder: Path, count: int, width: int) -> float:
    """Build `folder/BUILD` of so many pictures, `width` px wide; CPU seconds of all processes."""
    (folder / "pictures").mkdir()
    for number, path in enumerate(sorted(SAMPLE.glob("*/*.webp"))[:count]):
        with Image.open(path) as picture:
            size = (width, round(width * picture.height / picture.width))
            larger = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
        larger.save(folder / "pictures" / f"{number:04d}.jpg", quality=92)
    (folder / "recipe.toml").write_text(_RECIPE)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _emo8("build", str(folder / "recipe.toml"), "-o", str(folder / "BUILD"), "--workers", "2")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def publish(folder: Path) -> Path:
    """The release of `folder/BUILD`."""
    _emo8("publish", str(folder / "BUILD"), "--to", str(folder / "DIR"))
    return folder / "DIR"


def _emo8(*words: str) -> None:
    environment = os.environ | {"EMO8_REMOVALS": os.devnull, "EMO8_DERIVED": os.devnull}
    command = [sys.executable, "-m", "emo8.cli", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
