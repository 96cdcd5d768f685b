#!/usr/bin/env bash
# A parquet file with people's boxes (a list of structs), described in Croissant as a repeated field with sub-fields,
# read with mlcroissant. One would guess that a null list (nobody looked) reads as null, as a null list of texts does,
# and text as text. A null list of structs reads as a list of one struct whose members are null, so that counting
# boxes finds one person in every picture that nobody looked at; an empty list stays empty. And sc:Text comes as
# bytes, so that comparing it with "awe" is false in silence.
# Effect here: docs/publishing.md ("Reading it") counts and compares so that both come out right, and the names of
# classes are records of croissant.json (emo8/publish/croissant.py), tested by tests/emo8/publish/test_send.py.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet mlcroissant==1.1.1 pyarrow==26.0.1 pandas==2.3.3
cat >try.py <<'PY'
import hashlib, json, logging, sys
from importlib.metadata import version
from pathlib import Path

import mlcroissant as mlc
import pyarrow as pa
import pyarrow.parquet as pq

logging.disable(logging.ERROR)
for name in ("mlcroissant", "pyarrow"):
    print(name, version(name))
box = {"x": 0.1, "y": 0.2}
written = {
    "emotion": ["awe", "awe", "awe"],
    "people": pa.array([None, [], [box]], pa.list_(pa.struct([("x", pa.float64()), ("y", pa.float64())]))),
    "votes": pa.array([None, [], ["awe"]], pa.list_(pa.string())),
}
pq.write_table(pa.table(written), "a.parquet")


def column(name, member=""):
    transforms = [mlc.Transform(json_path=member)] if member else []
    return mlc.Source(file_object="file", extract=mlc.Extract(column=name), transforms=transforms)


file = mlc.FileObject(id="file", name="file", content_url="a.parquet", encoding_formats=["application/x-parquet"],
                      sha256=hashlib.sha256(Path("a.parquet").read_bytes()).hexdigest())
members = [mlc.Field(id=f"r/people/{m}", name=m, data_types=[mlc.DataType.FLOAT], source=column("people", m)) for m in "xy"]
fields = [
    mlc.Field(id="r/emotion", name="emotion", data_types=[mlc.DataType.TEXT], source=column("emotion")),
    mlc.Field(id="r/people", name="people", is_array=True, array_shape="-1", sub_fields=members),
    mlc.Field(id="r/votes", name="votes", is_array=True, array_shape="-1", data_types=[mlc.DataType.TEXT],
              source=column("votes")),
]
sets = [mlc.RecordSet(id="r", name="r", fields=fields)]
metadata = mlc.Metadata(name="people", url="https://example.org", distribution=[file], record_sets=sets)
Path("croissant.json").write_text(json.dumps(metadata.to_json(), default=str))
records = list(mlc.Dataset("croissant.json").records("r"))
for wrote, record in zip(written["people"].to_pylist(), records):
    print("people written", wrote, "| read", record["r/people"], "| votes", record["r/votes"], "|", record["r/emotion"])
people = [record["r/people"] for record in records]
votes = [record["r/votes"] for record in records]
nothing, one = ({f"r/people/{m}": value for m, value in pairs} for pairs in ((("x", None), ("y", None)), box.items()))
same = people == [[nothing], [], [one]] and votes[:2] == [None, []]
sys.exit(0 if same and all(record["r/emotion"] == b"awe" for record in records) else 1)
PY
venv/bin/python try.py
