"""The commands under test, as functions for a process of their own."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from benchmarks.lab.chaos.aimed import Command


def program(module: str, *words: str | Path) -> Command:
    """`python -m module` with these words."""

    def command() -> int:
        sys.argv = [module, *(str(word) for word in words)]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return 0

    return command


def emo8(*words: str | Path) -> Command:
    """`emo8` with these words."""
    return program("emo8.cli", *words)


def built(recipe: Path, build: Path) -> Command:
    return emo8("build", recipe, "-o", build, "--workers", "1")


def published(build: Path, release: Path) -> Command:
    return emo8("publish", build, "--to", release)


def pretrained(build: Path, run: Path, steps: int = 4) -> Command:
    """A tiny run that saves after each step."""
    words = ("pretrain", "cpu_smoke", "--data", build / "dataset", "--out", run)
    often = ("--steps", str(steps), "--system.save_every", "1", "--system.threads", "1")
    return program("pretrain.cli", *words, *often, "--system.save_async", "false")
