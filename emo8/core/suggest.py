"""What to write instead of a word that is not known: the one "did you mean" of the project."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CUTOFF = 0.65  # under this two words share letters and no meaning: "happiness" is not "sadness"
MOST = 40  # known words that an error lists


def nearest(word: str, known: Iterable[str], *, most: int = 1) -> list[str]:
    """The known words that `word` may be a slip of, nearest first."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=most, cutoff=CUTOFF)
    return [by_lower[name] for name in near]


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown word: its nearest known one, and all that are known."""
    known = list(known)
    near = nearest(word, known)
    more = ", …" if len(known) > MOST else ""
    listed = f"{', '.join(name or '(nothing)' for name in known[:MOST])}{more}"
    return f"did you mean {near[0]!r}? Known: {listed}" if near else f"known: {listed}"
