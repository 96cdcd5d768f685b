"""`emo8 verify`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from emo8.commands import refuse_unread
from emo8.core.json_text import parse_json

HELP = "whether a published dataset is what it says, and proofs about single rows"
DESCRIPTION = """\
Check a published dataset: every picture against its hash, every file against the manifest, all
rows against the root that card and manifest name, counts against the card, splits against copies
that lie in two of them, licences against the list. Exit code 0: all holds; 1: what does not is
listed.

  emo8 verify DIR                           a published folder
  emo8 verify user/name@v1.0.0 [--stream]   on the Hub; --stream keeps no shards
  emo8 verify DIR --root ROOT               the same, and whether it is the version meant
  emo8 verify DIR --prove ID > proof.json   a proof that the row is in this version, or is not
  emo8 verify proof.json --root ROOT        whether a proof holds for the root of a version

docs/verify.md has the format of root and proofs.
"""

DEEDS = {"prove": (), "root": (), "": ("stream", "root")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATASET", help="DIR, user/name[@TAG], or a proof's file")
    parser.add_argument("--stream", action="store_true", help="do not download the shards first")
    parser.add_argument("--prove", default="", metavar="ID", help="print a proof about a row")
    parser.add_argument(
        "--root", default="", metavar="ROOT", help="the root of the version that is meant"
    )


def run(arguments: argparse.Namespace) -> int:
    from emo8.publish import verify

    if arguments.data.endswith(".json") and Path(arguments.data).is_file():
        refuse_unread(arguments, DEEDS, deed="root")
        return _check_proof(Path(arguments.data), arguments.root)
    if arguments.prove:
        refuse_unread(arguments, DEEDS, deed="prove")
        with verify.opened(arguments.data) as folder:
            print(json.dumps(verify.prove(folder, arguments.prove), indent=1))
        return 0
    if arguments.stream and not Path(arguments.data).is_dir():
        repo, _, revision = arguments.data.partition("@")
        found = verify.verify_stream(repo, revision or "main")
    else:
        with verify.opened(arguments.data) as folder:
            found = verify.verify(folder)
    problems = found.problems
    if arguments.root and found.root != arguments.root.lower():
        problems = [*problems, f"root: {found.root} is that of another version"]
    for line in problems:
        print(f"WRONG {line}")
    print(f"{found.rows} rows, {found.pictures} pictures, root {found.root}")
    print(f"{len(problems)} things do not hold" if problems else "everything holds")
    return 1 if problems else 0


def _check_proof(file: Path, root: str) -> int:
    from emo8.core.errors import Emo8Error
    from emo8.publish import merkle

    try:
        proof = parse_json(file.read_text(encoding="utf-8"))
        holds = merkle.check(proof)
    except (ValueError, KeyError, TypeError) as error:
        raise Emo8Error(f"{file} is no proof: {type(error).__name__}: {error}") from None
    if root and proof["root"] != root.lower():
        print(f"the proof is about another version: its root is {proof['root']}")
        return 1
    what = "is in" if proof["present"] else "is not in"
    print(f"{proof['id']} {what} the version with the root {proof['root']}" if holds
          else "the proof does not hold")  # fmt: skip
    return 0 if holds else 1
