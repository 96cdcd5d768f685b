"""Commands that look at what a model has learned."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pretrain.commands.settings import add_data


def add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = commands.add_parser("evaluate", help="held-out losses against an untrained model")
    evaluate.add_argument("run", metavar="RUN", type=Path)
    add_data(evaluate)
    evaluate.add_argument("--split", default="val")
    evaluate.add_argument(
        "--teacher.name",
        dest="teacher",
        metavar="NAME",
        help="where its teacher lies, if that is a folder: a RUN does not name folders",
    )
    evaluate.add_argument("--out", type=Path, help="JSON file; default: standard output")
    evaluate.set_defaults(call=run_evaluate)


def add_show(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    show.set_defaults(call=run_show)


def add_plot(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plot = commands.add_parser("plot", help="losses, rates and speed of runs in one picture")
    plot.add_argument("runs", metavar="RUN", type=Path, nargs="+")
    plot.add_argument("--out", type=Path, default=Path("runs.png"))
    plot.set_defaults(call=run_plot)


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


def run_plot(args: argparse.Namespace, rest: list[str]) -> int:
    """A picture of curves."""
    from pretrain.train.plot import plot

    panels = plot(args.runs, args.out)
    sys.stdout.write(f"{args.out}: {panels} panels, {len(args.runs)} runs\n")
    return 0
