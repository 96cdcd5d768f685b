"""Whether two pictures are copies, by their thumbnails: what is left after the best alignment.

Hashes and embeddings of look-alikes agree too often (emoji of one meaning, renderings of one
design), so every pair they name is compared once more. One picture's tones are mapped onto the
other's, and the largest difference of any of 8 x 8 blocks counts, in grey levels: a copy leaves
next to nothing anywhere, a variant leaves what was changed. What was drawn once and coloured twice
is told by `emo8.duplicates.colour`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from emo8.duplicates import align, colour
from emo8.duplicates.views import Views, mirrored
from emo8.measure.filters.copies import CHROMA_SIDE_PX

VERSION = 2  # of the comparison: numbers of different versions are not mixed
NUM_BLOCKS = 8  # along each side of a thumbnail
BLUR_SIGMA_PX = 1.0  # of thumbnails: resampling differs by less than a pixel
MIN_CONTRAST = 19.0  # standard deviation of grey to which flatter pictures are stretched
MIN_LAYOUT_SIM = 0.9  # of coarse layouts: planted copies that keep their frame reach 0.94 (1 in 33)
MIN_CROP_LAYOUT_SIM = 0.65  # light crops reach 0.75 (1 in 33)
SURE_LAYOUT_SIM = 0.95  # alignment is tried whatever the embeddings say, which a frame misleads
MIN_NCC = 0.85  # of whole thumbnails; below it the residual is never small
ENOUGH = 2.0  # under this residual a pair needs no other explanation
COLOURED = 40.0  # colours are compared up to this residual: more is no copy anyway
UNLIKE = 99.0  # residual of pairs not worth comparing
CHUNK = 8192  # pairs in memory at a time


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What the comparison of P pairs found, row-aligned with the pairs."""

    residual: np.ndarray  # (P,) float32: best alignment with the frame kept; UNLIKE = not compared
    crop_residual: np.ndarray  # (P,) float32: one as a light crop of the other, or of its content
    colour: np.ndarray  # (P,) float32: what tint and vividness leave; UNLIKE = not compared
    sim: np.ndarray  # (P,) float32: cosine of the embeddings
    mirrored: np.ndarray  # (P,) bool: the second picture had to be mirrored


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The views (2, S, S) of two pictures, the second mirrored where that fits better."""

    one: np.ndarray
    two: np.ndarray
    chroma_one: np.ndarray  # (2, C, C, 2)
    chroma_two: np.ndarray


def plausible(views: Views, pairs: np.ndarray, min_crop_sim: float) -> np.ndarray:
    """Those of the (P, 2) row pairs whose layouts are near enough to compare their thumbnails."""
    kept = [np.empty((0, 2), np.int64)]
    for start in range(0, len(pairs), CHUNK):
        part = pairs[start : start + CHUNK]
        straight, flipped = layout_sims(views.layout, part)
        layout = np.maximum(straight, flipped)
        alike = cosine(views.embedding, part) >= min_crop_sim
        worth = (layout >= MIN_LAYOUT_SIM) | ((layout >= MIN_CROP_LAYOUT_SIM) & alike)
        kept.append(part[worth])
    return np.concatenate(kept)


def compare(views: Views, pairs: np.ndarray, min_crop_sim: float) -> Compared:
    """The residuals of (P, 2) row pairs.

    Whether one is a crop of the other is tried (it is slow) where nothing simpler explains the
    pair, and the embeddings agree by `min_crop_sim` or the layouts leave little doubt.
    """
    sim = cosine(views.embedding, pairs)
    straight, flipped = layout_sims(views.layout, pairs)
    layout = np.maximum(straight, flipped)
    residual, crop, hue = np.full((3, len(pairs)), UNLIKE, np.float32)
    aligned = (layout >= SURE_LAYOUT_SIM) | (
        (layout >= MIN_CROP_LAYOUT_SIM) & (sim >= min_crop_sim)
    )
    for number, (left, right) in enumerate(pairs.tolist()):
        pair = _pair(views, left, right, mirror=bool(flipped[number] > straight[number]))
        if layout[number] >= MIN_LAYOUT_SIM:
            residual[number], hue[number] = framed(pair)
        if residual[number] > ENOUGH and aligned[number]:
            crop[number], cropped_hue = cropped(pair)
            if crop[number] < residual[number]:
                hue[number] = cropped_hue
    return Compared(
        residual=residual, crop_residual=crop, colour=hue, sim=sim, mirrored=flipped > straight
    )


def cosine(vectors: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(P,) cosines of the (N, D) vectors of each pair; 0 where one has none."""
    out = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), CHUNK):
        part = pairs[start : start + CHUNK]
        left, right = vectors[part[:, 0]], vectors[part[:, 1]]
        norm = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        out[start : start + CHUNK] = (left * right).sum(axis=1) / np.maximum(norm, 1e-9)
    return out


