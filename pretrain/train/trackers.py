"""TensorBoard and Weights & Biases, where they are installed; metrics.jsonl never needs them."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

from pretrain.config.settings import PretrainConfig, written

logger = logging.getLogger(__name__)


class Trackers:
    """Passes the lines of metrics.jsonl on."""

    def __init__(self, config: PretrainConfig, run: Path, *, first_step: int) -> None:
        self._board: Any = None
        self._wandb: Any = None
        if config.log.tensorboard and importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            # what a resumed run does again is dropped from the curves
            self._board = SummaryWriter(str(run / "tensorboard"), purge_step=first_step)
        if config.log.wandb_project:
            self._wandb = _start_wandb(config, run)

    def write(self, line: dict[str, Any]) -> None:
        """One step."""
        values = flat(line)
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, line["step"])
        if self._wandb is not None:
            self._wandb.log(values, step=line["step"])

    def close(self) -> None:
        """Everything is on disk, or sent."""
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def flat(line: dict[str, Any]) -> dict[str, float]:
    """{"loss": …, "losses/L1": …, "timing/data_s": …}: the numbers of a line but its step."""
    found: dict[str, float] = {}
    for name, value in line.items():
        if isinstance(value, dict):
            found |= {f"{name}/{leaf}": number for leaf, number in flat(value).items()}
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "step":
            found[name] = float(value)
    return found


def _start_wandb(config: PretrainConfig, run: Path) -> Any:
    try:
        import wandb
    except ImportError as problem:
        raise ValueError("--log.wandb_project needs the package: pip install wandb") from problem
    return wandb.init(
        project=config.log.wandb_project,
        name=run.name,
        id=run.name,
        resume="allow",
        dir=str(run),
        config=written(config),
    )
