"""What a run of some size reaches, by the curves of our study, and how sure that is."""

from __future__ import annotations

import math
from typing import Any

from pretrain.config.settings import PretrainConfig

# {seed: ((steps of 64 pictures, share of the teacher's variance explained on unseen pictures), …)}
# of `full` in benchmarks/results/learning, 29 November 2026
CURVES: dict[int, tuple[tuple[int, float], ...]] = {
    0: ((250, 0.052), (500, 0.131), (1_000, 0.365), (2_000, 0.413), (2_306, 0.484), (2_312, 0.471)),
    1: ((250, 0.102), (500, 0.122), (1_000, 0.335), (1_992, 0.383), (2_335, 0.465), (2_349, 0.484)),
    2: ((250, -0.008), (500, 0.220), (1_000, 0.277), (2_000, 0.410), (2_525, 0.431)),
}
BATCH = 64
STUDIED = "study_ti8 (ViT-Ti/8 of twelve blocks at 64 px, the embedded CLIP as teacher)"
TRANSFER = (
    "fine-tuned from it, styles were told better than from an untrained network (+0.04 to +0.05); "
    "frozen, its features were no better than raw pixels (docs/method.md)"
)


def expectation(config: PretrainConfig, pictures_seen: int, pictures: int) -> dict[str, Any]:
    """What a run that sees so many pictures explains of its teacher, with a 95 % interval.

    A line in the log of pictures seen through the points of all seeds, and its prediction interval
    for one more run; none outside of what was measured, or for another network.
    """
    points = [(BATCH * steps, value) for curve in CURVES.values() for steps, value in curve]
    low, high = min(seen for seen, _ in points), max(seen for seen, _ in points)
    studied = _is_studied(config) and low <= pictures_seen <= high
    at, half = _predicted(points, pictures_seen)
    return {
        "teacher_variance_explained": round(at, 2) if studied else None,
        "interval": [round(max(0.0, at - half), 2), round(at + half, 2)] if studied else None,
        "measured_between": [low, high],
        "passes_over_the_data": round(pictures_seen / max(1, pictures), 1),
        "how_sure": f"{len(CURVES)} seeds of {STUDIED} on our corpus; on yours it may differ"
        if studied
        else f"no figure: measured were {STUDIED} and {low:,} to {high:,} pictures seen. Train a "
        "tenth of the steps, look at `uniemox plot`, and decide",
        "transfer": TRANSFER,
    }


def told(found: dict[str, Any]) -> str:
    """The promise for people, one line."""
    if found["teacher_variance_explained"] is None:
        return str(found["how_sure"])
    low, high = found["interval"]
    at = found["teacher_variance_explained"]
    return f"{at:.2f} ({low:.2f} to {high:.2f}) of the teacher's variance; {found['how_sure']}"


def _is_studied(config: PretrainConfig) -> bool:
    model = config.model
    sizes = (model.encoder, model.dim, model.depth, model.patch_size, model.image_size)
    return sizes == ("vit", 192, 12, 8, 64)


def _predicted(points: list[tuple[int, float]], seen: int) -> tuple[float, float]:
    """Of a run that sees so many pictures: the line's value, and half of its 95 % interval.

    The interval of least squares for a new observation (Draper and Smith 1998, "Applied Regression
    Analysis", sec. 3.1).
    """
    from scipy import stats

    x = [math.log(count) for count, _ in points]
    fitted = stats.linregress(x, [value for _, value in points])
    at = fitted.intercept + fitted.slope * math.log(max(1, seen))
    errors = [
        value - fitted.intercept - fitted.slope * log
        for log, (_, value) in zip(x, points, strict=True)
    ]
    freedom = len(points) - 2
    spread = math.sqrt(sum(error * error for error in errors) / freedom)
    mean = sum(x) / len(x)
    off = (math.log(max(1, seen)) - mean) ** 2 / sum((log - mean) ** 2 for log in x)
    half = float(stats.t.ppf(0.975, freedom)) * spread * math.sqrt(1 + 1 / len(points) + off)
    return float(at), half
