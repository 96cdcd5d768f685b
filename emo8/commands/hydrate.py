"""`emo8 hydrate`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "complete a dataset published without pictures"
DESCRIPTION = """\
Fetch the pictures of rows that were published as address and hash, check each against its hash,
and write the completed dataset to a new folder.

  emo8 hydrate DIR -o OUT              a published folder
  emo8 hydrate user/name@v1.0 -o OUT   a dataset on the Hub

Sites' wishes are honoured as in a build, and so is the removal list. Rows whose picture cannot be
had, or is another by now, stay without one: OUT/hydrate.csv says why. Run the same command again
after an interruption. `emo8 hydrate OUT -o OUT2` tries the missing ones once more.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="a folder, or user/name[@revision]")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help="a new folder")
    parser.add_argument(
        "--fetch",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of [fetch] (docs/web.md), for example host_delay_s=1; repeatable",
    )
    parser.add_argument(
        "--allow-network",
        action="append",
        default=[],
        metavar="CIDR",
        help="a private network that may be fetched from, e.g. 127.0.0.0/8; repeatable",
    )
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="default: all cores")


def run(arguments: argparse.Namespace) -> int:
    from emo8.core.networks import parse_networks
    from emo8.dataset import removal
    from emo8.engine import derived
    from emo8.publish import hub
    from emo8.publish.hydrate import REPORT, Hydration, fetch_options

    parse_networks(arguments.allow_network, "--allow-network")
    config = fetch_options(arguments.fetch)
    folder = Path(arguments.data)
    if not folder.is_dir():
        name, _, revision = arguments.data.partition("@")
        folder = hub.download(name, revision or "main")
    done = Hydration(
        folder,
        arguments.out,
        config=config,
        removals=removal.load(),
        allow_networks=tuple(arguments.allow_network),
        processes=arguments.workers,
    ).run()
    derived.note("completed dataset", arguments.out, folder)
    print(f"{done.rows:>8} rows\n{done.had:>8} had their picture\n{done.filled:>8} completed")
    for reason, rows in done.lost.items():
        print(f"{rows:>8} still without: {reason}")
    if done.lost:
        print(f"{arguments.out / REPORT} names them")
    print(f'load_dataset("{arguments.out}")')
    return 0
