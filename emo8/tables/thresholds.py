"""All checks, in the order in which they are asked: the first that fails gives the reason."""

from __future__ import annotations

import pandas as pd

from emo8.core.checks import Check, registered
from emo8.core.settings import DecideConfig
from emo8.core.taxonomy import STYLES

CHECKS: tuple[Check, ...] = registered()


def failures(
    config: DecideConfig, style: pd.Series, numbers: pd.DataFrame
) -> tuple[pd.Series, pd.Series]:
    """Per row the reason of the first check it fails (null = none), and the number behind it.

    A style's own thresholds apply to its rows; a row without a number passes that check.
    """
    reason = pd.Series(None, index=numbers.index, dtype=object)
    value = pd.Series(float("nan"), index=numbers.index)
    for name in STYLES:
        thresholds, of_style = config.for_style(name), style == name
        for check in CHECKS:
            limit, column = getattr(thresholds, check.threshold), numbers[check.column]
            fails = (column < limit if check.below else column > limit).fillna(False)
            new = of_style & fails & reason.isna()
            reason[new] = check.reason
            value[new] = column[new].astype(float)
    return reason, value
