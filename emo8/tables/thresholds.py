"""All checks, in the order in which they are asked: the first that fails gives the reason."""

from __future__ import annotations

import pandas as pd

from emo8.core import label_set
from emo8.core.checks import Check, registered
from emo8.core.settings import DecideConfig

CHECKS: tuple[Check, ...] = registered()


def limits(config: DecideConfig) -> pd.DataFrame:
    """What the checks compare with, a line per style: a style's own thresholds before the others'.

    Single precision, in which most numbers are kept. The style "" stands for rows without one.
    """
    lines, styles = [], [*label_set.styles(), ""]
    for style in styles:
        own = config.for_style(style)
        lines.append({c.threshold: float(getattr(own, c.threshold)) for c in CHECKS})
    return pd.DataFrame(lines, dtype="float32").assign(style=styles)


def cases(numbers: str = "rows", allowed: str = "allowed") -> list[str]:
    """SQL: a WHEN per check, giving `step`, `reason` and `value` of the row that fails it.

    `numbers` names the table of what was measured, `allowed` the row's line of `limits`. A row
    without the number passes; so does a number that is none.
    """
    return [
        f"WHEN {_fails(check, numbers, allowed)} THEN "
        f"{{'step': 'decide', 'reason': '{check.reason}', "
        f"'value': CAST({numbers}.{check.column} AS DOUBLE)}}"
        for check in CHECKS
    ]


def _fails(check: Check, numbers: str, allowed: str) -> str:
    number = f"CAST({numbers}.{check.column} AS FLOAT)"
    if check.below:
        return f"{number} < {allowed}.{check.threshold}"
    return f"({number} > {allowed}.{check.threshold} AND NOT isnan({number}))"
