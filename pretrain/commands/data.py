"""Commands that make data ready for training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pretrain.commands.settings import OVERRIDES, configured


def add_cache(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    cache = commands.add_parser(
        "cache",
        help="decoded views, boxes, text and teacher features in one safetensors file",
        description=f"Training from it needs torch, timm, numpy, safetensors. Also {OVERRIDES}.",
    )
    cache.add_argument("data", metavar="DATA", help="dataset folder, Hub id or parquet file")
    cache.add_argument("--out", type=Path, required=True)
    cache.add_argument("--recipe", default="cpu_demo", help="whose views and teacher to store")
    cache.add_argument("--crops", type=int, default=4, help="stored scene crops per picture")
    cache.set_defaults(call=run_cache)


def add_import_emoset(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    emoset = commands.add_parser("import-emoset", help="EmoSet-118K's tree as a dataset folder")
    emoset.add_argument("root", metavar="TREE", type=Path)
    emoset.add_argument("--out", type=Path, required=True)
    emoset.set_defaults(call=run_import_emoset)


def run_cache(args: argparse.Namespace, rest: list[str]) -> int:
    """A cache file."""
    config = configured(args.recipe, rest)
    if args.crops < 1:
        raise ValueError(f"--crops {args.crops}: at least 1")
    from emo8.engine.derived import note as note_derived
    from pretrain.data.cache import write_cache
    from pretrain.teacher import load_teacher
    from pretrain.train.parallelize import pick_device

    teacher = load_teacher(config.teacher, pick_device(config.system.device))
    rows = write_cache(args.data, args.out, config, teacher, num_crops=args.crops)
    note_derived("cache of views", args.out, args.data)
    sys.stdout.write(f"{args.out}: {rows} rows, {args.crops} crops each\n")
    return 0


def run_import_emoset(args: argparse.Namespace, rest: list[str]) -> int:
    """A dataset folder."""
    from pretrain.data.emoset import import_tree

    counts = import_tree(args.root, args.out)
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    sys.stdout.write(f"{args.out}: {told}\n")
    return 0
