"""The questions, and the order in which a question offers the labels.

Order: labels sorted by the SHA-256 of "seed/repeat/id/label" (UTF-8, as hexadecimal text), so that
anybody can offer the same picture the same options; another repeat is another shuffle, which is
what shows whether a model prefers a place (`position_bias` of `emo8-bench score`).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from emo8.core.errors import Emo8Error

PACK = Path(__file__).with_name("prompts-1.toml")
DEFAULT = "word-1"


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One question of the pack."""

    name: str
    question: str  # with {options}
    options: str  # commas, letters or none
    max_tokens: int

    def text(self, offered: Sequence[str]) -> str:
        """The question as the model reads it, the labels in the order offered."""
        words = [name.replace("_", " ") for name in offered]
        if self.options == "letters":
            lines = [f"({chr(ord('a') + i)}) {word}" for i, word in enumerate(words)]
            return self.question.format(options="\n".join(lines))
        return self.question.format(options=", ".join(words))


@cache
def pack() -> dict[str, Prompt]:
    """Every question by its name."""
    raw = tomllib.loads(PACK.read_text("utf-8"))
    return {name: Prompt(name=name, **entry) for name, entry in raw.items()}


def load(name: str) -> Prompt:
    """The question called `name`; Emo8Error with those there are otherwise."""
    if name not in pack():
        raise Emo8Error(f"--prompt {name}: not in the pack; there are {', '.join(pack())}.")
    return pack()[name]


def order(names: Sequence[str], picture: str, repeat: int, seed: int) -> list[str]:
    """The labels in the order in which they are offered for one asking."""

    def key(name: str) -> str:
        return hashlib.sha256(f"{seed}/{repeat}/{picture}/{name}".encode()).hexdigest()

    return sorted(names, key=key)


def printed() -> str:
    """The pack for people."""
    parts = [(__doc__ or "").strip()]
    for prompt in pack().values():
        parts.append(f"{prompt.name} (options: {prompt.options}, at most {prompt.max_tokens} "
                     f"tokens)\n  {prompt.question}")  # fmt: skip
    return "\n\n".join(parts)
