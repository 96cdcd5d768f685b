"""Small drawn pictures, a recipe for them, and what a folder holds in one hash."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path

from PIL import Image

RECIPE = """\
name = "chaos"
seed = 0
[[source]]
kind = "folder"
path = "pictures"
style = "natural"
license = "CC0-1.0"
[labels]
clip = ["embedded"]
[people]
detector = "off"
[decide]
min_side_px = 33
"""


def drawn(seed: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """A picture that is no near copy of that of another seed."""
    rng = random.Random(seed)
    coarse = Image.frombytes("RGB", (8, 6), rng.randbytes(8 * 6 * 3))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, fmt: str = "JPEG", **options: object) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def write_inputs(folder: Path, pictures: dict[str, bytes]) -> Path:
    """`pictures/` and the recipe for it; its path comes back."""
    (folder / "pictures").mkdir(parents=True)
    for name, data in pictures.items():
        (folder / "pictures" / name).write_bytes(data)
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    return recipe


def plain(count: int) -> dict[str, bytes]:
    """JPEG files of drawn pictures, by name."""
    return {f"{n:03d}.jpg": encoded(drawn(n), quality=90) for n in range(count)}


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree_hash(root: Path) -> str:
    """One hash over a folder's names and bytes, hidden ones left out, or a file; "" = not there."""
    if not root.is_dir():
        return file_hash(root) if root.exists() else ""
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and not any(piece.startswith(".") for piece in name.parts):
            found.update(f"{name}\0".encode())
            found.update(file_hash(path).encode())
    return found.hexdigest()
