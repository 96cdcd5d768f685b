"""Write the page of all columns from the schema: python docs/make_columns.py."""

from pathlib import Path

from emo8 import schema
from emo8.reasons import REASONS

PAGE = Path(__file__).parent / "columns.md"
HEAD = """\
# Columns

Made from `emo8/schema.py` by `python docs/make_columns.py`; a test compares the two. The same
descriptions stand in the card and the Croissant file of every release.

## Published: `load_dataset("BUILD/dataset")`

Distributions over emotions and styles are in the order of the names in the features. A box is
x0, y0, x1, y1 as shares of width and height, and its score.

"""


def page() -> str:
    """The page as it should be."""
    published = [(name, str(dtype), about) for name, (dtype, about) in schema.PUBLISHED.items()]
    return (
        HEAD
        + _table(("column", "type", "meaning"), published)
        + "\n## Why a row left: `BUILD/tables/rejected.parquet`\n\n"
        + _table(("reason", "meaning"), list(REASONS.items()))
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head)]
    lines += [(f"`{row[0]}`", *(_plain(cell) for cell in row[1:])) for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _plain(cell: str) -> str:
    """A cell without what would end it or be taken for markup; long types are shortened."""
    short = cell.replace("struct<x0: float, y0: float, x1: float, y1: float, score: float>", "box")
    short = short.replace("element: ", "").replace("item: ", "")
    return short.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
