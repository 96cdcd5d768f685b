"""Whether two pictures are copies, by their thumbnails: what is left after the best alignment.

Hashes and embeddings of look-alikes agree too often (emoji of one meaning, renderings of one
design), so every pair they name is compared once more. One picture's tones are mapped onto the
other's, and the largest difference of any of 8 x 8 blocks counts, as a share of the variance:
a copy leaves next to nothing anywhere, a variant leaves what was changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from emo8.copies.views import Views, mirrored

VERSION = 1  # of the comparison: numbers of different versions are not mixed
NUM_BLOCKS = 8  # along each side of a thumbnail
MIN_TEXTURE = 6.0  # grey variance inside a block; JPEG noise stays under it
MIN_TEXTURED_BLOCKS = 4
MIN_LAYOUT_SIM = 0.9  # of coarse layouts: planted copies that keep their frame reach 0.94 (1 in 33)
MIN_CROP_LAYOUT_SIM = 0.65  # light crops reach 0.75 (1 in 33)
MIN_NCC = 0.85  # of whole thumbnails; below it the residual is never small
MIN_CROP_NCC = 0.85  # of 32 px thumbnails slid over one another, before they are aligned finely
CROP_SCALES = (0.96, 0.91, 0.86)  # sides of the crop, tried coarsely
CROP_AREA = (0.72, 1.3)  # of the finely aligned window: more is no light crop
CROP_SHEAR = 0.06  # of its axes: more is another picture bent into this one
ENOUGH = 0.03  # under this residual a pair needs no other explanation
UNLIKE = 9.0  # residual of pairs not worth comparing


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What the comparison of P pairs found, row-aligned with the pairs."""

    residual: np.ndarray  # (P,) float32: best alignment with the frame kept; UNLIKE = not compared
    crop_residual: np.ndarray  # (P,) float32: one as a light crop of the other
    sim: np.ndarray  # (P,) float32: cosine of the embeddings
    mirrored: np.ndarray  # (P,) bool: the second picture had to be mirrored


def compare(views: Views, pairs: np.ndarray, min_crop_sim: float) -> Compared:
    """The residuals of (P, 2) row pairs.

    Whether one is a crop of the other is tried (it is slow) where nothing simpler explains the
    pair and the embeddings agree by `min_crop_sim`.
    """
    sim = cosine(views.embedding, pairs)
    straight, flipped = _layout_sims(views.layout, pairs)
    layout = np.maximum(straight, flipped)
    residual = np.full(len(pairs), UNLIKE, np.float32)
    crop = np.full(len(pairs), UNLIKE, np.float32)
    for number in np.flatnonzero(layout >= MIN_LAYOUT_SIM).tolist():
        left, right = pairs[number]
        second = views.thumbs[right]
        if flipped[number] > straight[number]:
            second = np.ascontiguousarray(second[:, :, ::-1])
        residual[number] = framed_residual(views.thumbs[left], second)
    maybe = (residual > ENOUGH) & (straight >= MIN_CROP_LAYOUT_SIM) & (sim >= min_crop_sim)
    for number in np.flatnonzero(maybe).tolist():
        left, right = pairs[number]
        crop[number] = crop_residual(views.thumbs[left, 0], views.thumbs[right, 0])
    return Compared(residual=residual, crop_residual=crop, sim=sim, mirrored=(flipped > straight))


