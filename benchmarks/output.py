"""Where a script's numbers go: the screen, and a file where one is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def tell(found: Any, out: Path | None, *, indent: int = 2) -> None:
    """Writes the results as JSON to standard output, and to `out` unless it is None."""
    text = json.dumps(found, indent=indent) + "\n"
    sys.stdout.write(text)
    if out:
        out.write_text(text)


def tell_with_table(found: Any, table: str, out: Path) -> None:
    """Writes the results beside each other as `out`.json and `out`.md, the table also to screen."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    out.with_suffix(".md").write_text(table)
    sys.stdout.write(table)
