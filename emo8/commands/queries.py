"""`emo8 queries`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "search terms: keyword x emotion x style"
DESCRIPTION = """\
Make search terms for all 40 cells of emotion and style from a vocabulary, most central words first.

  emo8 queries -o queries.csv                   English, German and Spanish, 30 terms a cell
  emo8 queries --language en --per-cell 10      to the screen
  emo8 queries --show-vocabulary > words.toml   the vocabulary, to edit

The vocabulary names the psychological source of each emotion's words.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="CSV (default: the screen)")
    parser.add_argument("--vocabulary", type=Path, metavar="FILE", help="TOML (default: ours)")
    parser.add_argument(
        "--language", action="append", metavar="CODE", help="one of its languages; repeatable"
    )
    parser.add_argument("--per-cell", type=int, default=30, metavar="N", help="terms (default 30)")
    parser.add_argument("--show-vocabulary", action="store_true", help="print it and end")


def run(arguments: argparse.Namespace) -> int:
    from emo8.core.errors import Emo8Error
    from emo8.engine.files import write_text
    from emo8.web.search import queries

    if arguments.show_vocabulary:
        path = arguments.vocabulary or queries.DEFAULT_PATH
        queries.load_vocabulary(path)
        print(path.read_text(encoding="utf-8"), end="")
        return 0
    if arguments.per_cell < 1:
        raise Emo8Error(f"--per-cell {arguments.per_cell}: use 1 or more")
    made = queries.make_queries(
        queries.load_vocabulary(arguments.vocabulary),
        languages=arguments.language,
        per_cell=arguments.per_cell,
    )
    if arguments.out is None:
        print(queries.as_csv(made), end="")
        return 0
    write_text(arguments.out, queries.as_csv(made))
    cells = queries.by_cell(made)
    empty = [f"{emotion} x {style}" for (emotion, style), terms in cells.items() if not terms]
    print(f"{len(made)} terms for {len(cells) - len(empty)} of {len(cells)} cells: {arguments.out}")
    if empty:
        print(f"no terms for {', '.join(empty)}")
    return 0
