"""The commands under test, as functions for a process of their own."""

from __future__ import annotations

from pathlib import Path

from benchmarks.lab.chaos.aimed import Command


def emo8(*words: str | Path) -> Command:
    """`emo8` with these words."""

    def command() -> int:
        from emo8.cli import main

        return main([str(word) for word in words])

    return command


def built(recipe: Path, build: Path) -> Command:
    return emo8("build", recipe, "-o", build, "--workers", "1")


def published(build: Path, release: Path) -> Command:
    return emo8("publish", build, "--to", release)


def pretrained(build: Path, run: Path, steps: int = 4) -> Command:
    """A tiny run that saves after each step."""

    def command() -> int:
        from pretrain.cli import main

        words = ["pretrain", "cpu_smoke", "--data", str(build / "dataset"), "--out", str(run)]
        words += ["--steps", str(steps), "--system.save_every", "1", "--system.threads", "1"]
        return main([*words, "--system.save_async", "false"])

    return command
