"""`emo8 browse`."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emo8.commands import at_least

if TYPE_CHECKING:
    from emo8.browse import app

_OBJECTS = 50_000  # between two looks for garbage: importing FiftyOne and filling make little
HELP = "a build or dataset in the FiftyOne App, with views of its interesting corners"
DESCRIPTION = """\
Opens the FiftyOne App (pip install 'emo8[browse]') on a build, a dataset folder, a Hub id, a
parquet file or a folder of pictures. The same command again updates what changed; tags stay.

  emo8 browse BUILD                              then tag: emotion:awe, style:cartoon, reject:blurry
  emo8 browse BUILD --where "style == 'cartoon' and emotion_entropy > 0.8"
  emo8 review BUILD --import --annotator NAME    brings tags and edited labels into the build

A build keeps its pictures in parquet; the App needs files: they are made once, by id, in
BUILD/browse (for datasets in ~/.cache/emo8/browse) and may be deleted at any time. Nothing that
happens in the App changes the build before `emo8 review --import`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="BUILD|DATA")
    parser.add_argument("--port", type=int, default=5151, metavar="N", help="default: 5151")
    parser.add_argument(
        "--address",
        default="127.0.0.1",
        metavar="A",
        help="default: 127.0.0.1, this machine alone; there is no password",
    )
    parser.add_argument("--no-open", action="store_true", help="serve without opening a browser")
    parser.add_argument(
        "--limit", type=partial(at_least, 0), default=0, metavar="N", help="the first N rows"
    )
    parser.add_argument("--where", default="", metavar="EXPR", help="only rows for which it holds")
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="RESULTS",
        help="what models said: a results file of emo8-bench run",
    )


def run(arguments: argparse.Namespace) -> int:
    import contextlib
    import gc
    import webbrowser

    from emo8.browse import app

    gc.set_threshold(_OBJECTS)
    warning = app.check_address(arguments.address, arguments.port)
    with contextlib.closing(app.Server(address=arguments.address, port=arguments.port)) as server:
        prepared = _prepare(arguments, server)
        if warning:
            print(f"WARNING: {warning}", file=sys.stderr)
        session = server.show(prepared)
        shown = f"[{arguments.address}]" if ":" in arguments.address else arguments.address
        page = f"http://{shown}:{arguments.port}/datasets/{prepared.dataset.name}"
        print(f"{page}\nCtrl-C ends it; tags stay in FiftyOne's database", flush=True)
        if not arguments.no_open:
            webbrowser.open(page)
        with contextlib.closing(session), contextlib.suppress(KeyboardInterrupt):
            session.wait(-1)  # Ctrl-C is how it ends
    return 0


def _prepare(arguments: argparse.Namespace, server: app.Server) -> app.Prepared:
    """The rows in FiftyOne, while its App starts; says what changed."""
    import time

    from emo8.browse import app
    from emo8.engine.progress import stage

    started = time.monotonic()
    with stage("rows into FiftyOne", 1) as counter:
        done = 0

        def progress(now: int) -> None:
            nonlocal done
            counter.advance(0, now - done)
            done = now

        prepared = app.prepare(
            arguments.data,
            where=arguments.where,
            limit=arguments.limit,
            predicted=arguments.predictions,
            progress=progress,
            start=server.start,
        )
        counter.advance(1, 0)
    filled = prepared.filled
    print(
        f"{filled.num_rows} rows in {time.monotonic() - started:.0f} s: {filled.num_added} new, "
        f"{filled.num_updated} changed, {filled.num_deleted} gone; "
        f"{filled.without_picture} without a picture that can be shown"
    )
    for note in prepared.notes:
        print(f"note: {note}")
    print(f"saved views: {', '.join(prepared.views)}")
    return prepared
