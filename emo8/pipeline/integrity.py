"""Bit rot in a build: files that are not as they were written, and which of them a build mends.

A part, a shard and a table carry their own checksum; small files are listed with theirs in
`plan.json`, which carries one too. What is made from something else is made anew by the next
`emo8 build`; votes, and where rows were placed, are only in their table and must come from a copy.
"""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from emo8.core import schema
from emo8.core.errors import DamagedError
from emo8.dataset import row_order, splits
from emo8.dataset.shards import sha256
from emo8.engine.files import UNSEALED, damage, read_columns
from emo8.engine.plan import Plan
from emo8.engine.steps import ROWS, part_path
from emo8.engine.trust import Trust
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


def files(build: Path, plan: Plan) -> list[Path]:
    """The files of a build that carry a checksum of their own."""
    parts = (
        part_path(build, step, number)
        for step, marks in plan.fingerprints.items()
        for number in range(len(marks))
    )
    shards = sorted((build / "dataset").glob("data/*/*.parquet"))
    tables = sorted((build / "tables").glob("*.parquet"))
    return [*(path for path in parts if path.exists()), *shards, *tables]


def find(build: Path, plan: Plan, trust: Trust | None = None) -> list[Damage]:
    """Every damaged file of a build, by path. Reads all bytes of what is not trusted."""
    unsure = [path for path in files(build, plan) if trust is None or not trust.holds(path)]
    found = _checked(unsure, damage)
    found += [_damage(path, "has changed since it was written") for path in _changed(build, plan)]
    return sorted(found, key=lambda one: one.path)


def mend(build: Path, plan: Plan, trust: Trust) -> list[Path]:
    """Remove what is damaged and can be made anew; which files those are.

    DamagedError names a table that must come from a copy. Parts of an older emo8, which carry no
    checksum, stay.
    """
    return _mended(build, find(build, plan, trust))


def mend_read(build: Path, plan: Plan, trust: Trust) -> list[Path]:
    """The same for trusted files that are read to decide: of `rows/` all but the pictures.

    Pictures are checked one by one, by their id, when they are read.
    """
    trusted = [path for path in files(build, plan) if trust.holds(path)]
    rows = [path for path in trusted if path.parent.name == ROWS]
    shards = [path for path in trusted if path.is_relative_to(build / "dataset")]
    whole = set(trusted) - set(rows) - set(shards)
    found = [*_checked(rows, _narrow_damage), *_checked(sorted(whole), damage)]
    return _mended(build, found)


def _mended(build: Path, damaged: list[Damage]) -> list[Path]:
    asked = [build / name for name in _ASKED]
    found = [
        one for one in damaged if one.path not in asked and (one.mended or one.cause != UNSEALED)
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
    return [one.path for one in found]


def _narrow_damage(path: Path) -> str:
    """What is wrong with a part of `rows/`, its pictures aside, by the checksums of its pages."""
    names = [name for name in schema.ROWS.names if name != "image"]
    try:
        read_columns(path, names)
    except DamagedError:
        return "has changed since it was written"
    return ""


def _checked(paths: list[Path], check: Callable[[Path], str]) -> list[Damage]:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # hashing frees the GIL
        causes = pool.map(check, paths)
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
