"""Excel workbooks of votes: the first sheet as columns of texts, and sheets to fill in.

openpyxl does it, where installed.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emo8.core.errors import Emo8Error
from emo8.core.plain_text import cell as plain

SUFFIXES = (".xlsx", ".xlsm")
_MAX_LISTED = 255  # characters of the words offered in a cell, by Excel
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


def write(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    pictures: Sequence[bytes | None],
    choices: Mapping[str, Sequence[str]],
) -> None:
    """Write a sheet whose first column, `look`, shows a small picture (JPEG bytes) of each line.

    `choices` are the words that Excel offers in a column; others may be written as well.
    """
    try:
        import openpyxl
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
        from openpyxl.drawing.image import Image
        from openpyxl.utils import get_column_letter
        from openpyxl.worksheet.datavalidation import DataValidation
    except ImportError:
        raise Emo8Error(f"{path}: pip install openpyxl, or write .csv") from None
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["look", *columns])
    sheet.freeze_panes = "B2"
    sheet.column_dimensions["A"].width = 18
    for number, values in enumerate(zip(*columns.values(), strict=True), start=2):
        clean = [ILLEGAL_CHARACTERS_RE.sub("", str(plain(value))) for value in values]
        sheet.append([None, *clean])
        picture = pictures[number - 2]
        if picture is not None:
            sheet.row_dimensions[number].height = 96
            sheet.add_image(Image(io.BytesIO(picture)), f"A{number}")
    for name, words in choices.items():
        offered = DataValidation(
            type="list", formula1=f'"{",".join(words)}"', showErrorMessage=False
        )
        letter = get_column_letter(2 + list(columns).index(name))
        offered.add(f"{letter}2:{letter}{1 + max(1, len(pictures))}")
        sheet.add_data_validation(offered)
    book.save(path)


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
