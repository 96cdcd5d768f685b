"""Boxes of people: who draws them, which comes first, and what happens without a detector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.core.schema import IMAGE, PERSON
from emo8.demo import sample
from emo8.measure.detectors import ResolvedDetector
from emo8.measure.people import NOT_RUN, People, by_prominence, prominence
from tests.conftest import encoded, picture


def _box(x0: float, y0: float, x1: float, y1: float, score: float = 1.0) -> dict[str, float]:
    return {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "score": score}


class Fixed:
    """A detector that finds the same two people everywhere, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def find(self, images: list[np.ndarray]) -> list[list[dict[str, float]]]:
        self.shown += [image.shape for image in images]
        return [[_box(0, 0, 0.2, 0.2, 0.9), _box(0.2, 0.1, 0.8, 0.9, 0.7), _box(0, 0, 1, 1, 0.1)]
                for _ in images]  # fmt: skip


def _run(detector: Any, resolved: ResolvedDetector) -> list[dict[str, Any]]:
    step = People(detector=resolved, min_score=0.5, max_people=20, max_pixels=10**8)
    images = [{"bytes": encoded(picture(k)), "path": None} for k in range(3)]
    brought = [None, [_box(0.1, 0.1, 0.5, 0.5)], None]
    reasons = [None, None, "truncated"]
    batch = {
        "rows": pa.table(
            {"image": pa.array(images, IMAGE), "people_source": pa.array(brought, pa.list_(PERSON))}
        ),
        "measure": pa.table({"decode_reason": pa.array(reasons, pa.string())}),
    }
    output = step.run(batch, detector)
    assert output.schema.equals(step.adds)
    return output.to_pylist()


def test_people__the_sources_boxes_win_and_broken_pictures_are_not_shown() -> None:
    detector = Fixed()
    rows = _run(detector, ResolvedDetector(name="torchvision:fixed", weights="w"))
    assert detector.shown == [(120, 160, 3)]
    assert [row["people_rule"] for row in rows] == ["torchvision:fixed", "source", NOT_RUN]
    assert [len(row["people"] or []) for row in rows] == [2, 1, 0]
    assert rows[0]["people"][0]["x1"] == pytest.approx(0.8)  # large and central before small
    assert rows[2]["people"] is None


def test_people__without_weights_it_says_not_run() -> None:
    rows = _run(None, ResolvedDetector(name="torchvision:x", weights="", cause="offline"))
    assert [row["people_rule"] for row in rows] == [NOT_RUN, "source", NOT_RUN]
    assert rows[0]["people"] is None


def test_prominence__area_score_and_centrality() -> None:
    central, corner = _box(0.3, 0.3, 0.7, 0.7), _box(0, 0, 0.4, 0.4)
    assert prominence(central) == pytest.approx(0.16)
    assert prominence(corner) < prominence(central)
    assert prominence(_box(0.3, 0.3, 0.7, 0.7, 0.5)) == pytest.approx(0.08)
    assert by_prominence([corner, central, _box(2, 2, 3, 3)]) == [central, corner]
    assert by_prominence(None) is None
    assert by_prominence([]) == []


def test_prominence__finds_the_larger_figure_of_the_samples_composites() -> None:
    files = sorted((sample.root() / "table").glob("*.parquet"))
    boxes = [b or [] for path in files for b in pq.read_table(path)["people"].to_pylist()]
    several = [found for found in boxes if len(found) > 1]
    assert several
    for found in several:
        first = by_prominence(found)
        areas = sorted(((b["x1"] - b["x0"]) * (b["y1"] - b["y0"]) for b in found), reverse=True)
        if areas[0] > 2.1 * areas[1]:  # centrality can halve a box, no more
            top = first[0] if first else {}
            assert (top["x1"] - top["x0"]) * (top["y1"] - top["y0"]) == pytest.approx(
                areas[0], abs=1e-3
            )
