"""Pictures of links that an earlier build had fetched, wherever they lie now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from emo8 import sources
from emo8.core.read_recipe import load_recipe
from emo8.core.schema import IMAGE
from emo8.engine.files import write_part
from emo8.engine.steps import ROWS, part_path
from emo8.web import fetched
from emo8.web.store import Location, table
from tests.emo8.web.conftest import list_recipe

PARTS, PART_ROWS, PICTURE_BYTES = 10, 24, 60_000


def test_candidates__a_reordered_list_is_read_in_the_memory_of_its_own_pictures(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    pictures = [[rng.bytes(PICTURE_BYTES) for _ in range(PART_ROWS)] for _ in range(PARTS)]
    for part, own in enumerate(pictures):
        images = pa.array([{"bytes": data, "path": None} for data in own], IMAGE)
        path = part_path(tmp_path, ROWS, part)
        write_part(pa.table({"image": images}), path, str(part))
    # each link lies in another part, as after a list of a million was sorted otherwise
    places = [
        Location(file=f"rows/part-{part:05d}.parquet", place=part % PART_ROWS)
        for part in range(PARTS)
    ]
    write_part(table(places), tmp_path / "found.parquet", "x")
    links = [f"http://a.example/{k}.jpg" for k in range(PARTS)]
    recipe_path = list_recipe(tmp_path, links)
    (chunk,) = sources.plan(load_recipe(recipe_path), tmp_path)
    before, held, found = pa.total_allocated_bytes(), [], []
    for one in fetched.candidates(chunk, tmp_path / "found.parquet", tmp_path, 10**6):
        held.append(pa.total_allocated_bytes() - before)
        found.append(one.data)
    assert found == [own[n % PART_ROWS] for n, own in enumerate(pictures)]
    assert max(held) < 2 * PART_ROWS * PICTURE_BYTES  # of two parts; there are ten
