"""Pictures of a dataset's numbers: sample grid, funnel, confidence, curves. PNG bytes come back.

One fixed colour per emotion (`LabelSet.emotion_colors`), the same in every figure.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from emo8.core.label_set import NO_STYLE, LabelSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TILE_PX = 116
INK = "#222222"
PANEL, SOFT_INK = "#f4f4f4", "#666666"  # a cell without a picture, and its words: 5.2:1


def sample_grid(
    pick: Callable[[str, str], Image.Image | str], labels: LabelSet, styles: Sequence[str] = ()
) -> bytes:
    """Emotions (columns) by styles (rows; by default all of `labels`).

    `pick(emotion, style)` gives each picture, or the words that stand in its place.
    """
    colors, styles = labels.emotion_colors, styles or labels.styles
    left, top, gap = 132, 34, 6
    step = TILE_PX + gap
    size = (left + step * len(labels.emotions), top + step * len(styles))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    for column, emotion in enumerate(labels.emotions):
        x = left + column * step
        draw.rectangle((x, top - 8, x + TILE_PX - 1, top - 4), fill=colors[emotion])
        draw.text((x + TILE_PX // 2, 4), emotion, fill=INK, font=font, anchor="ma")
    for row, style in enumerate(styles):
        y = top + row * step
        label = "no style" if style == NO_STYLE else style.replace("_", "\n")
        draw.multiline_text((8, y + TILE_PX // 2), label, fill=INK, font=font, anchor="lm")
        for column, emotion in enumerate(labels.emotions):
            corner = (left + column * step, y)
            picture = pick(emotion, style)
            if isinstance(picture, str):
                box = (*corner, corner[0] + TILE_PX - 1, corner[1] + TILE_PX - 1)
                draw.rectangle(box, fill=PANEL)
                middle = (corner[0] + TILE_PX // 2, corner[1] + TILE_PX // 2)
                draw.multiline_text(
                    middle, picture, fill=SOFT_INK, font=small, anchor="mm", align="center"
                )
            else:
                tile = ImageOps.fit(picture.convert("RGB"), (TILE_PX, TILE_PX))
                sheet.paste(tile, corner)
    return png(sheet)


def funnel(numbers: Mapping[str, Any]) -> bytes:
    """Horizontal bars: inputs, each reason to leave, kept."""
    names = ["inputs", *numbers["rejected"], "kept"]
    values = [numbers["inputs"], *numbers["rejected"].values(), numbers["kept"]]
    colors = ["#777777", *["#D55E00"] * len(numbers["rejected"]), "#009E73"]

    def draw(axes: Axes) -> None:
        bars = axes.barh(names, values, color=colors)
        axes.bar_label(bars, padding=4)
        axes.invert_yaxis()
        axes.set_xlabel("pictures")

    return plot(draw, height=0.6 + 0.32 * len(names))


def confidence(prob: Mapping[str, np.ndarray]) -> bytes:
    """For each style the share of rows whose most likely emotion is at least this probable.

    `prob` maps a style to (N, 8) probabilities.
    """

    def draw(axes: Axes) -> None:
        for style, rows in prob.items():
            if len(rows):
                top = np.sort(rows.max(axis=1))[::-1]
                axes.step(top, np.arange(1, len(top) + 1) / len(top), label=f"{style} ({len(top)})")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="probability of the most likely emotion")
        axes.set_ylabel("share of rows at least that sure")
        axes.legend(frameon=False)

    return plot(draw)


def curves(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], xlabel: str) -> bytes:
    """Named (x, y) lines on one pair of axes."""

    def draw(axes: Axes) -> None:
        for name, (x, y) in lines.items():
            axes.plot(x, y, label=name)
        axes.set_xlabel(xlabel)
        axes.legend(frameon=False)

    return plot(draw)


def intervals(rows: Sequence[tuple[str, float, float, float]], xlabel: str) -> bytes:
    """One dot with its interval per row: (name, value, low, high)."""

    def draw(axes: Axes) -> None:
        for place, (_, value, low, high) in enumerate(rows):
            axes.plot((low, high), (place, place), color="#0072B2", linewidth=2)
            axes.plot(value, place, "o", color="#0072B2")
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel(xlabel)

    return plot(draw, height=0.8 + 0.36 * len(rows))


def matrix(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, xlabel: str, ylabel: str
) -> bytes:
    """Counts (R, C) with the number in every cell; the shade is its share of its line."""

    def draw(axes: Axes) -> None:
        total = values.sum(axis=1, keepdims=True)
        share = values / np.maximum(total, 1)
        shown = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        legend = axes.figure.colorbar(shown, ax=axes, pad=0.02, format=_percent)
        legend.set_label("share of the line")
        legend.outline.set_visible(False)
        axes.grid(visible=False)
        for row, column in np.ndindex(*values.shape):
            color = "white" if share[row, column] > 0.6 else INK
            axes.text(
                column, row, str(int(values[row, column])), ha="center", va="center", color=color
            )
        names = [name.replace("_", " ") for name in columns]
        axes.set_xticks(range(len(columns)), names, rotation=30, ha="right")
        axes.set_yticks(range(len(rows)), [name.replace("_", " ") for name in rows])
        axes.set(xlabel=xlabel, ylabel=ylabel)

    return plot(draw, height=1.6 + 0.34 * len(rows))


def _percent(share: float, place: int | None = None) -> str:
    return f"{share:.0%}"


def reliability(bins: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """Accuracy against confidence per named list of bins; the diagonal is perfect."""

    def draw(axes: Axes) -> None:
        axes.plot((0, 1), (0, 1), color="#999999", linestyle="--", linewidth=1)
        for (name, rows), color in zip(bins.items(), ("#D55E00", "#0072B2", "#009E73")):
            x, y = [row["confidence"] for row in rows], [row["accuracy"] for row in rows]
            axes.plot(x, y, color=color, linewidth=1)
            sizes = [10 + 4 * row["n"] ** 0.5 for row in rows]
            axes.scatter(x, y, s=sizes, color=color, label=name)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
        axes.legend(frameon=False)

    return plot(draw, width=5.2, height=4.4)


def plot(draw: Callable[[Axes], None], *, width: float = 7.5, height: float = 3.6) -> bytes:
    """A figure in the house style, `width` x `height` inches, drawn by `draw`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color="#e6e6e6")
    draw(axes)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return png(Image.open(out).convert("RGB"))  # without the metadata that matplotlib adds


def png(image: Image.Image) -> bytes:
    """The picture as PNG bytes."""
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def data_uri(data: bytes) -> str:
    """PNG bytes as an address that a self-contained page can show."""
    return "data:image/png;base64," + base64.b64encode(data).decode()
