"""`emo8 import`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "the released Emo8 folders -> the same schema as every build"
DESCRIPTION = """\
Build a dataset from the folders in which Emo8 was released: train|val|test/<emotion>/*, or with a
folder per style besides. Emotions are kept as the source's claims and splits as they are; styles
that no folder names are CLIP's claims (style_rule = clip).

  emo8 import Emo8 -o emo8-build --license "as released"
  load_dataset("emo8-build/dataset")

The recipe is written beside the build (emo8-build.toml).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="BUILD")
    parser.add_argument("--license", default="", help="of all pictures, as you received them")
    parser.add_argument("--attribution", default="", help="whom to credit for all pictures")
    parser.add_argument(
        "--clip", action="append", metavar="MODEL", help='default: ViT-B-16/openai; or "embedded"'
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores)")


def run(arguments: argparse.Namespace) -> int:
    from emo8.commands import build
    from emo8.core.settings import LabelsConfig
    from emo8.sources.emo8_release import write_recipe

    recipe = arguments.out.with_name(f"{arguments.out.name}.toml")
    write_recipe(
        arguments.folder,
        recipe,
        clip=arguments.clip or LabelsConfig().clip,
        license=arguments.license,
        attribution=arguments.attribution,
    )
    print(f"recipe: {recipe}")
    built = argparse.ArgumentParser()
    build.add_arguments(built)
    options = [str(recipe), "-o", str(arguments.out)]
    if arguments.workers is not None:
        options += ["--workers", str(arguments.workers)]
    return build.run(built.parse_args(options))
