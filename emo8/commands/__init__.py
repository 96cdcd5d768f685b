"""One module per `emo8` command: `HELP`, `add_arguments(parser)` and `run(arguments)`.

They import only the standard library at the top; what a command needs is imported by `run`. A
command with several deeds says in `DEEDS` which options each of them reads; `refuse_unread` stops
the others, for an option that is taken and not read (`--undo BATCH --dry-run`) misleads.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

Deeds = Mapping[str, tuple[str, ...]]  # deed ("" = none named) -> the options that it reads


def at_least(least: int, text: str) -> int:
    """The whole number in an argument, for `type=`; ArgumentTypeError for a smaller one."""
    if not text.removeprefix("-").isdigit() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}: use a whole number, {least} or more")
    return int(text)


def refuse_unread(arguments: argparse.Namespace, deeds: Deeds, *, deed: str | None = None) -> None:
    """Raise Emo8Error for a given option that the asked deed does not read.

    The deed is the first of `deeds` that was given, unless `deed` names it.
    """
    from emo8.core.errors import Emo8Error

    if deed is None:
        deed = next((name for name in deeds if name and getattr(arguments, name)), "")
    parser: argparse.ArgumentParser = arguments.parser
    shown = {
        action.dest: action.option_strings[-1] if action.option_strings else action.metavar
        for action in parser._actions
    }
    known = {option for options in deeds.values() for option in options} | set(deeds) - {""}
    for option in sorted(known - {deed, *deeds[deed]}):
        if getattr(arguments, option) in (parser.get_default(option), []):
            continue  # [] is a positional that takes any number, and was given none
        asked = f"{parser.prog} {shown[deed]}" if deed else f"{parser.prog} alone"
        where = [shown[name] if name else "no other" for name in deeds if option in deeds[name]]
        goes = f"; it goes with {', '.join(map(str, where))}" if where else ": use one of them"
        raise Emo8Error(f"{shown[option]} is not read by {asked}{goes}")
