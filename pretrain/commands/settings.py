"""What several commands read: rows, and settings of a recipe such as `--optim.lr 1e-3`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pretrain.config.settings import PretrainConfig

OVERRIDES = "any setting of the recipe as --section.field value, for example --optim.lr 1e-3"


def add_data(parser: argparse.ArgumentParser) -> None:
    """The rows that a command reads."""
    parser.add_argument("--data", required=True, help="dataset folder, Hub id or parquet file")


def configured(recipe: str, rest: list[str]) -> PretrainConfig:
    """The settings of a recipe with those of the command line."""
    from pretrain.config import recipes, unused
    from pretrain.config.overrides import override

    base, given = recipes.get(recipe), dotted(rest)
    config = override(base, given)
    unused.check(config, base, given)
    return config


def dotted(rest: list[str]) -> dict[str, str]:
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
