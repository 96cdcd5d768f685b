"""Bit rot in a build: files that are not as they were written, and which of them a build mends.

A part, a shard and a table carry their own checksum; small files are listed with theirs in
`plan.json`, which carries one too. What is made from something else is made anew by the next
`emo8 build`; votes, and where rows were placed, are only in their table and must come from a copy.
"""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from emo8.core.errors import DamagedError
from emo8.dataset import row_order, splits
from emo8.dataset.shards import sha256
from emo8.engine.files import UNSEALED, damage
from emo8.engine.plan import Plan
from emo8.engine.steps import part_path
from emo8.review import votes
from emo8.review.queue import ASSIGNMENTS

logger = logging.getLogger(__name__)
KEPT = (votes.NAME, splits.TABLE, row_order.TABLE, ASSIGNMENTS)  # tables that nothing else makes
_ASKED = ("recipe.toml", "resolved.json")  # every run writes them before anything else
SMALL = (*_ASKED, "dataset/README.md", "dataset/croissant.json",
         "report/funnel.json", "report/stats.json", "report/splits.json")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One file that is not as it was written."""

    path: Path
    cause: str
    mended: bool  # by the next `emo8 build`


def small_files(build: Path) -> dict[str, str]:
    """The SHA-256 of the small files that a run wrote, by path; for `Plan.sums`."""
    return {name: sha256(build / name) for name in SMALL if (build / name).exists()}


def find(build: Path, plan: Plan) -> list[Damage]:
    """Every damaged file of a build, by path. Reads all of its bytes."""
    parts = [
        part_path(build, step, number)
        for step, marks in plan.fingerprints.items()
        for number in range(len(marks))
    ]
    shards = sorted((build / "dataset").glob("data/*/*.parquet"))
    tables = sorted((build / "tables").glob("*.parquet"))
    found = [*_checked([path for path in parts if path.exists()]), *_checked(shards + tables)]
    found += [_damage(path, "has changed since it was written") for path in _changed(build, plan)]
    return sorted(found, key=lambda one: one.path)


def mend(build: Path, plan: Plan) -> bool:
    """Remove what is damaged and can be made anew; whether there was any.

    DamagedError names a table that must come from a copy. Parts of an older emo8, which carry no
    checksum, stay.
    """
    asked = [build / name for name in _ASKED]
    found = [
        one
        for one in find(build, plan)
        if one.path not in asked and (one.mended or one.cause != UNSEALED)
    ]
    for one in found:
        if not one.mended:
            raise DamagedError(
                f"{one.path} {one.cause}, and nothing else holds what is in it: put a copy in its "
                "place, or remove it if you have none"
            )
        logger.warning("%s %s: it is made anew", one.path, one.cause)
        if build / "dataset" not in one.path.parents:  # whole pictures of a shard are taken over
            one.path.unlink()
    return bool(found)


def _checked(paths: list[Path]) -> list[Damage]:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # hashing frees the GIL
        causes = pool.map(damage, paths)
        return [_damage(path, cause) for path, cause in zip(paths, causes, strict=True) if cause]


def _changed(build: Path, plan: Plan) -> Iterable[Path]:
    """Small files that differ from their sums, and archives of vectors that do not unpack."""
    for name, digest in plan.sums.items():
        if (build / name).exists() and sha256(build / name) != digest:
            yield build / name
    for path in (build / "tables").glob("*.npz"):
        try:
            with zipfile.ZipFile(path) as archive:
                whole = archive.testzip() is None
        except (OSError, zipfile.BadZipFile):
            whole = False
        if not whole:
            yield path


def _damage(path: Path, cause: str) -> Damage:
    made_here = cause != UNSEALED or path.parent.parent.name == "data"
    return Damage(path=path, cause=cause, mended=made_here and path.name not in KEPT)
