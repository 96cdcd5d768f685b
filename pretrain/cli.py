"""The `uniemox` command: parse, call, print.

Only the standard library is imported here, so `uniemox --help` is instant and needs nothing
installed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pretrain.train.quiet import wait_quietly

if TYPE_CHECKING:
    from pretrain.config.settings import PretrainConfig

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
OVERRIDES = "any setting of the recipe as --section.field value, for example --optim.lr 1e-3"


class Teaching(argparse.RawDescriptionHelpFormatter):
    """Adds recipes and settings to the help, read from the code only when help is asked for."""

    def format_help(self) -> str:
        from pretrain.config import help

        return f"{super().format_help()}\n{help.DESCRIPTION}\n{help.epilog()}\n"


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
        commands = {
            "plan": run_plan,
            "pretrain": run_pretrain,
            "replay": run_replay,
            "evaluate": run_evaluate,
            "show": run_show,
            "embed": run_embed,
            "cache": run_cache,
            "predict": run_predict,
            "export": run_export,
            "import-emoset": run_import_emoset,
            "plot": run_plot,
        }
        code = commands[args.command](args, rest)
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
    _add_plan(commands)
    _add_pretrain(commands)

    evaluate = commands.add_parser("evaluate", help="held-out losses against an untrained model")
    evaluate.add_argument("run", metavar="RUN", type=Path)
    _add_data(evaluate)
    evaluate.add_argument("--split", default="val")
    evaluate.add_argument(
        "--teacher.name",
        dest="teacher",
        metavar="NAME",
        help="where its teacher lies, if that is a folder: a RUN does not name folders",
    )
    evaluate.add_argument("--out", type=Path, help="JSON file; default: standard output")

    show = commands.add_parser("show", help="input, masked, reconstructed; attention; neighbours")
    show.add_argument("run", metavar="CKPT", type=Path)
    show.add_argument(
        "images", metavar="IMAGE", type=Path, nargs="*", help="adds attention and neighbours"
    )
    show.add_argument("--data", help="rows of a dataset in place of IMAGE")
    show.add_argument("--among", metavar="DATA", help="where IMAGE's neighbours are looked for")
    show.add_argument("--split", default="val")
    show.add_argument("--rows", type=int, default=8)
    show.add_argument("--out", type=Path, help="default seen.html; seen.png for a dataset")

    embed = commands.add_parser("embed", help="features of every row, as parquet: id, feature")
    embed.add_argument("model", metavar="MODEL", help="a RUN or random:RECIPE")
    _add_data(embed)
    embed.add_argument("--split", help="default: all splits")
    embed.add_argument("--out", type=Path, required=True)

    cache = commands.add_parser(
        "cache",
        help="decoded views, boxes, text and teacher features in one safetensors file",
        description=f"Training from it needs torch, timm, numpy, safetensors. Also {OVERRIDES}.",
    )
    cache.add_argument("data", metavar="DATA", help="dataset folder, Hub id or parquet file")
    cache.add_argument("--out", type=Path, required=True)
    cache.add_argument("--recipe", default="cpu_demo", help="whose views and teacher to store")
    cache.add_argument("--crops", type=int, default=4, help="stored scene crops per picture")
    _add_weights_out(commands)

    plot = commands.add_parser("plot", help="losses, rates and speed of runs in one picture")
    plot.add_argument("runs", metavar="RUN", type=Path, nargs="+")
    plot.add_argument("--out", type=Path, default=Path("runs.png"))
    return parser


def _add_weights_out(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    predict = commands.add_parser("predict", help="emotions of pictures by a fine-tuned model")
    predict.add_argument("checkpoint", metavar="CKPT", type=Path)
    predict.add_argument("images", metavar="IMAGE", type=Path, nargs="+")
    predict.add_argument("--json", action="store_true", help="one JSON object per picture")

    export = commands.add_parser("export", help="a timm file, a model folder with card, or the Hub")
    export.add_argument("run", metavar="RUN", type=Path)
    export.add_argument(
        "--to",
        nargs=2,
        required=True,
        metavar=("FORM", "TARGET"),
        help="timm FILE.safetensors, folder DIR, or hub user/name",
    )

    emoset = commands.add_parser("import-emoset", help="EmoSet-118K's tree as a dataset folder")
    emoset.add_argument("root", metavar="TREE", type=Path)
    emoset.add_argument("--out", type=Path, required=True)


def _add_pretrain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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


def _add_plan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = commands.add_parser(
        "plan",
        help="what a run on DATA costs, and what it can be expected to reach",
        description=f"Counts the data, computes the run, trains nothing. Also {OVERRIDES}.",
    )
    _add_data(plan)
    plan.add_argument("--recipe", default="", help="default: the one that fits")
    plan.add_argument("--device", default="auto", help="auto, cpu, or a GPU as H100, A100, L4")
    plan.add_argument("--price-per-hour", type=float, default=0.0, help="of the device")
    plan.add_argument("--json", action="store_true")

    replay = commands.add_parser(
        "replay", help="the newest step of RUN that was not finite, once more, on one device"
    )
    replay.add_argument("run", metavar="RUN", type=Path)
    replay.add_argument("--step", type=int, help="default: the newest that was kept")
    replay.add_argument("--device", default="auto")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, help="dataset folder, Hub id or parquet file")


def run_plan(args: argparse.Namespace, rest: list[str]) -> int:
    """What a run would cost."""
    from pretrain import plan

    found = plan.plan(
        args.data,
        recipe=args.recipe,
        device=args.device,
        settings=_dotted(rest),
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
    config = _configured(args.recipe, rest)
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


def run_evaluate(args: argparse.Namespace, rest: list[str]) -> int:
    """Held-out losses as JSON."""
    from pretrain.train.evaluate import evaluate

    found = evaluate(args.run, args.data, args.split, teacher=args.teacher)
    text = json.dumps(found, indent=1) + "\n"
    if args.out is None:
        sys.stdout.write(text)
    else:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text, "utf-8")
    return 0 if found["passed"] else 1


def run_show(args: argparse.Namespace, rest: list[str]) -> int:
    """A contact sheet or a page."""
    if bool(args.images) == bool(args.data):
        raise ValueError("show needs pictures or --data, one of the two")
    if args.among and not args.images:
        raise ValueError("--among is where neighbours of pictures are looked for: name pictures")
    args.out = args.out or Path("seen.html" if args.images else "seen.png")
    if args.images:
        return _show_images(args)
    from pretrain.show.rows import cells_of, contact_sheet, show_rows

    rows = show_rows(args.run, args.data, split=args.split, limit=args.rows)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(contact_sheet([cells_of(row) for row in rows]))
    sys.stdout.write(f"{args.out}: {len(rows)} rows\n")
    return 0


def _show_images(args: argparse.Namespace) -> int:
    from pretrain.show import images
    from pretrain.show.rows import COLUMNS, contact_sheet

    seen = images.see(args.run, args.images, among=args.among)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.out.suffix == ".png":
        cells = [images.cells_of(one) for one in seen]
        args.out.write_bytes(contact_sheet(cells, (*COLUMNS, "attention")))
    else:
        args.out.write_text(images.page(seen), "utf-8")
    sys.stdout.write(f"{args.out}: {len(seen)} pictures\n")
    return 0


def run_predict(args: argparse.Namespace, rest: list[str]) -> int:
    """Emotions of pictures, most probable first."""
    from pretrain.weights.classifier import predict

    for path, probs in zip(args.images, predict(args.checkpoint, args.images), strict=True):
        if args.json:
            sys.stdout.write(json.dumps({"image": str(path), "emotion_prob": probs}) + "\n")
            continue
        ranked = sorted(probs.items(), key=lambda item: -item[1])
        told = "  ".join(f"{name} {prob:.3f}" for name, prob in ranked)
        sys.stdout.write(f"{path}  {told}\n")
    return 0


def run_export(args: argparse.Namespace, rest: list[str]) -> int:
    """Weights out."""
    from pretrain.weights import export

    form, target = args.to
    if form == "timm":
        line = export.to_timm(args.run, Path(target))
        sys.stdout.write(f"{target}: load_state_dict into {line}\n")
    elif form == "folder":
        export.to_folder(args.run, Path(target), name=Path(target).name)
        sys.stdout.write(f"{target}: model folder with card\n")
    elif form == "hub":
        sys.stdout.write(f"{export.push_to_hub(args.run, target)}\n")
    else:
        raise ValueError(f"--to {form}: choose one of {', '.join(export.FORMS)}")
    return 0


def run_import_emoset(args: argparse.Namespace, rest: list[str]) -> int:
    """A dataset folder."""
    from pretrain.data.emoset import import_tree

    counts = import_tree(args.root, args.out)
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    sys.stdout.write(f"{args.out}: {told}\n")
    return 0


def run_plot(args: argparse.Namespace, rest: list[str]) -> int:
    """A picture of curves."""
    from pretrain.train.plot import plot

    panels = plot(args.runs, args.out)
    sys.stdout.write(f"{args.out}: {panels} panels, {len(args.runs)} runs\n")
    return 0


def run_embed(args: argparse.Namespace, rest: list[str]) -> int:
    """A parquet of features."""
    from pretrain.show.embed import embed, open_encoder

    written, skipped = embed(open_encoder(args.model), args.data, args.out, split=args.split)
    sys.stdout.write(f"{args.out}: {written} rows, {skipped} skipped\n")
    return 0


def run_cache(args: argparse.Namespace, rest: list[str]) -> int:
    """A cache file."""
    config = _configured(args.recipe, rest)
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


def _configured(recipe: str, rest: list[str]) -> PretrainConfig:
    from pretrain.config import recipes
    from pretrain.config.overrides import override

    return override(recipes.get(recipe), _dotted(rest))


def _dotted(rest: list[str]) -> dict[str, str]:
    """{"optim.lr": "1e-3"} from `--optim.lr 1e-3` or `--optim.lr=1e-3`."""
    found: dict[str, str] = {}
    words = iter(rest)
    for word in words:
        if not word.startswith("--"):
            raise ValueError(f"unexpected argument {word!r}; settings look like --optim.lr 1e-3")
        name, equals, value = word.removeprefix("--").partition("=")
        if not equals:
            given = next(words, None)
            if given is None:
                raise ValueError(f"--{name} needs a value")
            value = given
        found[name] = value
    return found


if __name__ == "__main__":
    sys.exit(main())