def layout_sims(layout: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best agreement of any two views of each pair, straight and with the second mirrored."""
    straight, flipped = np.empty((2, len(pairs)), np.float32)
    for start in range(0, len(pairs), CHUNK):
        part = pairs[start : start + CHUNK]
        left, right = layout[part[:, 0]], layout[part[:, 1]]
        stop = start + len(part)
        straight[start:stop] = np.einsum("pad,pbd->pab", left, right).max(axis=(1, 2))
        turned = mirrored(right)
        flipped[start:stop] = np.einsum("pad,pbd->pab", left, turned).max(axis=(1, 2))
    return straight, flipped


def framed(pair: Pair) -> tuple[float, float]:
    """Residual and colour of the views that align best, frames kept or trimmed."""
    found = [(UNLIKE, UNLIKE)]
    for ncc, a, b in _ranked(pair)[:2]:
        if ncc >= MIN_NCC:
            left = residual(_blurred(pair.one[a]), _blurred(pair.two[b]))
            found.append((left, _colour(pair, a, b, left)))
    return min(found)


def cropped(pair: Pair) -> tuple[float, float]:
    """Residual and colour of two pictures when either is a light crop of the other."""
    _, a, b = _ranked(pair)[0]
    found = [(UNLIKE, UNLIKE)]
    for whole, part, whole_chroma, part_chroma in (
        (pair.one[a], pair.two[b], pair.chroma_one[a], pair.chroma_two[b]),
        (pair.two[b], pair.one[a], pair.chroma_two[b], pair.chroma_one[a]),
    ):
        warp = align.window(whole, part)
        if warp is None:
            continue
        shown = align.cut(whole, warp)
        left = residual(_blurred(shown), _blurred(part))
        hue = UNLIKE
        if left <= COLOURED:
            coarse = warp * np.array([1, 1, CHROMA_SIDE_PX / len(whole)], np.float32)
            cut = align.cut(whole_chroma, coarse)
            hue = colour.difference(_coloured(shown, cut), _coloured(part, part_chroma))
        found.append((left, hue))
    return min(found)


def residual(one: np.ndarray, two: np.ndarray) -> float:
    """Largest block of the difference of two (S, S) uint8 pictures after mapping their tones.

    Its root mean square in grey levels; the better of the two directions, since tones that were
    clipped or lost can be mapped in one only.
    """
    return min(_residual_onto(one, two), _residual_onto(two, one))


def match_tones(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`source` as float32 with the grey histogram of `target`: monotone, so structure stays.

    Each grey value becomes the mean of the target's values at the same ranks.
    """
    ranks = np.concatenate([[0], np.cumsum(np.bincount(source.ravel(), minlength=256))])
    sums = np.concatenate([[0], np.cumsum(np.sort(target, axis=None), dtype=np.int64)])
    counts = np.diff(ranks)
    mean = np.diff(sums[ranks]) / np.maximum(counts, 1)
    return np.asarray(mean.astype(np.float32)[source])


def _residual_onto(source: np.ndarray, target: np.ndarray) -> float:
    """As `residual`; grey levels and not shares of the contrast, which silhouettes dominate."""
    wanted = target.astype(np.float32)
    error = _blocks((match_tones(source, target) - wanted) ** 2)
    return float(np.sqrt(error.max())) * max(1.0, MIN_CONTRAST / max(float(wanted.std()), 1.0))


def _pair(views: Views, left: int, right: int, *, mirror: bool) -> Pair:
    two, chroma_two = views.thumbs[right], views.chroma[right]
    if mirror:
        two = np.ascontiguousarray(two[:, :, ::-1])
        chroma_two = np.ascontiguousarray(chroma_two[:, :, ::-1])
    return Pair(
        one=views.thumbs[left], two=two, chroma_one=views.chroma[left], chroma_two=chroma_two
    )


def _ranked(pair: Pair) -> list[tuple[float, int, int]]:
    """Correlation of every view of one with every view of two, the best first."""
    flat = [[_unit(view) for view in side] for side in (pair.one, pair.two)]
    sims = [(float(flat[0][a] @ flat[1][b]), a, b) for a in (0, 1) for b in (0, 1)]
    return sorted(sims, key=lambda item: item[0], reverse=True)


def _unit(thumb: np.ndarray) -> np.ndarray:
    flat = thumb.ravel().astype(np.float32)
    flat -= flat.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-3))


def _colour(pair: Pair, a: int, b: int, left: float) -> float:
    if left > COLOURED:
        return UNLIKE
    one = _coloured(pair.one[a], pair.chroma_one[a])
    return colour.difference(one, _coloured(pair.two[b], pair.chroma_two[b]))


def _coloured(thumb: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """(C, C, 3) float32 YCrCb of a thumbnail and its chroma."""
    side = (CHROMA_SIDE_PX, CHROMA_SIDE_PX)
    luma = cv2.resize(thumb, side, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.dstack([luma, chroma.astype(np.float32) - 128])


def _blurred(thumb: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(thumb, (0, 0), BLUR_SIGMA_PX))


def _blocks(values: np.ndarray) -> np.ndarray:
    """(8, 8) means of the blocks of an (S, S) array."""
    step = len(values) // NUM_BLOCKS
    return np.asarray(values.reshape(NUM_BLOCKS, step, NUM_BLOCKS, step).mean(axis=(1, 3)))
