"""Draw docs/method.png, the figure of the method: python -m docs.make_method_picture.

The picture is a composite of the embedded sample, in the public domain, whose box of the person is
exact; masks are drawn at the method's ratio.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pyarrow.parquet as pq
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from emo8.demo import sample

TARGET = Path(__file__).parent / "method.png"
GRID, MASKED, SIDE_PX = 8, 0.75, 192
INK, BLUE, GREEN, ORANGE, GREY = "#222222", "#D6E6F2", "#D9EFE3", "#FBE3CF", "#EEEEEE"
PERSON_MARGIN = 0.15  # of the box's longer side, as pretrain's views have it


def views() -> tuple[np.ndarray, np.ndarray]:
    """(scene, person) of one composite, each (SIDE_PX, SIDE_PX, 3)."""
    rows = pq.read_table(sample.root() / "table" / "sample.parquet").to_pylist()
    row = next(row for row in rows if row["people"] and row["license"] == "public-domain")
    image = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
    box, (width, height) = row["people"][0], image.size
    left, right = box["x0"] * width, box["x1"] * width
    top, bottom = box["y0"] * height, box["y1"] * height
    half = max(right - left, bottom - top) * (0.5 + PERSON_MARGIN)
    middle = ((left + right) / 2, (top + bottom) / 2)
    square = [middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half]
    square = [max(0, square[0]), max(0, square[1]), min(width, square[2]), min(height, square[3])]
    side = (SIDE_PX, SIDE_PX)
    return np.asarray(image.resize(side)), np.asarray(image.resize(side, box=tuple(square)))


def masked(view: np.ndarray, seed: int, *, hidden: bool = False) -> np.ndarray:
    """What the encoder sees of the view, the rest in grey; or the rest, which is hidden from it."""
    order = np.random.default_rng(seed).permutation(GRID * GRID)
    edge = int(MASKED * GRID * GRID)
    shown, step = view.copy(), SIDE_PX // GRID
    for patch in order[edge:] if hidden else order[:edge]:
        y, x = (int(n) * step for n in divmod(int(patch), GRID))
        shown[y : y + step, x : x + step] = 225
    return shown


def box(axes: Axes, x: float, y: float, width: float, height: float, text: str, color: str) -> None:
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0.04", fc=color, ec=INK, lw=1)
    axes.add_patch(shape)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9, color=INK)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "") -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.1})
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.12)
    axes.text(*middle, text, ha="center", fontsize=8, color=INK)


def picture(axes: Axes, x: float, y: float, view: np.ndarray, title: str) -> None:
    axes.imshow(view, extent=(x, x + 1.3, y, y + 1.3), zorder=2)
    axes.text(x + 0.65, y + 1.36, title, ha="center", fontsize=8, color=INK)


def draw() -> None:
    """The whole figure."""
    scene, person = views()
    figure, axes = pyplot.subplots(figsize=(12, 5.2), layout="constrained")
    picture(axes, 0, 3.4, scene, "scene view")
    picture(axes, 0, 1.0, person, "person view")
    picture(axes, 1.8, 3.4, masked(scene, 0), "most patches hidden")
    picture(axes, 1.8, 1.0, masked(person, 1), "most patches hidden")
    box(axes, 3.7, 1.3, 1.1, 3.1, "one ViT\nencoder\n(visible\npatches\nonly)", BLUE)
    box(axes, 5.6, 3.55, 1.5, 0.95, "MAE decoder", BLUE)
    picture(axes, 7.9, 3.4, masked(scene, 0, hidden=True), "the hidden patches")
    box(axes, 5.6, 1.4, 1.5, 1.2, "fusion\nELU(Linear(\nLN(s) + LN(p)))", BLUE)
    box(axes, 7.8, 1.9, 1.5, 0.5, "fused token", BLUE)
    box(axes, 7.8, 0.95, 1.5, 0.6, "the picture,\nby frozen CLIP", GREY)
    box(axes, 7.8, 0.0, 1.5, 0.6, "the batch's texts,\nby frozen CLIP", GREY)
    box(axes, 10.1, 3.6, 1.9, 0.85, "L3: predicted\nagainst hidden patches", GREEN)
    box(axes, 10.1, 1.85, 1.9, 0.85, "L2: 1 - cosine to\nCLIP's image feature", ORANGE)
    box(
        axes,
        10.1,
        0.2,
        1.9,
        1.05,
        "L1: row of similarities\nto all texts against\nCLIP's own row",
        ORANGE,
    )
    for y in (4.05, 1.65):
        arrow(axes, (1.34, y), (1.76, y))
    arrow(axes, (3.14, 4.05), (3.64, 3.6))
    arrow(axes, (3.14, 1.65), (3.64, 2.1))
    arrow(axes, (4.86, 3.8), (5.54, 4.0))
    arrow(axes, (4.86, 2.5), (5.54, 2.3), "scene CLS")
    arrow(axes, (4.86, 1.7), (5.54, 1.75), "person CLS")
    arrow(axes, (7.16, 4.0), (7.86, 4.0))
    arrow(axes, (9.24, 4.0), (10.04, 4.0))
    arrow(axes, (7.16, 2.1), (7.74, 2.15))
    arrow(axes, (9.36, 2.25), (10.04, 2.35))
    arrow(axes, (9.36, 2.0), (10.04, 1.05))
    arrow(axes, (9.36, 1.35), (10.04, 2.1))
    arrow(axes, (9.36, 1.15), (10.04, 0.8))
    arrow(axes, (9.36, 0.3), (10.04, 0.55))
    axes.set(xlim=(-0.1, 12.2), ylim=(-0.25, 5.1))
    axes.set_aspect("equal")
    axes.axis("off")
    figure.savefig(TARGET, dpi=130, metadata={"Software": None})
    pyplot.close(figure)


if __name__ == "__main__":
    draw()
