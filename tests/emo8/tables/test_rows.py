import numpy as np
import pandas as pd
import pyarrow as pa

from emo8.review.final_labels import largest, most_likely
from emo8.tables.rows import as_frame

ROWS = pa.table(
    {
        "id": pa.chunked_array([["a" * 64, None], ["c" * 64]]),
        "license": ["CC0-1.0", None, "CC0-1.0"],
        "emotion_prob": pa.chunked_array(
            [[[0.25, 0.75], None], [[0.5, 0.5]]], pa.list_(pa.float32())
        ),
    }
)


def test_as_frame__texts_that_name_rows_stay_in_arrow_and_others_are_shared() -> None:
    frame = as_frame(ROWS)
    assert frame["id"].tolist()[0] == "a" * 64 and frame["id"].isna().tolist() == [
        False,
        True,
        False,
    ]
    assert not any(isinstance(block.values, np.ndarray) for block in frame[["id"]]._mgr.blocks)
    first, nothing, last = frame["license"]
    assert first is last and nothing is None


def test_largest__reads_distributions_in_arrow_as_it_reads_lists() -> None:
    place, value = largest(as_frame(ROWS)["emotion_prob"])
    assert place.tolist() == [1, -1, 0] and value.tolist() == [0.75, 0.0, 0.5]
    lists = pd.Series([np.array([0.25, 0.75]), None, np.array([0.5, 0.5])], dtype=object)
    assert most_likely(lists, ("awe", "fear")).tolist() == ["fear", None, "awe"]
