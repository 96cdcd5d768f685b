"""`emo8 diff`."""

from __future__ import annotations

import argparse

HELP = "what changed between two datasets, and which version that makes"
DESCRIPTION = """\
Compare two datasets row by row: added, removed, moved to another split, other labels, licences or
pictures; columns that came or went. A and B are a BUILD, a published folder, or user/name[@TAG].
Major: a column is gone or retyped, or rows changed split. Minor: rows or labels. Patch: the rest.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="A")
    parser.add_argument("new", metavar="B")
    parser.add_argument("--json", action="store_true", help="all ids, for scripts")


def run(arguments: argparse.Namespace) -> int:
    import dataclasses
    import json

    from emo8.publish import versions

    old, new = versions.open_state(arguments.old), versions.open_state(arguments.new)
    changes = versions.compare(old, new)
    if arguments.json:
        print(json.dumps({"level": changes.level, **dataclasses.asdict(changes)}, indent=2))
        return 0
    for line in versions.describe(changes.counts()) or ["no row and no column differs"]:
        print(line)
    print(f"version: {changes.level or 'unchanged'}")
    return 0
