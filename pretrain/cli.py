"""The `uniemox` command: parse, call, print.

Only the standard library is imported here, so `uniemox --help` is instant and needs nothing
installed.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

from pretrain.commands import data, look, train, weights
from pretrain.train.quiet import wait_quietly

EPILOG = """
examples:
  uniemox plan --data BUILD/dataset
  uniemox pretrain cpu_demo --data BUILD/dataset --out RUN
  uniemox pretrain b16 --data user/name --out RUN --optim.lr 1e-4 --data.batch_size 128
  torchrun --nproc-per-node 8 -m pretrain.cli pretrain b16 --data user/name --out RUN
  uniemox plot RUN OTHER --out runs.png
  uniemox evaluate RUN --data BUILD/dataset --split val --out learned.json
  uniemox show RUN --data BUILD/dataset --out views.png
  uniemox embed RUN --data BUILD/dataset --out features.parquet
  uniemox cache BUILD/dataset --out views.safetensors
  uniemox show RUN one.jpg two.jpg --out seen.html
  uniemox predict classifier.safetensors one.jpg two.jpg --json
  uniemox export RUN --to timm vit.safetensors
  uniemox import-emoset EmoSet-118K --out EMOSET
"""


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 when `evaluate` finds that the run has not learned, 2 user's mistake,
    130 interrupted, 141 whoever read the output stopped."""
    wait_quietly()
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    logging.getLogger("pretrain").setLevel(logging.INFO)
    try:
        if rest and args.command not in ("plan", "pretrain", "cache"):
            raise ValueError(f"unknown argument {rest[0]!r}; see `uniemox {args.command} --help`")
        code: int = args.call(args, rest)
        sys.stdout.flush()
        return code
    except ImportError as problem:
        sys.stderr.write(f"uniemox: {problem}. Install it with: pip install 'emo8[pretrain]'\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError) as problem:
        sys.stderr.write(f"uniemox: {problem}\n")
        return 2


def build_parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    parser = argparse.ArgumentParser(
        prog="uniemox",
        description="Pretrain UniEmoX on a published dataset and look at what it learned.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        train.add_plan,
        train.add_replay,
        train.add_pretrain,
        look.add_evaluate,
        look.add_show,
        weights.add_embed,
        data.add_cache,
        weights.add_predict,
        weights.add_export,
        data.add_import_emoset,
        look.add_plot,
    ):
        add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
