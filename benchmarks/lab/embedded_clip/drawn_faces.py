"""Portraits drawn by chance: faces of known expression on heads, hair and clothes of many kinds.

Few freely licensed drawings of people come with an emotion, so the small CLIP also learns from
these. What a face does for each emotion follows the action units (AU) named in `_FACES`, loosely,
as cartoonists use them: Ekman and Friesen, Facial Action Coding System, 1978.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image

from benchmarks.lab.embedded_clip.face_pen import WHITE, Colour, Pen, any_colour, arc, star
from emo8.core.taxonomy import EMOTIONS

_Option = TypeVar("_Option")
_FINE = 4  # drawn this many times larger, then made smaller, for smooth lines
_SKINS: tuple[Colour, ...] = (
    (255, 224, 196), (241, 194, 150), (198, 134, 88), (141, 85, 54), (92, 58, 40), (255, 204, 77),
)  # fmt: skip
_MOUTH_RED, _TONGUE, _WATER, _SICK = (150, 40, 50), (235, 95, 110), (90, 190, 245), (140, 190, 60)


@dataclass(frozen=True, kw_only=True)
class Face:
    """What an emotion may do to a face; one of each list is drawn by chance."""

    brows: Sequence[tuple[float, float]]  # rise of the inner and of the outer end
    eyes: Sequence[str]
    mouths: Sequence[str]
    extras: Sequence[str] = ("",)
    tints: Sequence[Colour | None] = (None,)  # a skin colour that goes with the emotion


_FACES = {
    "amusement": Face(  # AU 6 + 12 + 25: cheeks up, corners up, mouth open
        brows=[(0.05, 0.05), (0.15, 0.1)],
        eyes=["dot", "oval", "happy", "happy", "squeezed", "wink"],
        mouths=["grin", "grin", "teeth_grin", "tongue_out"],
        extras=["", "", "", "joy_tears"],
    ),
    "anger": Face(  # AU 4 + 5 + 7 + 23: brows down and together, lips tight or shouting
        brows=[(-0.25, 0.15), (-0.35, 0.1), (-0.2, 0.2)],
        eyes=["dot", "oval", "cut_in", "cut_in"],
        mouths=["frown", "frown", "gritted", "shout", "fangs", "flat"],
        extras=["", "", "furrow"],
        tints=[None, None, None, (235, 80, 60)],
    ),
    "awe": Face(  # AU 1 + 2 + 5 + 26: brows and lids up, jaw dropped
        brows=[(0.35, 0.3), (0.3, 0.25), (0.45, 0.4)],
        eyes=["wide", "dot", "oval", "star"],
        mouths=["small_o", "small_o", "big_o"],
    ),
    "contentment": Face(  # AU 12, eyes at rest
        brows=[(0.1, 0.0), (0.05, 0.0)],
        eyes=["closed", "closed", "happy", "dot"],
        mouths=["smile", "smile", "small_smile"],
        extras=["", "", "blush"],
    ),
    "disgust": Face(  # AU 9 + 10 + 15: nose wrinkled, upper lip up
        brows=[(-0.15, 0.05), (-0.2, 0.25), (-0.1, -0.1)],
        eyes=["half", "half", "squeezed", "side"],
        mouths=["wavy", "crooked", "crooked", "sick_tongue", "vomit"],
        extras=["", "nose_lines"],
        tints=[None, None, _SICK],
    ),
    "excitement": Face(  # AU 1 + 2 + 6 + 12 + 27, with raised arms or confetti
        brows=[(0.3, 0.25), (0.35, 0.3)],
        eyes=["star", "wide", "happy", "oval"],
        mouths=["grin", "grin", "teeth_grin"],
        extras=["confetti", "arms", "party_hat"],
    ),
    "fear": Face(  # AU 1 + 2 + 4 + 5 + 20: inner brows up, eyes wide, mouth drawn wide
        brows=[(0.45, 0.15), (0.4, 0.2), (0.5, 0.1)],
        eyes=["wide", "wide", "pinhole", "oval"],
        mouths=["open_frown", "open_frown", "gritted", "wavy", "big_o"],
        extras=["", "sweat", "hands"],
        tints=[None, None, None, (170, 200, 235)],
    ),
    "sadness": Face(  # AU 1 + 4 + 15: inner brows up, corners of the mouth down
        brows=[(0.25, -0.05), (0.3, 0.0), (0.2, -0.1)],
        eyes=["dot", "oval", "closed", "down"],
        mouths=["frown", "frown", "small_frown", "flat", "open_frown"],
        extras=["", "", "tear", "streams"],
        tints=[None, None, None, None, (120, 190, 235)],
    ),
}


def portraits(count: int, side: int, seed: int) -> tuple[list[Image.Image], np.ndarray]:
    """`count` pictures, all emotions equally often, and their emotions in taxonomy order."""
    rng = np.random.default_rng(seed)
    emotions = np.arange(count) % len(EMOTIONS)
    return [portrait(EMOTIONS[k], side, rng) for k in emotions], emotions


def portrait(emotion: str, side: int, rng: np.random.Generator) -> Image.Image:
    """One RGBA picture, `side` pixels square, of a person who shows `emotion`."""
    big, face = side * _FINE, _FACES[emotion]
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    has_bust, is_line_art = rng.random() < 0.6, rng.random() < 0.4
    unit = big * (rng.uniform(0.17, 0.28) if has_bust else rng.uniform(0.28, 0.42))
    height = rng.uniform(0.32, 0.45) if has_bust else 0.48
    pen = Pen(image, (big * rng.uniform(0.44, 0.56), big * height), unit, rng)
    skin = WHITE if is_line_art else (_one(face.tints, rng) or _one(_SKINS, rng))
    extra = _one(face.extras, rng)
    hair = WHITE if is_line_art and rng.random() < 0.3 else pen.ink
    if not is_line_art and rng.random() < 0.7:
        hair = any_colour(rng)
    _person(pen, skin, hair, extra, rng, edge=is_line_art or rng.random() < 0.3, bust=has_bust)
    _features(pen, face, extra, rng)
    turned = image.rotate(rng.uniform(-10, 10), Image.Resampling.BILINEAR)
    if rng.random() < 0.3:
        ground = Image.new("RGBA", turned.size, (*any_colour(rng), 255))
        turned = Image.alpha_composite(ground, turned)
    return turned.resize((side, side), Image.Resampling.BOX)


def _one(options: Sequence[_Option], rng: np.random.Generator) -> _Option:
    return options[int(rng.integers(len(options)))]


def _person(
    pen: Pen,
    skin: Colour,
    hair: Colour,
    extra: str,
    rng: np.random.Generator,
    *,
    edge: bool,
    bust: bool,
) -> None:
    """Everything but the face: back hair, shoulders, head, ears, front hair, beard, arms."""
    tall, cut = rng.uniform(1.05, 1.35), rng.choice(["none", "cap", "long", "curls", "spikes"])
    if cut == "long":
        pen.oval(0, 0.35, rng.uniform(1.15, 1.45), rng.uniform(1.3, 1.8), hair, edge=edge)
    if bust:
        cloth = WHITE if edge and rng.random() < 0.6 else any_colour(rng)
        wide = rng.uniform(1.4, 2.0)
        pen.shape([(-0.35, 0.8), (0.35, 0.8), (0.35, 1.7), (-0.35, 1.7)], skin, edge=edge)
        pen.shape([*arc(0, 2.6, wide, 1.2, 180, 360), (wide, 5), (-wide, 5)], cloth, edge=edge)
    for side in (-1, 1) if rng.random() < 0.5 else ():
        pen.oval(side, 0.15, 0.2, 0.28, skin, edge=edge)
    pen.oval(0, 0.15, 1, tall, skin, edge=edge)
    if cut in ("cap", "long"):
        low = rng.uniform(-0.75, -0.35)
        pen.shape([*arc(0, low, 1.08, tall + low + 0.1, 180, 360), (0, low)], hair, edge=edge)
    elif cut in ("curls", "spikes"):
        for x, y in arc(0, 0.05, 0.95, tall, 195, 345)[:: rng.integers(2, 4)]:
            if cut == "curls":
                pen.oval(x, y, 0.3, 0.3, hair, edge=edge)
            else:
                pen.shape([(x - 0.25, y + 0.2), (1.35 * x, 1.35 * y), (x + 0.25, y + 0.2)], hair)
    if extra in ("arms", "hands"):
        _arms(pen, skin, extra, edge=edge)


def _arms(pen: Pen, skin: Colour, extra: str, *, edge: bool) -> None:
    for side in (-1, 1):
        x, y = (side * 1.5, -0.9) if extra == "arms" else (side * 0.85, 0.85)
        pen.shape([(x - 0.15, y), (x + 0.15, y), (side * 1.75, 3), (side * 1.45, 3)], skin)
        pen.oval(x, y, 0.26, 0.3, skin, edge=True if extra == "hands" else edge)


def _features(pen: Pen, face: Face, extra: str, rng: np.random.Generator) -> None:
    apart, low = rng.uniform(0.33, 0.5), rng.uniform(0.5, 0.7)
    size = rng.uniform(0.1, 0.2)
    eye, (inner, outer) = _one(face.eyes, rng), _one(face.brows, rng)
    for side in (-1, 1):
        _eye(pen, "dot" if eye == "wink" and side > 0 else eye, side, apart, size)
        if rng.random() < 0.97:
            lift = -0.25 - size
            bend = (
                (side * (apart - 0.22), lift - inner),
                (side * apart, lift - 0.06 - (inner + outer) / 2),
            )
            pen.line([*bend, (side * (apart + 0.24), lift - outer)])
    kind = rng.integers(4)
    if kind == 0:
        pen.line([(0, 0.1), (0.1, 0.32), (-0.04, 0.34)])
    elif kind == 1:
        pen.line(arc(0, 0.28, 0.11, 0.08, 0, 180))
    _mouth(pen, _one(face.mouths, rng), low, rng.uniform(0.28, 0.5))
    _extra(pen, extra, apart, rng)
    if rng.random() < 0.1:
        for side in (-1, 1):
            pen.line(arc(side * apart, 0, 0.3, 0.3, 0, 360))


def _eye(pen: Pen, kind: str, side: int, apart: float, size: float) -> None:
    x = side * apart
    if kind in ("dot", "oval"):
        pen.oval(x, 0, size * 0.6, size * (0.6 if kind == "dot" else 1.2), pen.ink)
    elif kind in ("happy", "closed", "wink"):
        down = kind == "closed"
        pen.line(arc(x, 0, 1.3 * size, size, *((0, 180) if down else (180, 360))))
    elif kind == "squeezed":
        pen.line([(x + side * size, -size), (x - side * size, 0), (x + side * size, size)])
    elif kind == "star":
        pen.shape(star(x, 0, 1.8 * size), (255, 205, 60), edge=True)
    else:
        _open_eye(pen, kind, x, side, size)


def _open_eye(pen: Pen, kind: str, x: float, side: int, size: float) -> None:
    """Eyes whose white shows."""
    tall = {"wide": 1.7, "pinhole": 1.7}.get(kind, 1.1)
    pen.oval(x, 0, 1.4 * size, tall * size, WHITE, edge=True)
    pupil = {"pinhole": 0.25, "wide": 0.6}.get(kind, 0.6) * size
    dx, dy = {"side": (0.7 * size, 0.0), "down": (0.0, 0.5 * size)}.get(kind, (0.0, 0.0))
    pen.oval(x + dx, dy, pupil, pupil, pen.ink)
    if kind == "half":
        pen.line([(x - 1.4 * size, -0.2 * size), (x + 1.4 * size, -0.2 * size)])
    elif kind == "cut_in":
        pen.line([(x - side * 1.5 * size, -0.3 * size), (x + side * 1.5 * size, -1.3 * size)])


def _mouth(pen: Pen, kind: str, y: float, w: float) -> None:
    up, down = arc(0, y - 0.5 * w, w, 0.6 * w, 20, 160), arc(0, y + 0.5 * w, w, 0.6 * w, 200, 340)
    if kind in ("smile", "small_smile"):
        pen.line(up if kind == "smile" else [(0.6 * a, b) for a, b in up])
    elif kind in ("frown", "small_frown"):
        pen.line(down if kind == "frown" else [(0.6 * a, b) for a, b in down])
    elif kind in ("grin", "teeth_grin", "tongue_out"):
        bowl = arc(0, y - 0.3 * w, w, 1.1 * w, 0, 180)
        pen.shape(bowl, WHITE if kind == "teeth_grin" else _MOUTH_RED, edge=True)
        if kind == "tongue_out":
            pen.oval(0.1, y + 0.7 * w, 0.4 * w, 0.6 * w, _TONGUE, edge=True)
        elif kind == "grin":
            pen.shape(arc(0, y - 0.27 * w, 0.9 * w, 0.35 * w, 0, 180), WHITE)
    elif kind in ("small_o", "big_o"):
        size = 0.4 * w if kind == "small_o" else 0.75 * w
        pen.oval(0, y, 0.8 * size, size, _MOUTH_RED, edge=True)
    elif kind in ("open_frown", "shout"):
        pen.shape(arc(0, y + 0.4 * w, w, 0.9 * w, 180, 360), _MOUTH_RED, edge=True)
        if kind == "shout":
            pen.shape(arc(0, y - 0.2 * w, 0.6 * w, 0.2 * w, 0, 360), WHITE)
    else:
        _tight_mouth(pen, kind, y, w)


def _tight_mouth(pen: Pen, kind: str, y: float, w: float) -> None:
    if kind in ("gritted", "fangs"):
        h = 0.35 * w
        pen.shape([(-w, y - h), (w, y - h), (w, y + h), (-w, y + h)], WHITE, edge=True)
        pen.line([(-w, y), (w, y)])
        for x in (-0.5, 0.0, 0.5) if kind == "gritted" else (-0.6, 0.6):
            pen.line([(x * w, y - h), (x * w, y + (h if kind == "gritted" else 0.9 * w))])
    elif kind == "wavy":
        xs = np.linspace(-w, w, 25)
        pen.line([(float(x), y + 0.25 * w * float(np.sin(3 * np.pi * x / w))) for x in xs])
    elif kind == "crooked":
        pen.line([(-w, y + 0.35 * w), (-0.2 * w, y - 0.15 * w), (0.4 * w, y), (w, y - 0.3 * w)])
    elif kind in ("sick_tongue", "vomit"):
        fill = _TONGUE if kind == "sick_tongue" else _SICK
        pen.shape(arc(0, y + 0.3 * w, w, 0.6 * w, 180, 360), _MOUTH_RED, edge=True)
        pen.oval(
            0, y + 0.7 * w, 0.5 * w, (0.6 if kind == "sick_tongue" else 1.2) * w, fill, edge=True
        )
    else:
        pen.line([(-0.7 * w, y), (0.7 * w, y)])


def _extra(pen: Pen, kind: str, apart: float, rng: np.random.Generator) -> None:
    if kind in ("tear", "joy_tears", "streams"):
        for side in (-1, 1) if kind != "tear" else (1,):
            x, y = (apart, 0.35) if kind == "tear" else (apart + 0.25 * (kind != "streams"), 0.3)
            pen.oval(side * x, y, 0.11, 0.5 if kind == "streams" else 0.17, _WATER)
    elif kind == "sweat":
        pen.oval(0.75, -0.55, 0.13, 0.22, _WATER)
    elif kind == "blush":
        for side in (-1, 1):
            pen.oval(side * 0.65, 0.35, 0.18, 0.11, (245, 140, 130))
    elif kind in ("furrow", "nose_lines"):
        y = -0.3 if kind == "furrow" else 0.1
        for side in (-1, 1):
            pen.line([(side * 0.1, y - 0.15), (side * 0.07, y + 0.1)])
    elif kind == "party_hat":
        pen.shape([(-0.5, -0.85), (0, -2), (0.5, -0.85)], any_colour(rng), edge=True)
    elif kind == "confetti":
        for x, y in rng.uniform(-1.8, 1.8, (14, 2)):
            if x * x + y * y > 1.5:
                pen.oval(float(x), float(y), 0.1, 0.1, any_colour(rng))
