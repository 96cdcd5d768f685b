"""A published column is one entry of `schema.PUBLISHED`: all who speak of columns take it there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from docs.make_reference import dataset_page
from emo8.browse.fields import FIELDS, GROUPS
from emo8.core import schema
from tests.emo8.changed import environment, run

# A number that builds measure already and that is not published.
SHARPNESS = """\
    "sharpness": Column(
        pa.float32(), "how sharp it is", "measure", shown=("attributes", "number")
    ),
"""
SHOWN = """
import json, sys
from pathlib import Path
from docs.make_reference import dataset_page
from emo8.browse import fields, from_build, from_dataset

out, told = Path(sys.argv[1]), {"reference": dataset_page()}
for name, rows in (("build", from_build.read(out)),
                   ("dataset", from_dataset.read(str(out / "dataset")))):
    lines = rows.table.to_dict("records")
    details = [line for batch in rows.reader.details(rows.table) for line in batch]
    found = [fields.values(*pair) for pair in zip(lines, details, strict=True)]
    told[name] = {row["row_id"]: row["sharpness"] for row in found if row["verdict"] == "kept"}
json.dump({**told, "attributes": list(fields.GROUPS["attributes"])}, sys.stdout)
"""


def test_column__added_by_one_entry_reaches_shards_card_croissant_reference_and_app(
    small: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(small, tmp_path / "small"))
    out = folder / "BUILD"
    own = Path(schema.__file__).read_text()
    text = re.sub(r"(?<=\n)(?=    \"width\": Column)", SHARPNESS, own)
    env = environment(tmp_path / "site", "core/schema.py", text)
    done = run(env, "build", str(folder / "recipe.toml"), "-o", str(out))
    assert done.returncode == 0, done.stderr

    rows = pa.concat_tables(pq.read_table(path) for path in (out / "dataset").rglob("*.parquet"))
    values = {row["id"]: round(row["sharpness"], 4) for row in rows.to_pylist()}
    assert len(set(values.values())) > len(values) / 2
    assert "`sharpness`" in (out / "dataset" / "README.md").read_text()
    croissant = json.loads((out / "dataset" / "croissant.json").read_text())
    (described,) = [f for f in croissant["recordSet"][0]["field"] if f["name"] == "sharpness"]
    assert described["description"] == "how sharp it is"

    shown = run(env, str(out), code=SHOWN)
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert "| `sharpness` | float | how sharp it is |" in told["reference"]
    assert "sharpness" in told["attributes"]
    assert told["build"] == told["dataset"] == values


def test_columns__are_in_the_tables_that_they_name(small: Path) -> None:
    build = small / "BUILD"
    held = {"rows": build / "rows", "verdicts": build / "tables" / "verdicts.parquet"}
    for table, names in schema.by_table().items():
        path = held.get(table, build / "columns" / table)
        assert set(names) <= set(pq.read_table(path).column_names), table


def test_columns__are_in_the_reference_once_and_shown_ones_in_the_app() -> None:
    page = dataset_page()
    for name, column in schema.PUBLISHED.items():
        assert page.count(f"| `{name}` | {column.type} | {column.meaning} |") == 1
        if column.shown:
            group, kind = column.shown
            assert GROUPS[group][name] == FIELDS[name] == kind
