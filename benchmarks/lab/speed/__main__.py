"""Runs the scripts of this folder one after another and writes the page of their results.

    python -m benchmarks.speed --pictures 'corpus/images-*.parquet' --only rebuild memory
    python -m benchmarks.speed --quick        # tiny settings, into runs/: does it all run?
    python -m benchmarks.speed --page-only    # the page again, from the JSON files there are

Each script is a process of its own. One whose needs are not met is left out with the reason; a
script that fails leaves its old numbers. Exit 1 when one failed, 0 also where a target is missed:
the page says so.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import emo8
from benchmarks.lab.speed import page
from benchmarks.lab.speed.plan import (
    BUILD,
    BY_NAME,
    NEEDS,
    PEER,
    PHOTOGRAPHS,
    PICTURES,
    VIEWS,
    Script,
    result_path,
)

HOME = Path(__file__).resolve().parents[2] / "results" / "speed"
QUICK = Path("runs") / "speed"
SAMPLE = Path(emo8.__file__).parent / "demo" / "sample"


def main(argv: Sequence[str] | None = None) -> int:
    """0 when no script failed."""
    arguments = build_parser().parse_args(argv)
    folder = arguments.into or (QUICK if arguments.quick else HOME)
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    if not arguments.page_only:
        own = _own_files(arguments)
        for name in arguments.only or BY_NAME:
            script = BY_NAME[name]
            if reason := unmet(script, own, quick=arguments.quick):
                sys.stdout.write(f"{name}: left out, {reason}\n")
            elif not run(script, own, folder, quick=arguments.quick):
                failed.append(name)
    sys.stdout.write(f"{page.write(folder)}\n")
    if failed:
        sys.stdout.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=sorted(BY_NAME), metavar="NAME",
                        help=", ".join(BY_NAME))  # fmt: skip
    parser.add_argument("--pictures", metavar="GLOB", help="parquet with pictures and captions")
    parser.add_argument("--photographs", metavar="GLOB",
                        help="JPEG files or parquet with some (default: --pictures)")  # fmt: skip
    parser.add_argument("--views", metavar="FILE", help="of `uniemox cache`, for a GPU")
    parser.add_argument("--build", metavar="DIR", help="a build of some thousand rows, to browse")
    parser.add_argument("--peer", metavar="DIR", help="a checkout of an older commit of ours")
    parser.add_argument("--quick", action="store_true", help="tiny settings; numbers mean nothing")
    parser.add_argument("--page-only", action="store_true", help="run nothing")
    parser.add_argument("--into", type=Path, metavar="DIR",
                        help="default: benchmarks/results/speed, or runs/speed")  # fmt: skip
    return parser


def _own_files(arguments: argparse.Namespace) -> dict[str, str]:
    """Placeholder -> the reader's own files; with --quick the sample stands in."""
    given = {
        PICTURES: arguments.pictures,
        PHOTOGRAPHS: arguments.photographs or arguments.pictures,
        VIEWS: arguments.views,
        BUILD: arguments.build,
        PEER: arguments.peer,
    }
    if arguments.quick:
        given[PICTURES] = given[PICTURES] or str(SAMPLE / "table" / "*.parquet")
        given[PHOTOGRAPHS] = given[PHOTOGRAPHS] or str(SAMPLE / "pictures/natural/[!b]*.jpg")
    return {key: value for key, value in given.items() if value}


def unmet(script: Script, own: Mapping[str, str], *, quick: bool = False) -> str:
    """Why a script cannot run here; empty when it can."""
    if missing := [NEEDS[word] for word in script.needs(quick=quick) if word not in own]:
        return f"it needs {' and '.join(missing)}"
    if script.gpu:
        import torch

        if not torch.cuda.is_available():
            return "it needs a GPU"
    return ""


def run(script: Script, own: Mapping[str, str], folder: Path, *, quick: bool) -> bool:
    """Whether the script left new numbers in its file; what it says goes to the screen."""
    out = result_path(folder, script.name)
    fresh = out.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    words = [own.get(word, word) for word in (script.quick if quick else script.arguments)]
    command = [
        sys.executable,
        "-m",
        f"benchmarks.lab.speed.{script.name}",
        *words,
        "--out",
        str(fresh),
    ]
    sys.stdout.write(f"{shlex.join(command[1:])}\n")
    sys.stdout.flush()
    pin = _pin_to_one_core if script.one_core and hasattr(os, "sched_setaffinity") else None
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False, preexec_fn=pin)
    if not fresh.exists():
        sys.stdout.write(f"{script.name}: exit {done.returncode} and no numbers\n")
        return False
    fresh.replace(out)
    return True


def _pin_to_one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


if __name__ == "__main__":
    sys.exit(main())
