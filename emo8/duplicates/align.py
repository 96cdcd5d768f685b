"""One picture as a light crop of another: the window of the whole that shows what the part shows.

Pictures are (S, S) uint8 thumbnails, squeezed to a square.
"""

from __future__ import annotations

import cv2
import numpy as np

COARSE_SIDE = 32
MIN_COARSE_NCC = 0.8  # of thumbnails slid over one another, before they are aligned finely
SCALES = (1.0, 0.96, 0.91, 0.86)  # sides of the window, tried coarsely
SIDES = (
    0.82,
    1.06,
)  # of the finely aligned window: less is no light crop, more is a leftover frame
MIN_AREA = 0.7
MAX_SHEAR = 0.06  # of its axes: more is another picture bent into this one
FILTER_PX = 5  # smoothing before fine alignment
MAX_STEPS, MIN_GAIN = 40, 1e-4


def window(whole: np.ndarray, part: np.ndarray) -> np.ndarray | None:
    """The (2, 3) affine map from pixels of `part` to those of `whole`; None when nothing fits.

    Coarse: slide over four scales. Fine: enhanced correlation coefficient, Evangelidis and
    Psarakis (2008), "Parametric image alignment using enhanced correlation coefficient
    maximization".
    """
    start = _slide(whole, part)
    if start is None:
        return None
    everywhere = np.full(whole.shape, 255, np.uint8)  # no mask
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, MAX_STEPS, MIN_GAIN)
    try:
        _, warp = cv2.findTransformECC(
            part, whole, start, cv2.MOTION_AFFINE, stop, everywhere, FILTER_PX
        )
    except cv2.error:  # it does not converge: nothing fits
        return None
    sides = np.array([warp[0, 0], warp[1, 1]])
    shear = max(abs(warp[0, 1]), abs(warp[1, 0]))
    fits = (SIDES[0] <= sides).all() and (sides <= SIDES[1]).all() and sides.prod() >= MIN_AREA
    return np.asarray(warp) if fits and shear <= MAX_SHEAR else None


def cut(whole: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """The window of an (S, S) or (S, S, C) picture that `warp` names, as large as the picture."""
    side = len(whole)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(whole, warp, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def _slide(whole: np.ndarray, part: np.ndarray) -> np.ndarray | None:
    """The best place of `part` in `whole` without any turning, as an affine map."""
    side = len(whole)
    small = cv2.resize(part, (COARSE_SIDE, COARSE_SIDE), interpolation=cv2.INTER_AREA)
    best, start = MIN_COARSE_NCC, None
    for scale in SCALES:
        wide = round(COARSE_SIDE / scale)
        large = cv2.resize(whole, (wide, wide), interpolation=cv2.INTER_AREA)
        found = cv2.matchTemplate(large, small, cv2.TM_CCOEFF_NORMED)
        y, x = np.unravel_index(int(found.argmax()), found.shape)
        if found[y, x] > best:
            best, zoom = float(found[y, x]), COARSE_SIDE / wide
            start = np.array([[zoom, 0, x / wide * side], [0, zoom, y / wide * side]], np.float32)
    return start
