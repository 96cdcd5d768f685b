"""Filters measure pictures; thresholds of the recipe decide later what the numbers mean.

A filter is one file here: a subclass of `base.Filter` with its columns and checks. It is found by
lying here; `base.Filter.order` says when it is asked.
"""

from __future__ import annotations

import importlib
import pkgutil

from emo8.core.checks import Check
from emo8.measure.filters.base import Filter, found

for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")

# One decode of a picture feeds all of them, in this order.
FILTERS: tuple[Filter, ...] = found(__name__)
CHECKS: tuple[Check, ...] = tuple(check for item in FILTERS for check in item.checks)
