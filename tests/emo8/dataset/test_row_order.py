"""Published rows stay in their shards; new ones come behind them."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.dataset.row_order import PLACES, TABLE, assign, published
from emo8.engine.database import Database
from emo8.engine.files import write_part
from emo8.pipeline.run import build
from emo8.publish.send import to_folder
from tests.conftest import encoded, picture, write_recipe
from tests.emo8.decided import decide
from tests.emo8.pipeline.test_run import tree_hash


def ordered(
    db: Database, ids: str, shard: dict[str, int], *, rejected: str = "", part_rows: int = 4
) -> pd.DataFrame:
    """`shard` and `rank` of rows with one letter each, of which `shard` have been published."""
    rows = pd.DataFrame({"id": list(ids), "part": [n // part_rows for n in range(len(ids))]})
    rows["reason"] = ["blank" if key in rejected else None for key in ids]
    decide(db, rows)
    db.run("CREATE MACRO drawn(first, last) AS TABLE FROM decided(first, last)")
    known = pa.table([list(shard), list(shard.values())], schema=PLACES)
    write_part(known, db.build / "tables" / TABLE, "")
    published(db, db.build, ())
    shard_of = [part // 16 for part in range(len(ids))]
    assign(db, len(ids), 16 * part_rows, shard_of)
    return db.frame(f"SELECT id, shard, rank FROM ordered(0, {len(ids)}) ORDER BY n")


def test_assign__without_a_release_the_order_is_that_of_the_sources(db: Database) -> None:
    found = ordered(db, "abcdefgh" * 9, {})
    assert found["shard"].tolist() == [0] * 64 + [1] * 8
    assert found["rank"].tolist() == list(range(72))


def test_assign__new_rows_come_behind_published_ones(db: Database) -> None:
    known = {"c": 0, "a": 0, "e": 1}
    found = ordered(db, "xabyce", known, rejected="b", part_rows=1).set_index("id")
    assert found["shard"][["c", "a", "e", "x", "y"]].tolist() == [0, 0, 1, 1, 1]
    assert found["rank"][list("caexy")].is_monotonic_increasing


def test_assign__a_full_last_shard_is_followed_by_the_next(db: Database) -> None:
    found = ordered(db, "ZabcdefghijklmnoYX", dict.fromkeys("abcdefghijklmno", 0), part_rows=1)
    assert found["shard"].tolist() == [0, *[0] * 15, 1, 1]


def shard_ids(folder: Path) -> dict[str, list[str]]:
    return {
        path.relative_to(folder).as_posix(): pq.read_table(path, columns=["id"])["id"].to_pylist()
        for path in sorted((folder / "data").rglob("*.parquet"))
    }


@pytest.mark.slow
def test_build__rows_added_in_the_middle_leave_published_rows_where_they_are(
    tmp_path: Path,
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(12):
        (pictures / f"{number:02d}.jpg").write_bytes(encoded(picture(number)))
    source = f'[[source]]\nkind = "folder"\npath = "{pictures}"\nstyle = "natural"\n'
    body = f'{source}license = "CC0-1.0"\n[ingest]\npart_rows = 5\n'
    recipe = write_recipe(tmp_path, body)
    build(recipe, tmp_path / "BUILD", workers=1)
    to_folder(tmp_path / "BUILD", tmp_path / "DIR")
    before = shard_ids(tmp_path / "DIR")
    same = tree_hash(tmp_path / "BUILD" / "dataset")
    assert build(recipe, tmp_path / "BUILD", workers=1).already_complete

    for number in (50, 51):
        (pictures / f"03-{number}.jpg").write_bytes(encoded(picture(number)))
    build(recipe, tmp_path / "BUILD", workers=1)
    grown = shard_ids(tmp_path / "BUILD" / "dataset")
    for name, ids in before.items():
        assert grown[name][: len(ids)] == ids, name
    assert sum(map(len, grown.values())) == 14

    (other := tmp_path / "other").mkdir()
    write_recipe(other, f'{body}[splits]\nkeep = ["../DIR"]\n')
    build(other / "recipe.toml", other / "BUILD", workers=1)
    assert shard_ids(other / "BUILD" / "dataset") == grown

    for path in pictures.glob("03-*"):
        path.unlink()
    build(recipe, tmp_path / "BUILD", workers=1)
    assert tree_hash(tmp_path / "BUILD" / "dataset") == same
