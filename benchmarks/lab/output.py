"""Where a script's numbers go: the screen, and a file where one is named."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.lab import machine


def tell(found: Mapping[str, Any], out: Path | None) -> None:
    """Writes the results and the machine as JSON to standard output, and to `out` if it is one."""
    text = json.dumps({**found, "machine": machine.describe()}, indent=1) + "\n"
    sys.stdout.write(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)


def tell_with_table(found: Any, table: str, out: Path) -> None:
    """Writes the results beside each other as `out`.json and `out`.md, the table also to screen."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    out.with_suffix(".md").write_text(table)
    sys.stdout.write(table)
