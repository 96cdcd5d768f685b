"""Sources: from what a user has to candidate rows with provenance and licence.

A source first *plans*: it lists its inputs, cheaply and in a fixed order, cut into chunks of at
most `part_rows`. Each chunk is later *read* on its own, in any process, and becomes one part of
`rows/`. Every input of a plan ends as a row or as a reason.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

from emo8.core.settings import Recipe, SourceConfig
from emo8.sources.base import Candidate, Chunk


class Kind(Protocol):
    """What a file in `kinds` provides."""

    def plan(self, source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]: ...

    def read(self, chunk: Chunk, max_bytes: int) -> Iterator[Candidate]: ...


def _kind(name: str) -> Kind:
    return cast(Kind, importlib.import_module(f"emo8.sources.kinds.{name}"))


def plan(recipe: Recipe, recipe_dir: Path) -> list[Chunk]:
    """All chunks of all sources, in the recipe's order; SourceError names what is wrong."""
    chunks: list[Chunk] = []
    for source in recipe.source:
        chunks.extend(_kind(source.kind).plan(source, recipe_dir, recipe.ingest.part_rows))
    return chunks


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """The candidates of one chunk, one per planned input, in order."""
    return _kind(chunk.source.kind).read(chunk, max_bytes)
