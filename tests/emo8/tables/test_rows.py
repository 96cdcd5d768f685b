from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emo8.engine.database import Database
from emo8.engine.files import write_part
from emo8.engine.steps import ROWS, part_path
from emo8.review.final_labels import largest, most_likely
from emo8.tables import rows
from emo8.tables.rows import Slab, inputs, read_inputs, slabs


def add_part(build: Path, part: int, sources: list[str]) -> None:
    table = pa.table({"id": [f"{part}-{n}" for n in range(len(sources))], "source": sources})
    write_part(table, part_path(build, ROWS, part), "")
    widths = pa.table({"width": pa.array(range(len(sources)), pa.int32())})
    write_part(widths, part_path(build, "measure", part), "")


def test_inputs__number_the_rows_of_all_parts_in_order(db: Database) -> None:
    for part, names in ((0, ["a", "b"]), (2, ["c"]), (3, ["d", "e"])):
        add_part(db.build, part, names)
    (whole,) = slabs(db, [0, 2, 3])
    assert (whole.start, whole.stop, whole.sizes) == (0, 5, (2, 1, 2))
    found = db.frame(f"FROM {inputs(db.build, whole, ('source', 'width'))} ORDER BY n")
    assert found["n"].tolist() == [0, 1, 2, 3, 4]
    assert found["part"].tolist() == [0, 0, 2, 3, 3]
    assert found["row"].tolist() == [0, 1, 0, 0, 1]
    assert found["source"].tolist() == list("abcde")
    assert found["width"].tolist() == [0, 1, 0, 0, 1]


def test_slabs__cut_between_parts(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "SLAB_ROWS", 3)
    for part in range(4):
        add_part(db.build, part, ["a"] * (part + 1))
    cut = slabs(db, [0, 1, 2, 3])
    assert cut == [
        Slab(parts=(0, 1), start=0, sizes=(1, 2)),
        Slab(parts=(2,), start=3, sizes=(3,)),
        Slab(parts=(3,), start=6, sizes=(4,)),
    ]
    assert slabs(db, []) == []


def test_read_inputs__finds_parts_in_folders_whose_names_hold_wildcards(tmp_path: Path) -> None:
    build = tmp_path / "it's [a] *build*?"
    add_part(build, 0, ["a"])
    add_part(tmp_path / "it's a buildx", 0, ["another"])
    found = read_inputs(build, [0], ["source"]).to_pylist()
    assert found == [{"part": 0, "row": 0, "source": "a"}]


def test_largest__reads_distributions_in_arrow_as_it_reads_lists() -> None:
    chunked = pa.chunked_array(
        [[[0.25, 0.75], None], [[0.75, 0.25], [0.5, 0.5]]], pa.list_(pa.float32())
    )
    place, value = largest(pd.Series(pd.array(chunked, dtype=pd.ArrowDtype(chunked.type))))
    assert place.tolist() == [1, -1, 0, -1] and value.tolist() == [0.75, 0.0, 0.75, 0.0]
    even = np.array([0.5, 0.5])  # no name is the largest
    lists = pd.Series([np.array([0.25, 0.75]), None, np.array([0.75, 0.25]), even], dtype=object)
    assert most_likely(lists, ("awe", "fear")).tolist() == ["fear", None, "awe", None]
