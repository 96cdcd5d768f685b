"""How many faces `[publish] blur_faces` would find: labelled drawn faces, and pictures of people.

    python -m benchmarks.lab.blur --faces emotion_faces.parquet --pictures 'images-*.parquet' \
--out face_blur.json

A face counts as found where any region is; its place is not checked, so the shares are upper
bounds. Person boxes are not used: this is the Haar cascades alone.
"""

from __future__ import annotations

import argparse
import glob
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.core.images import decode
from emo8.dataset.blur import faces


def shares(table: pa.Table, group: str) -> dict[str, dict[str, Any]]:
    """Per value of the column `group`: pictures, and how many have at least one found face."""
    found: dict[str, list[bool]] = defaultdict(list)
    for row in table.select(["image", group]).to_pylist():
        image = row["image"]
        data = image["bytes"] if isinstance(image, dict) else image
        found[str(row[group])].append(bool(faces(decode(data).rgb)))
    return {
        name: {"n": len(hits), "with_a_face": sum(hits), "share": round(sum(hits) / len(hits), 3)}
        for name, hits in sorted(found.items())
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--faces", type=Path, required=True, help="parquet with image and vendor")
    parser.add_argument("--pictures", required=True, help="parquet with has_people, a glob")
    parser.add_argument("--most", type=int, default=300, help="pictures per answer of has_people")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    names = sorted(glob.glob(arguments.pictures))
    if not names:
        raise SystemExit(f"{arguments.pictures}: no such file")
    columns = ["image", "style", "has_people"]
    table = pa.concat_tables(pq.read_table(name, columns=columns) for name in names)
    results: dict[str, Any] = {"drawn_faces": shares(pq.read_table(arguments.faces), "vendor")}
    for answer in (True, False):
        rows = table.filter(pc.equal(table["has_people"], answer))
        step = max(1, rows.num_rows // arguments.most)
        some = rows.take(pa.array(range(0, rows.num_rows, step)))
        results["people" if answer else "nobody"] = shares(some, "style")
    text = json.dumps(results, indent=1) + "\n"
    sys.stdout.write(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
