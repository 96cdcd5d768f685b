"""`emo8 publish`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emo8.commands import refuse_unread

VENUES = ("neurips",)  # see emo8/publish/submission.py
HELP = "check a finished build and publish it to a folder or the Hub"
DESCRIPTION = """\
Publish a finished build: parquet shards, card, Croissant, changelog. Everything passes a gate
first (metadata in pictures, missing licences, removed pictures, local paths, secrets, damaged
pictures, labels outside the vocabulary, copies across splits), and is read back afterwards.

  emo8 publish BUILD --to DIR                 a folder that load_dataset and others read
  emo8 publish BUILD user/name [--private]    the same content on the Hub, tagged v<version>
  emo8 publish BUILD user/name --dry-run      what would go up, how many bytes, what blocks
  emo8 publish BUILD --audit                  metadata, paths and secrets in what would go out
  emo8 publish BUILD --check neurips          what a submission still lacks, with the line to write
  emo8 publish A B --diff [--json]            what changed from A to B, and which version that makes

With --diff, A and B are a BUILD, a published folder, or user/name[@TAG]; they are compared row by
row: added, removed, moved to another split, other labels, licences or pictures; columns that came
or went. Major: a column is gone or retyped, or rows changed split. Minor: rows or labels. Patch:
the rest. A release's version follows from the same comparison.

--audit looks at what would go out and at BUILD/report; BUILD may also be a published folder, a RUN
or an exported model. --audit and --check exit with 1 where something is to mend, with 0 where
nothing is.

Exit code 2: the gate or the Hub found something for you to mend; 1: run it again.
"""

DEEDS = {
    "diff": ("json",),
    "audit": ("check",),
    "check": ("audit",),
    "": ("to", "private", "tag", "dry_run", "allow_missing_license"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", metavar="BUILD")
    parser.add_argument("repo", nargs="?", default="", metavar="user/name", help="on the Hub")
    parser.add_argument("--to", type=Path, metavar="DIR", help="a folder instead of the Hub")
    parser.add_argument("--private", action="store_true", help="when the repository is new")
    parser.add_argument("--tag", default="", help="default: v<version>")
    parser.add_argument("--dry-run", action="store_true", help="publish nothing")
    parser.add_argument(
        "--audit", action="store_true", help="scan every file that would go out, publish nothing"
    )
    parser.add_argument(
        "--check", choices=VENUES, help="what a submission to a venue lacks, publish nothing"
    )
    parser.add_argument("--diff", action="store_true", help="compare two datasets, publish nothing")
    parser.add_argument("--json", action="store_true", help="with --diff: all ids, for scripts")
    parser.add_argument(
        "--allow-missing-license", action="store_true", help="rows without a licence may go out"
    )


def run(arguments: argparse.Namespace) -> int:
    refuse_unread(arguments, DEEDS)
    if arguments.diff:
        return _diff(arguments)
    if arguments.audit or arguments.check:
        return _look(arguments)
    return _publish(arguments)


def _look(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a release that is not sent."""
    from emo8.publish import audit, send, submission

    with send.looked_at(Path(arguments.build), arguments.repo) as (root, forbidden):
        finds = audit.audit(root, forbidden) if arguments.audit else []
        if arguments.audit and root != Path(arguments.build):
            finds += audit.audit(Path(arguments.build), forbidden, inside="report/")
        lines = [str(find) for find in finds]
        if arguments.check:
            lines += submission.lacking(root)
    print("\n".join(lines) or f"{arguments.build}: nothing found")
    return 1 if lines else 0


def _publish(arguments: argparse.Namespace) -> int:
    from emo8.core.errors import Emo8Error
    from emo8.publish import send

    if bool(arguments.repo) == bool(arguments.to):
        raise Emo8Error("publish needs one target: user/name on the Hub, or --to DIR")
    options = {
        "dry_run": arguments.dry_run,
        "allow_missing_license": arguments.allow_missing_license,
    }
    if arguments.to:
        if arguments.tag or arguments.private:
            raise Emo8Error("--tag and --private are for the Hub; with --to leave them out")
        outcome = send.to_folder(Path(arguments.build), arguments.to, **options)
    else:
        outcome = send.to_hub(
            Path(arguments.build),
            arguments.repo,
            private=arguments.private,
            tag=arguments.tag,
            **options,
        )
    return _report(outcome, dry_run=arguments.dry_run)


def _report(outcome, *, dry_run: bool) -> int:  # type: ignore[no-untyped-def]
    release = outcome.release
    for line in outcome.verdict.warnings:
        print(f"warning: {line}", file=sys.stderr)
    if dry_run:
        for name, entry in release.notes["files"].items():
            print(f"{entry['bytes']:>14,}  {name}")
    size = f"{len(release.notes['files']) + 1} files, {release.num_bytes:,} bytes"
    print(f"version {release.version}, {release.num_rows} rows, {size}")
    for line in release.changes or ["nothing changed since the last release"]:
        print(f"  {line}")
    if dry_run:
        for line in outcome.verdict.blockers:
            print(f"BLOCKED: {line}")
        print(f"dry run: nothing was published to {outcome.where}")
        return 0 if outcome.verdict.open else 2
    tag = f" (tag {outcome.tag})" if outcome.tag else ""
    print(f"{outcome.where}{tag}: {'published and read back' if outcome.sent else 'up to date'}")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    import dataclasses
    import json

    from emo8.core.errors import Emo8Error
    from emo8.publish import versions

    if not arguments.repo:
        raise Emo8Error("--diff compares two datasets: emo8 publish A B --diff")
    old, new = versions.open_state(arguments.build), versions.open_state(arguments.repo)
    changes = versions.compare(old, new)
    if arguments.json:
        print(json.dumps({"level": changes.level, **dataclasses.asdict(changes)}, indent=2))
        return 0
    for line in versions.describe(changes.counts()) or ["no row and no column differs"]:
        print(line)
    print(f"version: {changes.level or 'unchanged'}")
    return 0
