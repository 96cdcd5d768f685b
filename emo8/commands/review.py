"""`emo8 review`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "people's votes on a build: out to a file, in from a file, and what they come to"
DESCRIPTION = """\
  emo8 review BUILD                         how many votes, how far annotators agree
  emo8 review BUILD --export sheet.csv      rows to vote on; fill in annotator and emotion
  emo8 review BUILD --import sheet.csv      votes in; then `emo8 build` again applies them
  emo8 review BUILD --undo BATCH            take one import back
  emo8 review BUILD --export-votes v.csv    the votes themselves, under pseudonyms

A vote file (.csv, .tsv or .parquet) has the columns id, annotator, emotion; optionally answer
(yes or no: is it that emotion?), style_vote (one of the five styles), reject (yes: the picture should leave) and consent (no: do not
use it). A file with any mistake is refused whole, with every mistake and its line.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--export", type=Path, metavar="FILE", help="write rows to vote on")
    what.add_argument("--import", type=Path, metavar="FILE", dest="import_", help="read votes")
    what.add_argument("--undo", metavar="BATCH", help="take an import back")
    what.add_argument("--export-votes", type=Path, metavar="FILE", help="write the votes")
    what.add_argument("--json", action="store_true", help="the numbers, for scripts")
    parser.add_argument(
        "--pick",
        default="queue",
        metavar="ROWS",
        help="for --export: queue (labels likely wrong; default), unsure, unlabelled or all",
    )
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="for --export: at most N")
    parser.add_argument(
        "--yes-no", action="store_true", help="for --export: propose the label, ask for an answer"
    )
    parser.add_argument(
        "--annotator", default="", metavar="NAME", help="for --import: who voted, if no column says"
    )


def run(arguments: argparse.Namespace) -> int:
    from emo8 import ballots, builddir, review

    build = arguments.build
    builddir.require_build(build)
    if arguments.export:
        number = review.write_sheet(
            build,
            arguments.export,
            pick=arguments.pick,
            limit=arguments.limit,
            yes_no=arguments.yes_no,
        )
        print(f"{number} rows to vote on in {arguments.export}")
    elif arguments.export_votes:
        number = review.write_votes_file(build, arguments.export_votes)
        print(f"{number} votes in {arguments.export_votes}")
    elif arguments.import_:
        with builddir.writing(build):
            found = ballots.import_votes(build, arguments.import_, annotator=arguments.annotator)
        print(
            f"{found.num_votes} votes on {found.num_rows} rows by {found.num_annotators} "
            f"annotators, as batch {found.batch}; {found.num_replaced} earlier answers replaced, "
            f"{found.num_unanswered} lines without an answer passed over\n"
            f"apply them: emo8 build RECIPE -o {build}"
        )
    elif arguments.undo:
        with builddir.writing(build):
            number = ballots.undo(build, arguments.undo)
        print(f"{number} votes taken back\napply it: emo8 build RECIPE -o {build}")
    else:
        _show(review.vote_report(build), as_json=arguments.json)
    return 0


def _show(report: dict[str, object], *, as_json: bool) -> None:
    import json

    if as_json:
        print(json.dumps(report, indent=2))
        return
    for name, value in report.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for key, number in value.items():
                print(f"  {key:<16} {number}")
        elif value not in (None, ""):
            print(f"{name:<24} {value}")
