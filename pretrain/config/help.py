"""The text of `uniemox pretrain --help`: recipes and every setting, read from the code itself."""

from __future__ import annotations

import dataclasses
import inspect
import io
import tokenize
from typing import Any

from pretrain.config import recipes, settings

SECTIONS = {
    "model": settings.ModelConfig,
    "views": settings.ViewConfig,
    "data": settings.DataConfig,
    "teacher": settings.TeacherConfig,
    "init": settings.InitConfig,
    "loss": settings.LossConfig,
    "optim": settings.OptimConfig,
    "system": settings.SystemConfig,
    "log": settings.LogConfig,
}
DESCRIPTION = """\
Trains a recipe on the split `train` of a dataset and writes a RUN folder.

  uniemox pretrain cpu_demo --data BUILD/dataset --out RUN            on this machine
  uniemox pretrain b16 --data user/name --out RUN                     one GPU, data from the Hub
  torchrun --nproc-per-node 8 -m pretrain.cli pretrain b16 --data user/name --out RUN
                                                                      eight GPUs, same command
  torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \\
      -m pretrain.cli pretrain b16 --data user/name --out RUN         two machines, run on both

The same command again continues a run that was stopped or killed; on a finished one it does
nothing. Ctrl-C or SIGTERM: the step at work is finished, saved, and the command exits with 0.
A larger --steps makes a finished run longer. docs/training.md says more, SLURM included.
"""
FOLDER = """\
what is in RUN:
  metrics.jsonl                  one JSON line per step; uniemox plot RUN draws it
  last/model.safetensors         the newest weights; checkpoints/ has older ones, best/ the best
  config.json                    every setting, package versions, what the data were
  nonfinite.jsonl, spikes.jsonl  only if something went wrong: steps and the ids of their rows
  tensorboard/, pictures/        if asked for or installed
"""
WIDTH = 98


def epilog() -> str:
    """Recipes, the RUN folder, and every setting with its default and what it is."""
    parts = [FOLDER, "recipes:"]
    for name, make in recipes.RECIPES.items():
        said = " ".join((inspect.getdoc(make) or "").split("\n\n")[0].split())
        parts.append(_wrapped(f"  {name:<14}", said))
    parts.append("\nsettings, as --section.field value (defaults; a recipe may differ):")
    parts.append(_wrapped(f"{'  --steps, --epochs, --seed':<44}", "how long; of every random draw"))
    for section, cls in SECTIONS.items():
        parts.append(f"\n {section}: {(inspect.getdoc(cls) or '').splitlines()[0]}")
        said = comments(cls)
        for field in dataclasses.fields(cls):
            head = f"  --{section}.{field.name} {_shown(field.default)}"
            if field.default is dataclasses.MISSING:  # a table of settings
                head = f"  --{section}.{field.name}.NAME …"
            parts.append(_wrapped(f"{head:<44}", said.get(field.name, "")))
    return "\n".join(parts)


def comments(cls: type) -> dict[str, str]:
    """{field: the comment above and beside it} of a config class."""
    found: dict[str, str] = {}
    above: list[str] = []
    field = ""
    lines = tokenize.generate_tokens(io.StringIO(inspect.getsource(cls)).readline)
    for token in lines:
        text = token.string.removeprefix("#").strip()
        own_line = not token.line[: token.start[1]].strip()
        if token.type == tokenize.COMMENT and own_line:
            above.append(text)
        elif token.type == tokenize.COMMENT:
            found[field] = " ".join([*above, text])
            above = []
        elif token.type == tokenize.NAME and own_line and token.start[1] == 4:
            if token.string in ("def", "class"):
                break
            field = token.string
            if above:
                found[field] = " ".join(above)
        elif token.type == tokenize.NEWLINE:
            above = []
    return found


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(f"{part:.4g}" if isinstance(part, float) else str(part) for part in value)
    return repr(value) if value == "" else str(value)


def _wrapped(head: str, text: str) -> str:
    """The text beside its head, further lines under it."""
    import textwrap

    indent = " " * min(len(head), 46)
    if len(head) > 44:
        lines = textwrap.wrap(text, WIDTH - 46)
        return "\n".join([head, *(" " * 46 + line for line in lines)])
    lines = textwrap.wrap(text, WIDTH - len(head)) or [""]
    return "\n".join([head + lines[0], *(indent + line for line in lines[1:])]).rstrip()
