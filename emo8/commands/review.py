"""`emo8 review`."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emo8.commands import at_least, refuse_unread

if TYPE_CHECKING:
    from emo8.review.parse import ReadVotes
    from emo8.review.vote_files import Asked

_APP = Path("-")  # stands for the App where `--import` has no file

HELP = "a queue of rows to look at, people's votes in and out, and what they come to"
DESCRIPTION = """\
  emo8 review BUILD                         how many votes, how far annotators agree
  emo8 review BUILD --assign ann ben --overlap 2 --limit 200    who looks at what, best first
  emo8 review BUILD --export sheet.csv      rows to vote on; fill in annotator and emotion
  emo8 review BUILD --export s.xlsx --blind   with pictures, without anybody's label
  emo8 review BUILD --import sheet.csv      votes in; then `emo8 build` again applies them
  emo8 review BUILD --import                tags and edited labels of `emo8 browse` in
  emo8 review BUILD --serve                 eight keys in a browser of this machine
  emo8 review BUILD --undo BATCH            take one import back
  emo8 review BUILD --export-votes v.csv    the votes themselves, under pseudonyms

Votes come from Label Studio, CVAT, MTurk, Qualtrics or Prolific, Argilla, VIA, doccano, COCO-like
JSON, or any table: what a file is, is seen from its content and said aloud. Pictures are found by
id, path, file name, address or upload name. A table of ours has the columns id, annotator, emotion;
optionally answer (yes or no: is it that emotion?), style_vote, valence, arousal, dominance,
intensity, polarity, scale, reject (yes: the picture should leave), reason, time and consent (no: do
not use it). Several emotions (awe;fear) are an answer to "select all that apply"; none, neutral and
cannot tell are answers too. In the App tag emotion:awe, style:cartoon, reject:blurry, emotion:yes
or emotion:no; emotion:awe@ann says who. What has any mistake is refused whole, with every mistake
and its place. An import shows what it would change first, and asks where it can.
"""

_SHEETS = ("annotator", "format", "pick", "limit", "yes_no", "claims", "links", "blind")
_OF_FILES = ("format", "columns", "scale", "skip_unknown")
DEEDS = {
    "export": _SHEETS,
    "import_": ("annotator", *_OF_FILES, "dry_run", "yes"),
    "serve": ("ask", "port"),
    "undo": (),
    "export_votes": (),
    "assign": ("overlap", "limit"),
    "json": (),
    "": (),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD")
    what = parser.add_mutually_exclusive_group()
    file_or_app: dict[str, Any] = {"type": Path, "nargs": "?", "const": _APP, "metavar": "FILE"}
    what.add_argument(
        "--export",
        **file_or_app,
        help="write rows to vote on; default: tasks.csv, or as the tool names it",
    )
    what.add_argument(
        "--import",
        **file_or_app,
        dest="import_",
        help="read votes from a file, or without FILE from the FiftyOne App",
    )
    what.add_argument("--serve", action="store_true", help="vote in a browser of this machine")
    what.add_argument("--undo", metavar="BATCH", help="take an import back")
    what.add_argument("--export-votes", type=Path, metavar="FILE", help="write the votes")
    what.add_argument("--assign", nargs="+", metavar="NAME", help="share the queue out")
    what.add_argument("--json", action="store_true", help="the numbers, for scripts")
    parser.add_argument(
        "--annotator",
        default="",
        metavar="NAME",
        help="for --import: who voted, where nothing says; for --export: that person's open rows",
    )
    parser.add_argument(
        "--format",
        default="",
        metavar="TOOL",
        help="for --import: what the file is, where that is not seen from its content; "
        "for --export: csv (default), label-studio, cvat or argilla",
    )
    _add_export(parser.add_argument_group("for --export, or where it says so").add_argument)
    _add_import(parser.add_argument_group("for --import").add_argument)


def _add_export(add: Callable[..., Any]) -> None:
    add(
        "--pick",
        default="queue",
        metavar="ROWS",
        help="queue (by expected value; default), errors, unsure, unlabelled or all",
    )
    add(
        "--limit",
        type=partial(at_least, 0),
        default=0,
        metavar="N",
        help="at most N rows; also --assign",
    )
    add("--yes-no", action="store_true", help="csv: propose the label, ask for an answer")
    add("--claims", action="store_true", help="tools: with CLIP's claims as predictions")
    add(
        "--links",
        action="store_true",
        help="tools: pictures by their address on the web, if any",
    )
    add(
        "--blind",
        action=argparse.BooleanOptionalAction,
        help="without labels, claims and paths; default where --annotator is given",
    )
    add(
        "--overlap",
        type=partial(at_least, 1),
        default=1,
        metavar="K",
        help="--assign: annotators per row",
    )
    add(
        "--ask",
        default="emotion",
        metavar="WHAT,…",
        help="--serve: emotion (default), valence, arousal, dominance, one after another",
    )
    add("--port", type=int, default=0, help="--serve: default, a free one")


def _add_import(add: Callable[..., Any]) -> None:
    add(
        "--columns",
        default="",
        metavar="OURS=THEIRS,…",
        help="how the file names our columns, e.g. id=Input.image_url",
    )
    add(
        "--scale",
        default="",
        metavar="SCALE",
        help='of its ratings, "1-9", "0 to 1", or "valence=-1 to 1, arousal=1-9"',
    )
    add("--skip-unknown", action="store_true", help="leave out answers on unknown pictures")
    add("--dry-run", action="store_true", help="only show the change")
    add("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace) -> int:
    from emo8.engine import build_folder, derived
    from emo8.review import journal, queue, report, sheets, vote_files

    build = arguments.build
    refuse_unread(arguments, DEEDS)
    build_folder.require_build(build)
    if arguments.export:
        return _export(arguments)
    elif arguments.export_votes:
        number = sheets.write_votes_file(build, arguments.export_votes)
        derived.note("votes", arguments.export_votes, build)
        print(f"{number} votes in {arguments.export_votes}")
    elif arguments.assign:
        with build_folder.writing(build):
            asked = queue.assign(
                build,
                sheets.claims_table(build),
                arguments.assign,
                overlap=arguments.overlap,
                limit=arguments.limit,
            )
        for name, number in asked["annotator"].value_counts(sort=False).items():
            print(f"{name}: {number} rows")
        print(f"see them: emo8 browse {build}, or --export sheet.csv --annotator NAME")
    elif arguments.serve:
        return _serve(arguments)
    elif arguments.import_:
        return _import(arguments)
    elif arguments.undo:
        with build_folder.writing(build):
            journal.settle(build)
            number = vote_files.undo(build, arguments.undo)
        print(f"{number} votes taken back\napply it: emo8 build RECIPE -o {build}")
    else:
        _show(report.vote_report(build), as_json=arguments.json)
    return 0


def _import(arguments: argparse.Namespace) -> int:
    """Read votes, show what they change, and add them unless that was all, or the user says no."""
    from emo8.core.errors import Emo8Error
    from emo8.engine import build_folder
    from emo8.review import journal, preview, vote_files

    build = arguments.build
    with build_folder.writing(build):
        journal.settle(build)
        if arguments.import_ == _APP:
            if unread := [name for name in _OF_FILES if getattr(arguments, name)]:
                option = unread[0].replace("_", "-")
                raise Emo8Error(f"--{option} is about a vote file, and --import names none")
            new = _from_app(build, arguments.annotator)
        else:
            new = vote_files.read_file(build, arguments.import_, _asked(arguments))
        if new.votes.empty:
            print("nothing new to import")
            return 0
        print("\n".join(preview.diff_lines(build, new)))
        if arguments.dry_run or not (arguments.yes or _agreed(len(new.votes))):
            print("nothing was imported")
            return 0
        found = vote_files.add(build, new)
    print(
        f"{found.num_votes} votes on {found.num_rows} rows by {found.num_annotators} "
        f"annotators, as batch {found.batch}; {found.num_replaced} earlier answers replaced, "
        f"{found.num_unanswered} lines without an answer passed over\n"
        f"apply them: emo8 build RECIPE -o {build}; take them back: --undo {found.batch}"
    )
    return 0


def _export(arguments: argparse.Namespace) -> int:
    """Write rows to vote on: a sheet of ours, or another tool's tasks with their pictures."""
    from emo8.engine import derived
    from emo8.review import sheets
    from emo8.review.writers import writer
    from emo8.review.writers.tasks import pictures_folder, tasks_of

    build, tool = arguments.build, arguments.format
    chosen = writer(tool) if tool not in ("", "csv") else None
    _check_export(arguments, chosen)
    rows = sheets.chosen_rows(
        build, pick=arguments.pick, limit=arguments.limit, annotator=arguments.annotator
    )
    blind = arguments.blind
    if blind is None:  # who was asked to vote is asked for an own opinion
        blind = bool(arguments.annotator) and not (arguments.yes_no or arguments.claims)
    file = arguments.export
    if file == _APP:
        file = Path(f"tasks{chosen.SUFFIX if chosen else '.csv'}")
    advice = ""
    if chosen:
        links = arguments.links and getattr(chosen, "LINKS", True)
        advice = "\n" + chosen.write(
            tasks_of(build, rows, file, links=links), file, claims=arguments.claims
        )
    else:
        sheets.write_sheet(
            build, rows, file,
            yes_no=arguments.yes_no, blind=blind, annotator=arguments.annotator,
        )  # fmt: skip
        advice = ", without labels and claims (--no-blind shows them)" if blind else ""
    derived.note("review sheet", file, build)
    if (pictures := pictures_folder(file)).is_dir():
        derived.note("pictures of a review sheet", pictures, build)
    print(f"{len(rows)} rows to vote on in {file}{advice}")
    return 0


