"""Results of rows, found again by what they were made of.

A step that works row by row (`Step.keyed_by`) writes a key beside every result: the hash of what
decides it, such as the picture's id. A part that is to be made anew takes the results of its rows
from parts that have no place any more, and only rows that were never worked on are worked on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.errors import DamagedError
from emo8.engine.files import read_columns

KEY = "made_from"  # the column of keys
KEY_BYTES = 16
_ORIGIN = b"emo8.origin"  # in a part's metadata: the fingerprint of how its results were made


def row_keys(records: Iterable[dict[str, Any]], decides: Callable[[dict[str, Any]], Any]) -> Any:
    """(N,) keys of N rows as fixed-length bytes."""
    keys = [_key(decides(record)) for record in records]
    return np.array(keys, f"S{KEY_BYTES}")


def with_keys(results: pa.Table, keys: np.ndarray, origin: str) -> pa.Table:
    """The results with their keys, as they are kept in a part."""
    column = pa.array(_padded(keys), pa.binary(KEY_BYTES))
    return results.append_column(KEY, column).replace_schema_metadata({_ORIGIN: origin.encode()})


class RowResults:
    """Results in the files of a folder that were made as `origin` says."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.files = [path for path in sorted(folder.glob("*.parquet")) if _origin(path) == origin]
        found = [_keys(path) for path in self.files]
        sizes = [len(keys) for keys in found]
        keys = np.concatenate([np.zeros(0, f"S{KEY_BYTES}"), *found])
        order = np.argsort(keys, kind="stable")
        self.keys = keys[order]
        self.file = np.repeat(np.arange(len(sizes)), sizes)[order]
        self.row = np.concatenate([np.zeros(0, np.int64), *map(np.arange, sizes)])[order]

    def find(self, keys: np.ndarray, schema: pa.Schema) -> tuple[np.ndarray, pa.Table]:
        """Which of (N,) keys are known, and their results in order."""
        if not len(self.keys):
            return np.zeros(len(keys), bool), schema.empty_table()
        place = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        known = self.keys[place] == keys
        pieces, order = [schema.empty_table()], [np.zeros(0, np.int64)]
        for number in np.unique(self.file[place[known]]).tolist():
            own = np.flatnonzero(known & (self.file[place] == number))
            try:
                table = read_columns(self.files[number], schema.names)
            except DamagedError:  # then they are made anew
                known[own] = False
                continue
            pieces.append(table.take(self.row[place[own]]).cast(schema))
            order.append(own)
        return known, pa.concat_tables(pieces).take(np.argsort(np.concatenate(order)))


def _key(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=KEY_BYTES).digest()


def _padded(keys: np.ndarray) -> list[bytes]:
    """numpy leaves out zeros at the end of bytes."""
    return [key.ljust(KEY_BYTES, b"\0") for key in keys.tolist()]


def _keys(path: Path) -> np.ndarray:
    """The keys in a part; none of a damaged one."""
    try:
        keys = read_columns(path, [KEY]).column(0).to_pylist()
    except DamagedError:
        keys = []
    return np.array(keys, f"S{KEY_BYTES}")


def _origin(path: Path) -> str | None:
    found = (pq.read_metadata(path).metadata or {}).get(_ORIGIN)
    return None if found is None else found.decode()
