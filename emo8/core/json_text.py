"""JSON that others wrote: the one reader for all of it."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """The value in a JSON text.

    ValueError for what is none, also where it is nested deeper than Python's reader can follow:
    that one raises RecursionError, which no reader of files expects.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