def _check_export(arguments: argparse.Namespace, chosen: Any) -> None:
    """Raise Emo8Error for an option that the chosen form of the tasks has no place for."""
    from emo8.core.errors import Emo8Error

    tool = arguments.format
    if arguments.annotator and arguments.pick != "queue":
        raise Emo8Error("--annotator exports the rows assigned to that person: leave --pick out")
    if arguments.blind and arguments.claims:
        raise Emo8Error("--blind hides what --claims shows: use one of them")
    if chosen and arguments.yes_no:
        raise Emo8Error(f"--yes-no is for a sheet, and {tool} asks for the emotion: leave it out")
    for option in ("claims", "links"):
        if getattr(arguments, option) and not (chosen and getattr(chosen, option.upper(), True)):
            what = f"has no place in {tool}" if chosen else "is for tasks of other tools"
            raise Emo8Error(f"--{option} {what}: --format label-studio, for example")


def _serve(arguments: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C; whatever was answered is on disk at every moment."""
    from emo8.engine import build_folder
    from emo8.review import journal
    from emo8.review.serve.server import ReviewServer
    from emo8.review.serve.session import Session

    build = arguments.build
    with build_folder.writing(build):
        journal.settle(build)
    session = Session.open(build, tuple(arguments.ask.split(",")))
    with ReviewServer(session, arguments.port) as server:
        print(f"{server.url}\nopen it in a browser of this machine; Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    session.journal.close()
    number = len(journal.records(session.journal.path))
    with build_folder.writing(build):
        journal.settle(build)
    print(f"\n{number} pictures answered, as batch {session.journal.batch}")
    print(f"apply them: emo8 build RECIPE -o {build}")
    return 0


def _asked(arguments: argparse.Namespace) -> Asked:
    """What the command line says about a vote file."""
    from emo8.core.errors import Emo8Error
    from emo8.review.vote_files import Asked

    pairs = [pair for pair in arguments.columns.split(",") if pair.strip()]
    if wrong := [pair for pair in pairs if "=" not in pair]:
        raise Emo8Error(f"--columns {wrong[0]!r}: write ours=theirs, e.g. id=Input.image_url")
    columns = (pair.partition("=") for pair in pairs)
    return Asked(
        annotator=arguments.annotator,
        format=arguments.format,
        columns={ours.strip(): theirs.strip() for ours, _, theirs in columns},
        scale=arguments.scale,
        skip_unknown=arguments.skip_unknown,
    )


def _from_app(build: Path, annotator: str) -> ReadVotes:
    from emo8.browse import tags

    found = tags.read(build, annotator=annotator)
    if found.num_known:
        print(f"{found.num_known} tags and edits were imported before")
    if found.passed_over:
        print(f"passed over, no votes of ours: {', '.join(found.passed_over)}")
    return found.ballots


def _agreed(number: int) -> bool:
    """Whether the user says yes; without a terminal nobody can be asked, and `--undo` is there."""
    if not sys.stdin.isatty():
        return True
    return input(f"import these {number} votes? [y/N] ").strip().lower() in ("y", "yes")


def _show(report: dict[str, object], *, as_json: bool) -> None:
    import json

    from emo8.review import told

    if as_json:
        print(json.dumps(report, indent=2))
        return
    print("\n".join(told.lines(report)))
