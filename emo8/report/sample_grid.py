"""The grid of one picture per emotion and style, of a dataset folder or a build's.

Only what a person or a source named is shown: what CLIP alone takes for fear is nothing to show
fear by. A cell without such a picture says in words what there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

from emo8.core.images import decode
from emo8.core.label_set import NO_STYLE
from emo8.dataset.shards import labels_of, list_shards
from emo8.report import figures

_COLUMNS = ["emotion", "style", "emotion_rule", "emotion_prob", "published_sha256"]


@dataclass(kw_only=True)
class Cell:
    """What the rows of one emotion and style come to."""

    num_named: int = 0
    num_clip: int = 0  # CLIP alone says so
    best: tuple[bool, float] = (False, -1.0)  # named by a person rather than a source; CLIP's share
    shard: str = ""  # where the picture of the best one lies
    number: int = 0  # its row there


def draw(root: Path) -> bytes:
    """The grid of the dataset folder `root` as PNG bytes."""
    labels, cells = labels_of(root), read(root)
    without = any(style == NO_STYLE for _, style in cells)
    styles = labels.folders if without else labels.styles

    def pick(emotion: str, style: str) -> Image.Image | str:
        return shown(root, cells.get((emotion, style), Cell()))

    return figures.sample_grid(pick, labels, styles)


def read(root: Path) -> dict[tuple[str, str], Cell]:
    """The cells, by emotion and style, that have rows with a label."""
    labels, found = labels_of(root), dict[tuple[str, str], Cell]()
    for shard in list_shards(root):
        table = pq.read_table(root / shard.name, columns=_COLUMNS)
        for number, row in enumerate(table.to_pylist()):
            if row["emotion"] is None:
                continue
            key = (labels.emotions[row["emotion"]], labels.folder_of(row["style"]))
            cell = found.setdefault(key, Cell())
            if row["emotion_rule"] == "clip":
                cell.num_clip += 1
                continue
            cell.num_named += 1
            sure = row["emotion_prob"][row["emotion"]] if row["emotion_prob"] else 0.0
            rank = (row["emotion_rule"] == "human", sure)
            if row["published_sha256"] is not None and rank > cell.best:
                cell.best, cell.shard, cell.number = rank, shard.name, number
    return found


def shown(root: Path, cell: Cell) -> Image.Image | str:
    """A cell's best picture, or the words that stand in its place."""
    if cell.shard:
        return _picture(root / cell.shard, cell.number)
    if cell.num_named:
        return f"{cell.num_named:,} named,\nnone stored here"
    alone = f"\nCLIP alone: {cell.num_clip:,}" if cell.num_clip else ""
    return f"nobody named one{alone}"


def _picture(path: Path, number: int) -> Image.Image:
    with pq.ParquetFile(path) as file:
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if number < rows:
                column = file.read_row_group(group, columns=["image"]).column("image")
                return Image.fromarray(decode(column[number]["bytes"].as_py()).rgb)
            number -= rows
    raise IndexError(f"{path} has fewer rows")
