"""`emo8 remove`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emo8.commands import refuse_unread

if TYPE_CHECKING:
    from emo8.dataset.removal_proof import Place

HELP = "put pictures on the removal list that every later build and publish honours"
DESCRIPTION = """\
Put pictures on your removal list. A key is a row's id, an address, or a SHA-256 of the file (as
received or as published) or of its pixels; with --from also the start of an id, or a path as the
build has it; else a picture file on this machine. Later builds leave the picture and its near
copies out with reason `removed`; publishing refuses a dataset that still holds one.

  emo8 remove 3f9a… --reason "asked by the photographer" --from BUILD
  emo8 build recipe.toml -o BUILD && emo8 publish BUILD user/name

  emo8 remove --prove ID --from BUILD --in DIR    where it still is; exit 1 if it is anywhere

--prove looks at every file of BUILD and DIR, at what was made of them (releases, sheets, exports,
fingerprints, caches and runs of uniemox, the App's database), and names each with what it found.

With --from, the hashes that the build knows are noted too: near copies are then found even when
the picture itself is no longer among the inputs. The list is $EMO8_REMOVALS, else
~/.local/share/emo8/removals.jsonl; it keeps hashes and addresses, no pictures.

Exit code 1: a key names no picture of the given builds. A whole hash or address is listed all the
same; the start of an id or a path that fits none, or several, is not.
"""
_SHOWN = 5  # matching rows that are named

DEEDS = {"prove": ("builds", "places"), "": ("key", "reason", "builds")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", nargs="*", metavar="ID|URL|HASH|PATH", help="which pictures")
    parser.add_argument("--reason", default="", metavar="TEXT", help="kept with the request")
    parser.add_argument(
        "--prove", default="", metavar="ID", help="where the picture still is, file by file"
    )
    parser.add_argument(
        "--in", dest="places", type=Path, action="append", default=[], metavar="PATH",
        help="with --prove: another folder or file to look at (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--from", dest="builds", type=Path, action="append", default=[], metavar="BUILD",
        help="a build that knows the picture (can be given several times)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    from emo8.core.errors import Emo8Error

    refuse_unread(arguments, DEEDS)
    if arguments.prove:
        return _prove(arguments.prove, arguments.builds, arguments.places)
    if not arguments.key:
        raise Emo8Error("name the picture: emo8 remove ID|URL|HASH --reason TEXT")
    if not arguments.reason.strip():
        raise Emo8Error("a removal needs a --reason: it is kept with the request")
    done = [_one(key, arguments.reason, arguments.builds) for key in arguments.key]
    if any(listed for listed, _ in done):
        print("run `emo8 build` again: these pictures and their near copies leave, as `removed`")
    return 0 if all(matched for _, matched in done) else 1


def _one(text: str, reason: str, builds: list[Path]) -> tuple[bool, bool]:
    """Put what `text` means on the list; whether it is there, and whether the builds know it."""
    from emo8.dataset import removal
    from emo8.publish.name_removal import name_one

    named = name_one(text, builds)
    if named.key is None:
        print(f"{text} matches no picture: {named.problem}; nothing was listed", file=sys.stderr)
        return False, False
    entry = removal.add(named.key, reason, builds)
    known = len(entry.ids) + len(entry.pixels) + len(entry.urls)
    where = f"; {known} hashes and addresses known" if builds else ""
    meant = "" if named.key == text else f" ({named.key})"
    print(f"{text}{meant} is on {removal.list_path()}{where}")
    for path in named.rows[:_SHOWN]:
        print(f"  matches {path}")
    if len(named.rows) > _SHOWN:
        print(f"  and {len(named.rows) - _SHOWN} more rows")
    if builds and not named.rows:
        print(f"  no given build has this picture: {named.problem}", file=sys.stderr)
        print("  it stays listed, for builds that meet it later", file=sys.stderr)
        return True, False
    return True, True


def _prove(text: str, builds: list[Path], places: list[Path]) -> int:
    """List every file that was looked at and what it holds; 1 when the picture is still there."""
    from emo8.core.errors import Emo8Error
    from emo8.dataset import removal, removal_proof
    from emo8.engine import build_folder, derived
    from emo8.publish.name_removal import name_one

    roots = [*builds, *places]
    missing = [root for root in roots if not root.exists()]
    if missing or not roots:
        what = f"{missing[0]} is not there" if missing else "name what to look at"
        raise Emo8Error(f"{what}: --from BUILD, --in FOLDER")
    named = name_one(text, builds)
    if named.key is None:
        raise Emo8Error(f"{text} matches no picture: {named.problem}")
    known = [root for root in roots if build_folder.is_build(root)]
    names = removal_proof.names_of(named.key, removal.load(), known)
    made = [one for one in derived.made_of(roots) if one.path not in {r.resolve() for r in roots}]
    found = [place for root in roots for place in removal_proof.look(root, names)]
    for one in made:
        print(f"made of them: {one.path} ({one.kind})")
        found += removal_proof.look(one.path, names)
    found += [place for build in known for place in _in_database(build, names)]
    for place in found:
        mark = "STILL" if place.holds else "hash " if place.found else "clean"
        print(f"{mark} {place.path}{f': {place.found}' if place.found else ''}")
    still = sum(place.holds for place in found)
    print(f"{len(found)} places looked at, {still} still hold it")
    print("not looked at: copies that `datasets` keeps (HF_DATASETS_CACHE); name them with --in")
    return 1 if still else 0


def _in_database(build: Path, names: set[str]) -> list[Place]:
    """The samples of a build that was browsed, in FiftyOne's database."""
    from emo8.core.errors import BrowseError
    from emo8.dataset.removal_proof import Place

    if not (build / "browse").is_dir():
        return []
    from emo8.browse import forget

    where = build / "browse" / "(FiftyOne's database)"
    try:
        shown = sum(len(samples) for _, samples in forget.shown(build, names))
    except BrowseError as error:
        return [Place(where, f"cannot be asked: {error}", True)]
    return [Place(where, f"{shown} samples" if shown else "", bool(shown))]
