"""`emo8 doctor`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

HELP = "what this machine has, what is missing, and the remedy for each"
DESCRIPTION = """\
Versions, processor, GPU, FiftyOne's database, network, Hub token (present or not, never shown),
detector weights, disk. Exit 1 when something that every command needs is missing.
"""
_MARKS = {"ok": "ok", "note": "note", "missing": "MISSING"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--at", type=Path, default=Path(), metavar="DIR", help="where builds would be written"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    from emo8.doctor import examine

    checks = examine(arguments.at)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            print(f"{_MARKS[check.state]:<8}{check.name:<17}{check.found}")
            if check.remedy:
                print(f"{'':<25}-> {check.remedy}")
    return 1 if any(check.state == "missing" for check in checks) else 0
