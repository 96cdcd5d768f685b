"""`emo8 fingerprint`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

HELP = "hashes and embeddings of a benchmark, for [leaks] in a recipe"
DESCRIPTION = """\
Write the fingerprints of a dataset: hashes and embeddings, no pictures. A recipe that names the
file leaves out every row that is a copy of one of its pictures:

  [leaks]
  files = ["emoset-test.parquet"]
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="build, dataset, parquet, Hub id or folder")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="F.parquet")
    parser.add_argument("--name", help="what rejected rows will name (default: from DATA)")
    parser.add_argument("--split", help="only this split, for example test")
    parser.add_argument("--model", default="embedded", help="CLIP of the builds to be checked")


def run(arguments: argparse.Namespace) -> int:
    from emo8.core.errors import SourceError
    from emo8.dataset import open as opendata
    from emo8.duplicates import fingerprints

    wanted, splits = arguments.split, set()
    empty = 0

    def pictures() -> Iterator[tuple[str, bytes]]:
        nonlocal empty
        for picture in opendata.read(arguments.data):
            splits.add(picture.split)
            if wanted and picture.split != wanted:
                continue
            if picture.data is None:
                empty += 1
            else:
                yield picture.id, picture.data

    name = arguments.name or opendata.short_name(arguments.data)
    prints, undecoded = fingerprints.take(pictures(), name, arguments.model)
    if not len(prints):
        found = ", ".join(sorted(splits)) or "no rows"
        raise SourceError(f"{arguments.data}: no pictures to fingerprint (found: {found})")
    fingerprints.write(prints, arguments.out)
    print(f"{arguments.out}: fingerprints of {len(prints)} pictures of {name}")
    if undecoded or empty:
        print(f"{undecoded + empty} rows had no picture that decodes")
    return 0
