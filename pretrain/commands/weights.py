"""Commands that use a trained model, and hand its weights on."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pretrain.commands.settings import add_data


def add_embed(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    embed = commands.add_parser("embed", help="features of every row, as parquet: id, feature")
    embed.add_argument("model", metavar="MODEL", help="a RUN or random:RECIPE")
    add_data(embed)
    embed.add_argument("--split", help="default: all splits")
    embed.add_argument("--out", type=Path, required=True)
    embed.set_defaults(call=run_embed)


def add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    predict = commands.add_parser("predict", help="emotions of pictures by a fine-tuned model")
    predict.add_argument("checkpoint", metavar="CKPT", type=Path)
    predict.add_argument("images", metavar="IMAGE", type=Path, nargs="+")
    predict.add_argument("--json", action="store_true", help="one JSON object per picture")
    predict.set_defaults(call=run_predict)


def add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    export = commands.add_parser("export", help="a timm file, a model folder with card, or the Hub")
    export.add_argument("run", metavar="RUN", type=Path)
    export.add_argument(
        "--to",
        nargs=2,
        required=True,
        metavar=("FORM", "TARGET"),
        help="timm FILE.safetensors, folder DIR, or hub user/name",
    )
    export.set_defaults(call=run_export)


def run_embed(args: argparse.Namespace, rest: list[str]) -> int:
    """A parquet of features."""
    from pretrain.show.embed import embed, open_encoder

    written, skipped = embed(open_encoder(args.model), args.data, args.out, split=args.split)
    sys.stdout.write(f"{args.out}: {written} rows, {skipped} skipped\n")
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
