"""The first sheet of an Excel workbook as columns of texts; openpyxl reads it, where installed."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from emo8.core.errors import Emo8Error

SUFFIXES = (".xlsx", ".xlsm")
_MAX_ROWS = 1_048_576  # of a sheet, by Excel


def read(path: Path) -> dict[str, list[str]]:
    """Columns by the names in the first line; Emo8Error where it cannot be read."""
    try:
        import openpyxl
    except ImportError:
        raise Emo8Error(f"vote file {path}: pip install openpyxl, or save it as CSV") from None
    from zipfile import BadZipFile

    try:
        sheet = openpyxl.load_workbook(path, read_only=True, data_only=True).worksheets[0]
        lines = list(sheet.iter_rows(values_only=True, max_row=_MAX_ROWS))
    except (OSError, ValueError, KeyError, IndexError, BadZipFile) as error:
        raise Emo8Error(f"vote file {path} cannot be read: {error}") from None
    lines = [line for line in lines if any(cell is not None for cell in line)]
    if not lines:
        raise Emo8Error(f"vote file {path} cannot be read: the first sheet is empty")
    names = [_text(cell) or f"column {number}" for number, cell in enumerate(lines[0], start=1)]
    return {name: [_text(line[k]) for line in lines[1:]] for k, name in enumerate(names)}


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.datetime | datetime.date):
        return cell.isoformat()
    return str(cell).strip()
