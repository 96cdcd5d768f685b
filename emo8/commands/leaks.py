"""`emo8 leaks take` and `emo8 leaks check`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

HELP = "copies of benchmarks: take fingerprints for [leaks], check the splits of any dataset"
DESCRIPTION = """\
emo8 leaks take DATA -o F.parquet    hashes and embeddings of a benchmark
emo8 leaks check DATA                whether the splits of a dataset share pictures

A recipe that names the file leaves out every row that is a copy of one of its pictures:

  [leaks]
  files = ["emoset-test.parquet"]

DATA is a build, a dataset folder, a parquet file, a Hub id, or a folder of pictures.
"""
_CHECK = """\
Look for exact and near copies across the splits of any dataset, and for splits whose labels differ
from the whole. Exit code 0: no picture is in two splits. 1: some are, and are named.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    deeds = parser.add_subparsers(required=True, metavar="take|check", dest="deed")
    take = deeds.add_parser("take", help="write the fingerprints of a benchmark")
    take.add_argument("data", metavar="DATA")
    take.add_argument("-o", "--out", type=Path, required=True, metavar="F.parquet")
    take.add_argument("--name", help="what rejected rows will name (default: from DATA)")
    take.add_argument("--split", help="only this split, for example test")
    take.add_argument("--model", default="embedded", help="CLIP of the builds to be checked")
    check = deeds.add_parser("check", help="copies across splits", description=_CHECK)
    check.add_argument("data", metavar="DATA")
    check.add_argument(
        "--model", default="embedded", help="CLIP that is the second witness; a build has its own"
    )
    check.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    return _take(arguments) if arguments.deed == "take" else _check(arguments)


def _take(arguments: argparse.Namespace) -> int:
    from emo8.core.errors import SourceError
    from emo8.dataset import open as opendata
    from emo8.duplicates import fingerprints
    from emo8.engine import derived

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
    derived.note("fingerprints", arguments.out, arguments.data)
    print(f"{arguments.out}: fingerprints of {len(prints)} pictures of {name}")
    if undecoded or empty:
        print(f"{undecoded + empty} rows had no picture that decodes")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    import json

    from emo8.dataset.open import read
    from emo8.duplicates.check_splits import audit, audit_build
    from emo8.engine import build_folder

    if build_folder.read_json(Path(arguments.data) / build_folder.RESOLVED) is not None:
        report = audit_build(Path(arguments.data))
    else:
        report = audit(read(arguments.data), model=arguments.model)
    if arguments.json:
        print(json.dumps(report, indent=2))
        return 0 if report["ok"] else 1
    sizes = ", ".join(f"{name} {size}" for name, size in report["splits"].items())
    print(f"{arguments.data}: {report['rows']} pictures ({sizes})")
    if report["unreadable"]:
        print(f"{report['unreadable']} rows have no picture that decodes")
    for kind in ("exact", "near"):
        print(f"{report[f'{kind}_pairs_across_splits']:>8} {kind} copies across splits")
    print(f"{report['copies_inside_splits']:>8} copies inside one split")
    for pair in report["shown"]:
        print(f"  {pair['kind']}: {pair['left']} = {pair['right']}")
    balance = report["balance"]
    if balance:
        off = balance["largest_difference_of_shares"]
        print(f"labels: a split's share differs from the whole by {off:.1%} at most")
        for missing in balance["missing"]:
            print(f"  no {missing}")
    if len(report["splits"]) < 2:
        print("there is one split only: nothing to compare")
    print("splits share no picture" if report["ok"] else "splits share pictures")
    return 0 if report["ok"] else 1
