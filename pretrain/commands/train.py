"""Commands that train, and those that say what training costs and where it broke."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from pretrain.commands.settings import OVERRIDES, add_data, configured, dotted


class Teaching(argparse.RawDescriptionHelpFormatter):
    """Adds recipes and settings to the help, read from the code only when help is asked for."""

    def format_help(self) -> str:
        from pretrain.config import help

        return f"{super().format_help()}\n{help.DESCRIPTION}\n{help.epilog()}\n"


def add_plan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = commands.add_parser(
        "plan",
        help="what a run on DATA costs, and what it can be expected to reach",
        description=f"Counts the data, computes the run, trains nothing. Also {OVERRIDES}.",
    )
    add_data(plan)
    plan.add_argument("--recipe", default="", help="default: the one that fits")
    plan.add_argument("--device", default="auto", help="auto, cpu, or a GPU as H100, A100, L4")
    plan.add_argument("--price-per-hour", type=float, default=0.0, help="of the device")
    plan.add_argument("--json", action="store_true")
    plan.set_defaults(call=run_plan)


def add_replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    replay = commands.add_parser(
        "replay", help="the newest step of RUN that was not finite, once more, on one device"
    )
    replay.add_argument("run", metavar="RUN", type=Path)
    replay.add_argument("--step", type=int, help="default: the newest that was kept")
    replay.add_argument("--device", default="auto")
    replay.set_defaults(call=run_replay)


def add_pretrain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    pretrain = commands.add_parser(
        "pretrain",
        help="train a recipe on a dataset; the same command continues a killed run",
        formatter_class=Teaching,
    )
    pretrain.add_argument("recipe", metavar="RECIPE", help="one of those below")
    pretrain.add_argument(
        "--data",
        required=True,
        help="dataset folder, Hub id, parquet, or a file of `uniemox cache`",
    )
    pretrain.add_argument("--out", metavar="RUN", type=Path, required=True)
    pretrain.add_argument("--steps", type=int, help="optimizer steps, instead of the recipe's")
    pretrain.add_argument("--seed", type=int)
    pretrain.set_defaults(call=run_pretrain)


def run_plan(args: argparse.Namespace, rest: list[str]) -> int:
    """What a run would cost."""
    from pretrain import plan

    found = plan.plan(
        args.data,
        recipe=args.recipe,
        device=args.device,
        settings=dotted(rest),
        price_per_hour=args.price_per_hour,
    )
    sys.stdout.write(json.dumps(found, indent=1) + "\n" if args.json else plan.told(found))
    return 0


def run_replay(args: argparse.Namespace, rest: list[str]) -> int:
    """Where a number stopped being one."""
    from pretrain.train import replay

    found = replay.replay(args.run, step=args.step, device=args.device)
    sys.stdout.write(replay.told(found))
    return 0


def run_pretrain(args: argparse.Namespace, rest: list[str]) -> int:
    """Trains, or continues."""
    config = configured(args.recipe, rest)
    if args.steps is not None and {"epochs", "steps"} & set(dotted(rest)):
        raise ValueError("--steps and --epochs both say how long to train: give one of them")
    from pretrain.train.loop import pretrain
    from pretrain.train.run_folder import with_run_options

    config = with_run_options(config, steps=args.steps, seed=args.seed)
    is_main = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started
    if not is_main:
        logging.getLogger("pretrain").setLevel(logging.WARNING)
    outcome = pretrain(config, args.data, args.out)
    if not is_main:
        return 0
    if outcome.stopped_by:
        sys.stdout.write(
            f"{args.out}: stopped by {outcome.stopped_by} after step {outcome.done}, which is "
            "saved; the same command goes on from there\n"
        )
        return 0
    done = f"{outcome.steps} steps" if outcome.steps else "already finished"
    sys.stdout.write(f"{args.out}: {done}, weights in {args.out / 'last' / 'model.safetensors'}\n")
    return 0
