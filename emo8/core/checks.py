"""Checks: thresholds that a measured number is held against, each declared where it is measured.

A check brings all that is said of it: the reason it gives and what that means, its threshold's
name, default and the reason for the default. Recipe, card, reference and `emo8 decide` read them
here, so that a filter is one file.
"""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass, fields

# Modules with CHECKS, in the order in which these are asked. They are named, not imported: the
# recipe's words lie below everything that measures.
PROVIDERS = ("emo8.measure.filters", "emo8.labels.safety_checks")
_CODE = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One threshold: `column` under (or over) the recipe's `threshold` gives `reason`."""

    reason: str  # the code
    meaning: str  # of the reason, in one sentence; what follows "value =" is the number
    column: str
    threshold: str  # its key in [decide]
    default: float  # int where the number is counted
    why: str  # what the threshold is, and the reason for its default
    below: bool  # True: leaves when the value is under the threshold; False: when over
    lowest: float = 0.0  # of what the column can be, and so of the threshold
    table: str = "measure"  # the step that adds the column

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.type == "str" and not (isinstance(value, str) and value.strip()):
                raise ValueError(f"the check {self.reason or self.threshold!r} has no {item.name}")
        for code in (self.reason, self.threshold, self.column):
            if not _CODE.fullmatch(code):
                raise ValueError(f"{code!r} of the check {self.reason!r}: use a-z, 0-9 and _")
        if isinstance(self.default, bool) or not isinstance(self.default, int | float):
            raise ValueError(f"the check {self.reason!r}: default {self.default!r} is no number")


@functools.cache
def registered() -> tuple[Check, ...]:
    """Every check, in the order in which they are asked; ValueError where two use one name."""
    checks: list[Check] = []
    for provider in PROVIDERS:
        checks += importlib.import_module(provider).CHECKS
    for what in ("reason", "threshold"):
        names = [getattr(check, what) for check in checks]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two checks have the {what} {', '.join(sorted(twice))}")
    return tuple(checks)
