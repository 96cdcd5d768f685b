"""What a run of some size reaches, by the curves of our study, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pretrain.config.settings import PretrainConfig

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Studied:
    """An arm of the study (benchmarks/results/learning, 29 November 2026)."""

    network: str
    depth: int  # blocks; ViT-Ti/8 at 64 px otherwise
    # {seed: ((steps, share of the teacher's variance explained on unseen pictures), …)}
    curves: dict[int, tuple[tuple[int, float], ...]]
    transfer: str

    @property
    def points(self) -> list[tuple[int, float]]:
        """(pictures seen, share explained) of all seeds."""
        return [(BATCH * steps, value) for curve in self.curves.values() for steps, value in curve]


FULL = Studied(
    network="study_ti8 (ViT-Ti/8 of twelve blocks at 64 px, the embedded CLIP as teacher)",
    depth=12,
    curves={
        0: (
            (250, 0.052),
            (500, 0.131),
            (1_000, 0.365),
            (2_000, 0.413),
            (2_306, 0.484),
            (2_312, 0.471),
        ),
        1: (
            (250, 0.102),
            (500, 0.122),
            (1_000, 0.335),
            (1_992, 0.383),
            (2_335, 0.465),
            (2_349, 0.484),
        ),
        2: ((250, -0.008), (500, 0.220), (1_000, 0.277), (2_000, 0.410), (2_525, 0.431)),
    },
    transfer="fine-tuned from it, styles were told better than from an untrained network (+0.04 to "
    "+0.05); frozen, its features were no better than raw pixels (docs/method.md)",
)
SMALL_AND_LONG = Studied(
    network="cpu_demo's network (ViT-Ti/8 of four blocks at 64 px, the embedded CLIP as teacher)",
    depth=4,
    curves={
        0: (
            (250, 0.110),
            (500, 0.230),
            (1_000, 0.334),
            (2_000, 0.422),
            (4_000, 0.612),
            (6_941, 0.670),
            (7_030, 0.659),
        ),
        1: (
            (250, 0.162),
            (500, 0.211),
            (1_000, 0.345),
            (2_000, 0.403),
            (4_000, 0.543),
            (7_000, 0.657),
            (7_047, 0.659),
        ),
        2: (
            (250, -0.024),
            (500, 0.263),
            (1_000, 0.332),
            (2_000, 0.450),
            (4_000, 0.602),
            (6_600, 0.672),
            (6_686, 0.671),
        ),
    },
    transfer="after 7,000 steps frozen features told emotions of unseen artists better than raw "
    "pixels and an untrained network, styles not better than untrained; it helped most where "
    "pictures like those asked about had been in DATA, without labels (docs/method.md)",
)
ALL = {"full": FULL, "small_and_long": SMALL_AND_LONG}


def expectation(config: PretrainConfig, pictures_seen: int, pictures: int) -> dict[str, Any]:
    """What a run that sees so many pictures explains of its teacher, with a 95 % interval.

    A line in the log of pictures seen through the points of all seeds, and its prediction interval
    for one more run; none outside of what was measured, or for another network.
    """
    arm = next((arm for arm in ALL.values() if _is_of(config, arm)), None)
    nearest = arm or FULL
    low, high = (edge(seen for seen, _ in nearest.points) for edge in (min, max))
    inside = arm is not None and low <= pictures_seen <= high
    at, half = _predicted(nearest.points, pictures_seen)
    return {
        "teacher_variance_explained": round(at, 2) if inside else None,
        "interval": [round(max(0.0, at - half), 2), round(at + half, 2)] if inside else None,
        "measured_between": [low, high],
        "passes_over_the_data": round(pictures_seen / max(1, pictures), 1),
        "how_sure": f"{len(nearest.curves)} seeds of {nearest.network} on our corpus; on yours it "
        "may differ"
        if inside
        else f"no figure: measured was {nearest.network} and {low:,} to {high:,} pictures seen. "
        "Train a tenth of the steps, look at `uniemox plot`, and decide",
        "transfer": nearest.transfer,
    }


def told(found: dict[str, Any]) -> str:
    """The promise for people, one line."""
    if found["teacher_variance_explained"] is None:
        return str(found["how_sure"])
    low, high = found["interval"]
    at = found["teacher_variance_explained"]
    return f"{at:.2f} ({low:.2f} to {high:.2f}) of the teacher's variance; {found['how_sure']}"


def _is_of(config: PretrainConfig, arm: Studied) -> bool:
    model = config.model
    sizes = (model.encoder, model.dim, model.depth, model.patch_size, model.image_size)
    return sizes == ("vit", 192, arm.depth, 8, 64)


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
