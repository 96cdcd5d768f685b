"""Finding rows again by a text that names them, such as an id, without a Python object a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Texts = Any  # pd.Series, pa.Array or pa.ChunkedArray of strings


def index_of(keys: Texts, among: Texts) -> np.ndarray:
    """(N,) int32 place of each of N keys among others, -1 where it is none of them, or null.

    Of several equal ones the first counts. -1 makes an array's last entry the one for "none".
    """
    found = pc.index_in(_texts(keys), value_set=_texts(among), skip_nulls=True)
    return np.asarray(found.fill_null(-1).to_numpy().copy())


def _texts(values: Texts) -> pa.Array | pa.ChunkedArray:
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    return column.cast(pa.large_string())
