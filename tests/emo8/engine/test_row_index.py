import pandas as pd
import pyarrow as pa

from emo8.engine.row_index import index_of


def test_positions__name_the_first_of_equal_ones_and_minus_one_for_none() -> None:
    among = pa.chunked_array([["b", "a"], ["a", None]])
    assert index_of(pd.Series(["a", "x", None, "b"], dtype=object), among).tolist() == [
        1,
        -1,
        -1,
        0,
    ]
    assert index_of(pd.Series([], dtype=object), among).tolist() == []
    assert index_of(among, pd.Series([], dtype=object)).tolist() == [-1] * 4
