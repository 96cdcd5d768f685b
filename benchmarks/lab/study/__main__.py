"""`python -m benchmarks.lab.study`: the preregistered comparison, resumable."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from emo8.core.errors import Emo8Error


def main(argv: Sequence[str] | None = None) -> int:
    """Pretrain and probe the arms of claim.md, write results/claim.md."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lab.study",
        description="The same command continues a study that was cut off, arm by arm and seed by "
        "seed. Read benchmarks/lab/study/claim.md first: it says what is asked and how.",
    )
    add_ = parser.add_argument
    add_("--corpus", type=Path, required=True, help="images-*.parquet and emotion_faces.parquet")
    add_("--work", type=Path, required=True, help="folder for caches and RUNs")
    add_("--out", type=Path, default=Path("benchmarks/results"), help="folder for the results")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=int, default=300, help="per arm and seed; default 300")
    budget.add_argument(
        "--budget-minutes", type=float, help="steps that two quiet cores do for `full` in this time"
    )
    add_("--seeds", type=int, default=3, help="pretraining seeds; default 3")
    add_("--probe-seeds", type=int, default=5)
    add_("--arms", nargs="+", metavar="ARM", help="default: the first five")
    add_("--composites", type=int, default=2000, help="pictures with exact person boxes")
    add_("--only", choices=("pretrain", "probe", "report"), help="one part of the work")
    add_("--open-test", action="store_true", help="measure the test families (logged)")
    try:
        return run(parser.parse_args(argv))
    except Emo8Error as error:
        sys.stderr.write(f"study: {error}\n")
        return 2


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0 when what was asked is done."""
    from benchmarks.lab.study import claim

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    steps = arguments.steps
    if arguments.budget_minutes is not None:
        steps = max(1, round(arguments.budget_minutes * claim.STEPS_PER_MINUTE))
    config = claim.StudyConfig(
        corpus=arguments.corpus,
        work=arguments.work,
        out=arguments.out,
        steps=steps,
        seeds=arguments.seeds,
        probe_seeds=arguments.probe_seeds,
        arms=tuple(arguments.arms or claim.FIRST_FIVE),
        composites=arguments.composites,
        open_test=arguments.open_test,
        only=arguments.only,
    )
    for line in claim.run(config):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
