"""Helpers of the source tests: read a whole source as `emo8 build` would."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emo8 import sources
from emo8.core.read_recipe import parse_recipe
from emo8.sources.base import Candidate


@pytest.fixture
def candidates(tmp_path: Path) -> Callable[..., list[Candidate]]:
    """A function from source options to all candidates, paths relative to `tmp_path`."""

    def read(part_rows: int = 4, max_bytes: int = 1_000_000, **source: Any) -> list[Candidate]:
        recipe = parse_recipe(
            {"source": [source], "ingest": {"part_rows": part_rows, "max_bytes": max_bytes}},
            where="recipe.toml",
        )
        chunks = sources.plan(recipe, tmp_path)
        found = [list(sources.read(chunk, max_bytes)) for chunk in chunks]
        assert [len(part) for part in found] == [chunk.num_inputs for chunk in chunks]
        return [candidate for part in found for candidate in part]

    return read
