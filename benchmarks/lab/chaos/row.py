"""One row of the table: what was tried, what held."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every row is run with."""

    folder: Path  # empty, its own
    seed: int
    tries: int
    seconds: float  # it stops early when they are over

    def rng(self) -> random.Random:
        return random.Random(self.seed)


@dataclass(kw_only=True)
class Row:
    """What came of one kind of test."""

    name: str
    promise: str
    tries: int = 0
    broken: list[str] = field(default_factory=list)  # what did not hold, in words
    figures: dict[str, Any] = field(default_factory=dict)
    command: str = ""  # what repeats it

    def count(self, problem: str) -> None:
        """One more try; "" = it held."""
        self.tries += 1
        if problem:
            self.broken.append(problem)

    @property
    def held_all(self) -> bool:
        return self.tries > 0 and not self.broken

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "held": self.tries - len(self.broken)}


class Time:
    """What is left of some seconds."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def over(self) -> bool:
        return time.monotonic() > self.end
