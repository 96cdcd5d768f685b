"""The grid of emotions by styles: people's pictures, and words where nobody named one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.report import figures, sample_grid
from tests.conftest import encoded

RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 160, 30), (30, 30, 200), (90, 90, 90)


def _row(emotion: str | None, rule: str, share: float, color: tuple[int, int, int]) -> Any:
    number = None if emotion is None else EMOTIONS.index(emotion)
    rest = (1 - share) / 7
    return {
        "emotion": number,
        "style": STYLES.index("cartoon"),
        "emotion_rule": rule,
        "emotion_prob": [share if k == number else rest for k in range(8)],
        "published_sha256": "0" * 64,
        "image": {"bytes": encoded(Image.new("RGB", (40, 40), color), "PNG"), "path": None},
    }


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows = [
        _row("awe", "clip", 0.99, GREY),
        _row("awe", "source", 0.9, RED),
        _row("awe", "human", 0.2, GREEN),
        _row("anger", "source", 0.3, RED),
        _row("anger", "source", 0.8, BLUE),
        _row("fear", "clip", 0.9, GREY),
        _row("fear", "clip", 0.8, GREY),
        {**_row("sadness", "human", 0.5, RED), "published_sha256": None, "image": None},
        _row(None, "abstain", 0.1, GREY),
    ]
    (tmp_path / "data" / "cartoon").mkdir(parents=True)
    path = tmp_path / "data" / "cartoon" / "train-00000.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return tmp_path


def test_shown__a_persons_picture_before_a_sources_and_never_clips(dataset: Path) -> None:
    cells = sample_grid.read(dataset)

    def shown(emotion: str) -> Any:
        found = sample_grid.shown(dataset, cells.get((emotion, "cartoon"), sample_grid.Cell()))
        return found if isinstance(found, str) else found.getpixel((0, 0))

    assert shown("awe") == GREEN
    assert shown("anger") == BLUE
    assert shown("fear") == "nobody named one\nCLIP alone: 2"
    assert shown("sadness") == "1 named,\nnone stored here"
    assert shown("disgust") == "nobody named one"


def test_draw__no_cell_is_blank(dataset: Path) -> None:
    sheet = np.asarray(Image.open(io.BytesIO(sample_grid.draw(dataset))).convert("L"))
    step = figures.TILE_PX + 6
    for row, column in np.ndindex(len(STYLES), len(EMOTIONS)):
        top, left = 34 + row * step, 132 + column * step
        tile = sheet[top : top + figures.TILE_PX, left : left + figures.TILE_PX]
        named = row == STYLES.index("cartoon") and EMOTIONS[column] in ("awe", "anger")
        assert named or tile.min() < 140, f"{EMOTIONS[column]} {STYLES[row]} says nothing"


def test_draw__rows_without_style_have_a_line_of_their_own(dataset: Path) -> None:
    before = Image.open(io.BytesIO(sample_grid.draw(dataset)))
    (dataset / "data" / "any").mkdir()
    rows = [{**_row("awe", "human", 0.5, RED), "style": None}]
    typed = pq.read_schema(dataset / "data" / "cartoon" / "train-00000.parquet")
    table = pa.Table.from_pylist(rows, schema=typed)
    pq.write_table(table, dataset / "data" / "any" / "train-00000.parquet")
    after = Image.open(io.BytesIO(sample_grid.draw(dataset)))
    assert after.height == before.height + figures.TILE_PX + 6
    assert after.getpixel((132 + 2 * (figures.TILE_PX + 6) + 50, after.height - 60)) == RED
