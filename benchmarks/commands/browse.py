"""`emo8-bench browse`: what models got wrong, in the App of `emo8 browse`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from emo8.core.errors import SourceError


def add(commands: Any) -> None:
    """The parser of `browse`."""
    browse = commands.add_parser(
        "browse",
        help="predictions per model in the FiftyOne App, confused cells as saved views",
    )
    browse.add_argument("results", type=Path, metavar="RESULTS.jsonl")
    browse.add_argument("--data", metavar="DATA", help="the dataset; default: the one measured")
    browse.add_argument("--port", type=int, default=5151)
    browse.add_argument("--address", default="127.0.0.1")
    browse.add_argument("--no-open", action="store_true", help="serve without opening a browser")
    browse.set_defaults(call=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit code of `emo8 browse`, which does the work in a process of its own."""
    from benchmarks.results import table

    results = table.read_results([arguments.results])
    command = [sys.executable, "-m", "emo8.cli", "browse", arguments.data or _data(results)]
    command += ["--predictions", str(arguments.results), "--port", str(arguments.port)]
    command += ["--address", arguments.address, *(["--no-open"] if arguments.no_open else [])]
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 0  # Ctrl-C is how it ends


def _data(results: list[dict[str, Any]]) -> str:
    """The dataset that all results are about, if it can be found by its name from here."""
    names = sorted({str(result["dataset"]) for result in results})
    if len(names) > 1:
        raise SourceError(f"the results are about {', '.join(names)}: choose one with --data DATA")
    name = names[0]
    if Path(name).exists() or (name.count("/") == 1 and not Path(name).parent.exists()):
        return name
    raise SourceError(f"{name} is not in this folder: say where the dataset is with --data DATA")
