"""Whether two aligned pictures differ in colour as a copy may: tinted, more or less vivid, grey.

Structure alone joins what was drawn once and coloured twice: hearts and cars of every colour.
Pictures are (C, C, 3) float32 in YCrCb, chroma centred on 0.
"""

from __future__ import annotations

import numpy as np

NOISE = 4.0  # standard deviation of chroma that compression leaves
GREY = 6.0  # standard deviation of chroma up to which a picture is grey
TONES = 60.0  # mean change of luma that counts as much as another colour


def difference(one: np.ndarray, two: np.ndarray) -> float:
    """0 for a copy, about 1 for unrelated colours.

    The chroma of one is fitted by the other's, weaker or stronger but never inverted, plus a tint
    that grows with light; what is left counts, as a share of the chroma there was. A grey copy has
    no chroma to compare, but keeps the luma: there the change of luma counts.
    """
    strength = [float(np.sqrt((side[..., 1:] ** 2).mean())) for side in (one, two)]
    if min(strength) <= GREY < max(strength):
        return float(np.abs(one[..., 0] - two[..., 0]).mean()) / TONES
    return min(_left(one, two), _left(two, one))


def _left(one: np.ndarray, two: np.ndarray) -> float:
    """Share of the chroma of `two` that scaled chroma of `one` and a tint do not explain."""
    light = two[..., 0].ravel() / 255
    given, wanted = one[..., 1:].reshape(-1, 2), two[..., 1:].reshape(-1, 2)
    weight = light / max(float(light @ light), 1e-6)

    def untinted(chroma: np.ndarray) -> np.ndarray:
        return np.asarray(chroma - np.outer(light, weight @ chroma))

    own, other = untinted(given), untinted(wanted)
    scale = max(0.0, float((own * other).sum()) / max(float((own**2).sum()), 1e-6))
    left = float(((other - scale * own) ** 2).mean())
    return left / (float((wanted**2).mean()) + NOISE**2)
