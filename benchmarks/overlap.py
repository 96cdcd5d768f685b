"""Were the test pictures among those a checkpoint was trained on? It remembers, so we can ask.

`uniemox pretrain` leaves `trained_on.parquet` in its RUN: the id of every row it trained on (the
SHA-256 of the bytes as received, where emo8 built the dataset) and, where the pixels were at hand,
a detail hash. A test picture counts as seen if its id or the SHA-256 of its bytes is there, or if
its detail hash differs in at most MAX_DISTANCE of 255 bits.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.adapters.base import LabelledRows
from benchmarks.features.backbones import Backbone
from benchmarks.problem.folds import FoldPlan
from emo8.core.errors import Emo8Error

logger = logging.getLogger(__name__)
FILE = "trained_on.parquet"
MAX_DISTANCE = 10  # bits of 255; half of emo8's `leaks.max_distance`, as no embedding is asked too
MODES = ("warn", "refuse", "ignore")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Which of N usable rows a model has been trained on."""

    exact: npt.NDArray[np.bool_]  # (N,) the same bytes
    near: npt.NDArray[np.bool_]  # (N,) a copy by its detail hash
    known: bool  # whether the model remembers anything
    mode: str = "warn"

    def facts(self, plan: FoldPlan) -> dict[str, Any]:
        """Counts among the test rows of a plan, for the result; nothing where nothing is known."""
        if not self.known:
            return {}
        test = np.concatenate([fold.test for fold in plan.folds])
        return {"seen": {"exact": int(self.exact[test].sum()), "near": int(self.near[test].sum())}}

    def notes(self, plan: FoldPlan) -> tuple[str, ...]:
        """A warning where test rows were trained on; Emo8Error where that is refused."""
        counts = self.facts(plan).get("seen", {})
        total = sum(counts.values())
        if not total or self.mode == "ignore":
            return ()
        told = (
            f"the model was trained on {total} of the test pictures "
            f"({counts['exact']} the same bytes, {counts['near']} copies)"
        )
        if self.mode == "refuse":
            raise Emo8Error(
                f"{told}: not measured. Test on other pictures, pretrain without them "
                "(`emo8 leaks take` and [leaks] in the recipe), or use --seen warn."
            )
        return (told,)


def check(
    mode: str,
    backbone: Backbone,
    rows: LabelledRows,
    index: Sequence[int],
    digests: Sequence[str],
) -> Seen:
    """Which usable rows the model of `backbone` has been trained on."""
    nothing = np.zeros(len(index), dtype=bool)
    path = memory_of(backbone.name)
    if mode not in MODES:
        raise Emo8Error(f"--seen {mode}: choose one of {', '.join(MODES)}.")
    if path is None or mode == "ignore":
        return Seen(exact=nothing, near=nothing, known=False, mode=mode)
    ids, detail = _read(path)
    own = rows.column("id") if "id" in rows.column_names else [None] * len(rows)
    exact = np.array(
        [digest in ids or own[row] in ids for row, digest in zip(index, digests, strict=True)],
        dtype=bool,
    )
    near = nothing
    if len(detail):
        near = _near(rows, index, detail) & ~exact
    return Seen(exact=exact, near=near, known=True, mode=mode)


def memory_of(model: str) -> Path | None:
    """The file in which a RUN remembers what it was trained on; None where there is none."""
    run = Path(model)
    for folder in (run, run.parent, run.parent.parent):
        if (folder / FILE).is_file() and run.exists():
            return folder / FILE
    return None


def _read(path: Path) -> tuple[set[str], npt.NDArray[np.uint8]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["id", "detail_hash"])
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        raise Emo8Error(
            f"{path} cannot be read ({error}): what the model was trained on is not known. "
            "Mend or remove the file, or use --seen ignore."
        ) from error
    hashes = [h for h in table.column("detail_hash").to_pylist() if h is not None]
    detail = np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), -1)
    return set(table.column("id").to_pylist()), detail


def _near(
    rows: LabelledRows, index: Sequence[int], trained: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """(N,) whether a row's detail hash, straight or mirrored, is close to a trained one."""
    import faiss

    from emo8.core.images import DecodeError, decode
    from emo8.duplicates.fingerprints import detail_of, mirrored_detail

    mine = np.zeros((len(index), trained.shape[1]), np.uint8)
    usable = np.zeros(len(index), bool)
    for place, row in enumerate(index):
        data = rows.images([row])[0]
        if data is None:
            continue
        try:
            mine[place] = detail_of(decode(data).rgb)
            usable[place] = True
        except DecodeError:
            continue
    search = faiss.IndexBinaryFlat(8 * trained.shape[1])
    search.add(np.ascontiguousarray(trained))
    found = np.zeros(len(index), bool)
    for asked in (mine, mirrored_detail(mine)):
        bits, _ = search.search(np.ascontiguousarray(asked), 1)
        found |= bits[:, 0] <= MAX_DISTANCE
    return found & usable