def cosine(vectors: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(P,) cosines of the (N, D) vectors of each pair; 0 where one has none."""
    out = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), 65_536):  # bounded memory on many pairs
        part = pairs[start : start + 65_536]
        left, right = vectors[part[:, 0]], vectors[part[:, 1]]
        norm = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        out[start : start + 65_536] = (left * right).sum(axis=1) / np.maximum(norm, 1e-9)
    return out


def _layout_sims(layout: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best agreement of any two views of each pair, straight and with the second mirrored."""
    straight, flipped = np.empty((2, len(pairs)), np.float32)
    for start in range(0, len(pairs), 65_536):
        part = pairs[start : start + 65_536]
        left, right = layout[part[:, 0]], layout[part[:, 1]]
        stop = start + len(part)
        straight[start:stop] = np.einsum("pad,pbd->pab", left, right).max(axis=(1, 2))
        turned = mirrored(right)
        flipped[start:stop] = np.einsum("pad,pbd->pab", left, turned).max(axis=(1, 2))
    return straight, flipped


def framed_residual(one: np.ndarray, two: np.ndarray) -> float:
    """Residual of the views (2, S, S) of two pictures that align best, frames kept or trimmed."""
    flat = [_unit(view) for view in (*one, *two)]
    sims = {(a, b): float(flat[a] @ flat[2 + b]) for a in (0, 1) for b in (0, 1)}
    best = sorted(sims, key=lambda key: sims[key], reverse=True)[:2]
    good = [(a, b) for a, b in best if sims[a, b] >= MIN_NCC]
    return min((residual(one[a], two[b]) for a, b in good), default=UNLIKE)


def residual(one: np.ndarray, two: np.ndarray) -> float:
    """Largest block of the difference of two (S, S) uint8 pictures after mapping their tones.

    In units of the variance of the picture mapped to; the better of the two directions, since
    tones that were clipped or lost can be mapped in one only.
    """
    return min(_residual_onto(one, two), _residual_onto(two, one))


def _residual_onto(source: np.ndarray, target: np.ndarray) -> float:
    """The worse of two: the largest block, and the texture of the upper fifth of the blocks.

    The largest block is in variances of the whole picture, which silhouettes on white paper
    dominate; so blocks with texture must also agree in units of their own variance (planets of
    one size have one silhouette and different surfaces).
    """
    wanted = target.astype(np.float32)
    error = _blocks((match_tones(source, target) - wanted) ** 2)
    own = _blocks(wanted**2) - _blocks(wanted) ** 2
    largest = float(error.max()) / max(float(wanted.var()), 4.0)
    textured = own >= MIN_TEXTURE
    if textured.sum() < MIN_TEXTURED_BLOCKS:
        return largest
    return max(largest, float(np.quantile(error[textured] / own[textured], 0.8)))


def _blocks(values: np.ndarray) -> np.ndarray:
    """(8, 8) means of the blocks of an (S, S) array."""
    step = len(values) // NUM_BLOCKS
    return np.asarray(values.reshape(NUM_BLOCKS, step, NUM_BLOCKS, step).mean(axis=(1, 3)))


def match_tones(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`source` as float32 with the grey histogram of `target`: monotone, so structure stays.

    Each grey value becomes the mean of the target's values at the same ranks.
    """
    ranks = np.concatenate([[0], np.cumsum(np.bincount(source.ravel(), minlength=256))])
    sums = np.concatenate([[0], np.cumsum(np.sort(target, axis=None), dtype=np.int64)])
    counts = np.diff(ranks)
    mean = np.diff(sums[ranks]) / np.maximum(counts, 1)
    return np.asarray(mean.astype(np.float32)[source])


def crop_residual(one: np.ndarray, two: np.ndarray) -> float:
    """Residual of two (S, S) pictures when either is a light crop of the other."""
    return min(_crop_of(one, two), _crop_of(two, one))


def _crop_of(whole: np.ndarray, part: np.ndarray) -> float:
    """Residual of `part` and the window of `whole` that fits it best; UNLIKE when none does.

    Coarse: slide over three scales. Fine: enhanced correlation coefficient, Evangelidis and
    Psarakis (2008), "Parametric image alignment using enhanced correlation coefficient
    maximization".
    """
    side = len(whole)
    small = cv2.resize(part, (32, 32), interpolation=cv2.INTER_AREA)
    best, start = MIN_CROP_NCC, None
    for scale in CROP_SCALES:
        wide = round(32 / scale)
        large = cv2.resize(whole, (wide, wide), interpolation=cv2.INTER_AREA)
        found = cv2.matchTemplate(large, small, cv2.TM_CCOEFF_NORMED)
        y, x = np.unravel_index(int(found.argmax()), found.shape)
        if found[y, x] > best:
            best, zoom = float(found[y, x]), 32 / wide
            start = np.array([[zoom, 0, x / wide * side], [0, zoom, y / wide * side]], np.float32)
    if start is None:
        return UNLIKE
    everywhere = np.full(whole.shape, 255, np.uint8)  # no mask
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    try:
        _, warp = cv2.findTransformECC(part, whole, start, cv2.MOTION_AFFINE, stop, everywhere, 3)
    except cv2.error:  # it does not converge: nothing fits
        return UNLIKE
    area = float(np.linalg.det(warp[:, :2]))
    if not CROP_AREA[0] <= area <= CROP_AREA[1] or max(abs(warp[0, 1]), abs(warp[1, 0])) > (
        CROP_SHEAR
    ):
        return UNLIKE
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    window = cv2.warpAffine(whole, warp, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return residual(window, part)


def _unit(thumb: np.ndarray) -> np.ndarray:
    flat = thumb.ravel().astype(np.float32)
    flat -= flat.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-3))
