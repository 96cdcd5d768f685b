"""`emo8 search`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "search terms for every emotion and style, and links to licensed pictures for them"
DESCRIPTION = """\
Turn search terms into a list of links with licence, author and source page, evenly over the 40
cells of emotion and style.

  emo8 search queries -o queries.csv                   terms in English, German and Spanish
  emo8 search queries --show-vocabulary > words.toml   the vocabulary, to edit
  emo8 search openverse --queries queries.csv -o urls.csv
  emo8 search openverse -o urls.csv --option license_type=commercial,modification

A recipe reads it with kind = "urls", columns = { caption = "title" }. The column query_emotion is
what was searched for, not a label: say emotion = "query_emotion" only if you trust it.

Answers are kept in FILE.pages: a search that was cut off, or met a daily limit, goes on with the
same command. Openverse needs no key; with OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET set it
allows more.
Providers of other packages are found by the entry point group emo8.search.
"""

_OF_QUERIES = ("vocabulary", "language", "show_vocabulary")
_OF_LINKS = (
    "queries", "per_query", "max_requests", "option", "endpoint", "user_agent", "delay_s",
    "allow_network",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("provider", metavar="PROVIDER", help="openverse; or queries: terms only")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="CSV")
    parser.add_argument("--queries", type=Path, metavar="FILE", help="CSV (default: English terms)")
    parser.add_argument(
        "--per-cell", type=int, metavar="N", help="links (default 50), or terms (default 30)"
    )
    parser.add_argument("--vocabulary", type=Path, metavar="FILE", help="queries: TOML of words")
    parser.add_argument(
        "--language", action="append", metavar="CODE", help="queries: one of its languages"
    )
    parser.add_argument(
        "--show-vocabulary", action="store_true", help="queries: print the words and end"
    )
    parser.add_argument("--per-query", type=int, default=15, metavar="N", help="of one term (15)")
    parser.add_argument(
        "--max-requests", type=int, default=200, metavar="N", help="in this run (default 200)"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the provider; openverse: license, license_type, category, source, endpoint",
    )
    parser.add_argument("--endpoint", metavar="URL", help="another server with the same API")
    parser.add_argument("--user-agent", default="", metavar="TEXT", help="default: emo8/VERSION")
    parser.add_argument("--delay-s", type=float, default=-1.0, metavar="S", help="between requests")
    parser.add_argument("--allow-network", action="append", default=[], metavar="CIDR",
                        help="a private network that may be asked, e.g. 127.0.0.0/8")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    terms_only = arguments.provider == "queries"
    _refuse(arguments, _OF_LINKS if terms_only else _OF_QUERIES)
    if arguments.per_cell is None:
        arguments.per_cell = 30 if terms_only else 50
    return _queries(arguments) if terms_only else _links(arguments)


def _refuse(arguments: argparse.Namespace, options: tuple[str, ...]) -> None:
    from emo8.core.errors import Emo8Error

    for name in options:
        if getattr(arguments, name) != arguments.parser.get_default(name):
            raise Emo8Error(f"--{name.replace('_', '-')} is not read by {arguments.provider}")


def _queries(arguments: argparse.Namespace) -> int:
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


def _links(arguments: argparse.Namespace) -> int:
    import sys

    from emo8.core.errors import Emo8Error
    from emo8.core.networks import parse_networks
    from emo8.web.search import api, collect, make_provider, queries

    if arguments.out is None:
        raise Emo8Error("name the list of links to write: -o urls.csv")
    for name in ("per_cell", "per_query", "max_requests"):
        if getattr(arguments, name) < 1:
            raise Emo8Error(f"--{name.replace('_', '-')} {getattr(arguments, name)}: use 1 or more")
    options = dict(text.partition("=")[::2] for text in arguments.option)
    if arguments.endpoint:
        options["endpoint"] = arguments.endpoint
    if arguments.queries:
        terms = queries.read_queries(arguments.queries)
    else:
        terms = queries.make_queries(queries.load_vocabulary(), languages=["en"], per_cell=30)
    client = api.Api(
        folder=arguments.out.with_name(f"{arguments.out.name}.pages"),
        delay_s=arguments.delay_s,
        user_agent=arguments.user_agent,
        allowed=parse_networks(arguments.allow_network, "--allow-network"),
        max_requests=arguments.max_requests,
    )
    provider = make_provider(arguments.provider, client, options)
    found = collect.collect(
        provider,
        arguments.provider,
        terms,
        per_cell=arguments.per_cell,
        per_query=arguments.per_query,
    )
    collect.write_list(arguments.out, found)
    print("\n".join(collect.report_lines(found)))
    print(f"{sum(found.counts().values())} links in {arguments.out}")
    if found.stopped:
        print(f"ended early: {found.stopped}; the same command goes on from here", file=sys.stderr)
        return 1
    return 0
