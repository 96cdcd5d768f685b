"""Pairs of rows that are near copies, with the numbers that say so.

Candidates (`emo8.duplicates.candidates`) are compared by their thumbnails
(`emo8.duplicates.verify`); the thresholds of the recipe decide afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emo8.core import label_set
from emo8.core.settings import DecideConfig
from emo8.duplicates.verify import UNLIKE, compare
from emo8.duplicates.views import Views

POSSIBLE = 1.5  # times the threshold: such pairs are shown as possible copies, and stay
NUMBERS = ("distance", "sim", "residual", "crop_residual", "colour", "mirrored")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Thresholds of N rows, by their styles; of two rows the stricter one counts."""

    min_sim: np.ndarray
    residual: np.ndarray
    crop_residual: np.ndarray
    colour: np.ndarray


def limits_of(styles: Sequence[str | None], config: DecideConfig) -> Limits:
    """The thresholds of rows with these styles; a row without style gets the common ones."""
    known = {style: config.for_style(style) for style in (*label_set.styles(), "")}
    rows = [known[style or ""] for style in styles]
    return Limits(
        min_sim=np.array([row.min_near_sim for row in rows], np.float32),
        residual=np.array([row.max_near_residual for row in rows], np.float32),
        crop_residual=np.array([row.max_crop_residual for row in rows], np.float32),
        colour=np.array([row.max_near_colour for row in rows], np.float32),
    )


def measured(views: Views, pairs: np.ndarray, min_crop_sim: float) -> pd.DataFrame:
    """One line per pair: left, right, and `NUMBERS`."""
    compared = compare(views, pairs, min_crop_sim)
    return pd.DataFrame(
        {
            "left": pairs[:, 0],
            "right": pairs[:, 1],
            "distance": hash_distance(views.hashes, pairs),
            "sim": compared.sim,
            "residual": compared.residual,
            "crop_residual": compared.crop_residual,
            "colour": compared.colour,
            "mirrored": compared.mirrored,
        }
    )


def hash_distance(hashes: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(P,) fewest bits by which the hashes of any two views of each pair differ."""
    least = np.full(len(pairs), 64, np.int64)
    for own in range(2):
        for other in range(hashes.shape[1]):
            differ = hashes[pairs[:, 0], own] ^ hashes[pairs[:, 1], other]
            least = np.minimum(least, np.bitwise_count(differ))
    return least


def possible(config: DecideConfig) -> str:
    """SQL: what stored pairs that `judged` may tell something of have in common, by any style."""
    limits = limits_of([*label_set.styles(), None], config)
    residual = POSSIBLE * float(limits.residual.max())
    crop = POSSIBLE * float(limits.crop_residual.max())
    return f"(residual <= {residual} OR crop_residual <= {crop})"


def judged(found: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The pairs that are copies or possibly copies, as `verdict` and `relation` say."""
    left, right = found["left"].to_numpy(), found["right"].to_numpy()
    framed = found["residual"] / np.minimum(limits.residual[left], limits.residual[right])
    crop = found["crop_residual"] / np.minimum(
        limits.crop_residual[left], limits.crop_residual[right]
    )
    sim_ok = found["sim"] >= np.minimum(limits.min_sim[left], limits.min_sim[right])
    colour_ok = found["colour"] <= np.minimum(limits.colour[left], limits.colour[right])
    score = np.minimum(framed, crop).where(sim_ok, UNLIKE)
    relation = np.where(found["mirrored"], "mirrored", "same frame")
    relation = np.where(framed <= crop, relation, "light crop")
    verdict = np.where((score <= 1) & colour_ok, "copy", "possible")
    told = found.assign(relation=relation, verdict=verdict)
    return told[score <= POSSIBLE].reset_index(drop=True)
