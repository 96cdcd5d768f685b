import pandas as pd
import pyarrow as pa

from emo8.engine.row_index import first_occurrence, index_of


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


def test_firsts__later_copies_point_to_the_first_and_nulls_to_nothing() -> None:
    assert first_occurrence(pd.Series(["a", None, "b", "a", "b"])).tolist() == [0, -1, 2, 0, 2]
