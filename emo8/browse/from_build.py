"""The rows of a build, rejected ones included, read from its parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.browse.rows import DETAILS, NESTED, NUMBERS, SHORT, Rows, dataset_name, with_interest
from emo8.core.errors import BuildError
from emo8.core.schema import by_table
from emo8.duplicates import leaks
from emo8.engine import build_folder, verdict_table
from emo8.engine.files import read_columns
from emo8.engine.steps import ROWS, part_path
from emo8.engine.verdict_table import VERDICTS
from emo8.labels.clip.recorded import Model, first_model
from emo8.labels.vectors import embeddings
from emo8.review import queue, votes
from emo8.tables.rows import COLUMNS, read_inputs

_FROM_VERDICT = {"part", "row", "disputed", *SHORT, *DETAILS} & {*verdict_table.SCHEMA.names}
_FROM_PARTS = by_table({name: c for name, c in DETAILS.items() if name not in _FROM_VERDICT})


def read(build: Path) -> Rows:
    """The rows of a decided build; BuildError where there is none."""
    resolved = build_folder.require_build(build)
    path = build / VERDICTS
    if not path.exists():
        raise BuildError(f"{build} has no verdicts yet: finish `emo8 build` first")
    verdicts = pq.read_table(path, columns=list(_FROM_VERDICT)).to_pandas()
    table = _with_claims(build, verdicts)
    table["sha256"] = table["id"].map(_published_hashes(build))
    table["leak_of"] = table["id"].map(_leaks(build))
    table["num_votes"] = pd.to_numeric(table["num_votes"]).fillna(0).astype(int)
    table["picture_key"] = table["id"].where(table["reason"] != "removed", None)
    table = with_interest(table)
    title = resolved["recipe"]["name"]
    return Rows(
        name=dataset_name(title, build),
        title=title,
        media=build / "browse" / "pictures",
        table=_with_people(build, table),
        reader=_Parts(build, first_model(resolved)),
        build=build,
    )


def _with_claims(build: Path, verdicts: pd.DataFrame) -> pd.DataFrame:
    """The verdicts beside the source's and CLIP's claims; parts that failed have none."""
    parts = sorted(verdicts["part"].unique().tolist())
    whole = [part for part in parts if _is_whole(build, part)]
    names = ["emotion_source", "emotion_prob", "style_prob", *NUMBERS[:3]]
    if not whole:
        return verdicts.assign(**dict.fromkeys(names))
    wide = read_inputs(build, whole, names).to_pandas()
    table = verdicts.merge(wide, on=["part", "row"], how="left")
    for name in NESTED:  # a missing list is None, never NaN
        table[name] = table[name].astype(object).where(table[name].notna(), None)
    return table


def _is_whole(build: Path, part: int) -> bool:
    return all(part_path(build, name, part).exists() for name in (*COLUMNS, *_FROM_PARTS))


def _published_hashes(build: Path) -> dict[str, str]:
    """Id -> hash of the published bytes, by which other programs know a picture."""
    found: dict[str, str] = {}
    for path in sorted((build / "dataset" / "data").glob("*/*.parquet")):
        table = pq.read_table(path, columns=["id", "published_sha256"])
        found.update(zip(table["id"].to_pylist(), table["published_sha256"].to_pylist()))
    return found


def _leaks(build: Path) -> dict[str, str]:
    """Id -> names of the benchmarks it was found in."""
    path = build / "tables" / leaks.TABLE
    if not path.exists():
        return {}
    table = pq.read_table(path, columns=["id", "benchmark"]).to_pandas()
    grouped = table.drop_duplicates().groupby("id")["benchmark"]
    return {str(key): ", ".join(sorted(names)) for key, names in grouped}


def _with_people(build: Path, table: pd.DataFrame) -> pd.DataFrame:
    """With `assigned` (names still to vote) and `ballots` (the votes that count) of each row."""
    asked = queue.assignments(build)
    waiting = asked[~asked["done"]].groupby("id")["annotator"].agg(sorted)
    cast = votes.counted(votes.read_votes(build))
    ballots: dict[Any, Any] = {key: own.to_dict("records") for key, own in cast.groupby("id")}
    names: list[Any] = [waiting.get(key) or [] for key in table["id"]]
    found: list[Any] = [ballots.get(key, []) for key in table["id"]]
    return table.assign(assigned=names, ballots=found)


@dataclass(frozen=True)
class _Parts:
    """Details, pictures and vectors, read one part at a time."""

    build: Path
    model: Model

    def details(self, chosen: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
        for part, own in self._by_part(chosen):
            if not _is_whole(self.build, part):
                yield [{} for _ in range(len(own))]
                continue
            columns: dict[str, list[Any]] = {}
            for name, wanted in _FROM_PARTS.items():
                piece = read_columns(part_path(self.build, name, part), list(wanted))
                piece = piece.take(pa.array(own["row"].to_numpy()))
                columns.update(piece.to_pydict())
            yield [dict(zip(columns, line)) for line in zip(*columns.values())]

    def pictures(self, chosen: pd.DataFrame) -> Iterator[tuple[int, bytes | None]]:
        start = 0
        for part, own in self._by_part(chosen):
            path = part_path(self.build, ROWS, part)
            images = read_columns(path, ["image"]).column("image") if path.exists() else None
            for place, row in enumerate(own["row"].tolist(), start=start):
                image = images[row].as_py() if images is not None else None
                yield place, image["bytes"] if image else None
            start += len(own)

    def vectors(self, chosen: pd.DataFrame) -> np.ndarray:
        found = [np.zeros((0, self.model.dim), np.float32)]
        for part, own in self._by_part(chosen):
            path = part_path(self.build, self.model.table, part)
            if not path.exists():
                found.append(np.zeros((len(own), self.model.dim), np.float32))
                continue
            column = read_columns(path, ["embedding"]).column("embedding")
            found.append(embeddings(column, self.model.dim)[own["row"].to_numpy()])
        return np.concatenate(found)

    def _by_part(self, chosen: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
        """The chosen rows part by part; they are in the order of the build."""
        for part, own in chosen.groupby("part", sort=False):
            yield int(str(part)), own
