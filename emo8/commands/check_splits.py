"""`emo8 check-splits`."""

from __future__ import annotations

import argparse
import json

HELP = "whether a dataset's splits share pictures, exact or near, and how they balance"
DESCRIPTION = """\
Audit the splits of any dataset: a build, a dataset folder, a parquet file, a Hub id, or a folder of
pictures (train/LABEL/..., test/LABEL/...).

Exit code 0: no picture is in two splits. 1: some are, and are named.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--model", default="embedded", help="CLIP that is the second witness")
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    from emo8.dataset.open import read
    from emo8.duplicates.check_splits import audit

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
