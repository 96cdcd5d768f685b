"""The picture at the head of the README, one cell for each emotion and style.

    python -m benchmarks.lab.sample.make_grid --pictures 'corpus/images-*.parquet'

`grid.csv` names a scene and a drawn figure for every cell; a person chose them, no model. All are
under licences that ask for credit at most, and NOTICE gives it. `docs/sample_grid.png` is written.
"""

from __future__ import annotations

import argparse
import csv
import glob
import io
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from benchmarks.lab.sample.make_composites import compose
from benchmarks.lab.sample.picks import Composite, Figure
from emo8.core.label_set import MIKELS
from emo8.report import figures

HERE = Path(__file__).parent
TARGET = HERE.parents[2] / "docs" / "sample_grid.png"
FREE = (
    "CC0-1.0", "public-domain", "PD", "MIT", "Apache-2.0", "CC-BY-3.0", "CC-BY-4.0",
)  # fmt: skip


def read_cells(path: Path) -> dict[tuple[str, str], Composite]:
    """What each cell shows, by emotion and style."""
    cells = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            pairs = [item.split(":") for item in line["figures"].split()]
            cells[line["emotion"], line["style"]] = Composite(
                name=f"{line['emotion']}-{line['style']}",
                layout=line["layout"],
                style=line["style"],
                scene=line["scene"],
                figures=tuple(Figure(id=id_, stance=stance) for id_, stance in pairs),
                title=line["title"],
                caption="",
            )
    return cells


def read_pictures(pattern: str, wanted: set[str]) -> dict[str, Image.Image]:
    """The wanted pictures by id; SystemExit where one is missing or not free enough."""
    names = sorted(glob.glob(pattern))
    tables = [pq.read_table(name, columns=["id", "image", "license"]) for name in names]
    table = pa.concat_tables(tables)
    rows = table.filter(pc.is_in(table["id"], pa.array(sorted(wanted)))).to_pylist()
    found = {row["id"]: row["image"] for row in rows if row["license"] in FREE}
    if missing := sorted(wanted - set(found)):
        raise SystemExit(f"{pattern}: not there, or under another licence: {', '.join(missing)}")
    return {id_: Image.open(io.BytesIO(data)) for id_, data in found.items()}


def draw(cell: Composite, pictures: Mapping[str, Image.Image]) -> Image.Image:
    """The picture of one cell."""
    drawn = [pictures[figure.id].convert("RGBA") for figure in cell.figures]
    if cell.layout == "figure":
        page = Image.new("RGBA", drawn[0].size, "white")
        return Image.alpha_composite(page, drawn[0]).convert("RGB")
    image = compose(cell, pictures[cell.scene], drawn, seed=0).image
    if cell.layout == "cover":  # a whole page, its headline included
        return ImageOps.pad(image, (image.height, image.height), color="#E4E4E4")
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pictures", required=True, help="parquet files with id, image, license")
    arguments = parser.parse_args()
    cells = read_cells(HERE / "grid.csv")
    wanted = {cell.scene for cell in cells.values() if cell.scene}
    wanted |= {figure.id for cell in cells.values() for figure in cell.figures}
    pictures = read_pictures(arguments.pictures, wanted)

    def pick(emotion: str, style: str) -> Image.Image:
        return draw(cells[emotion, style], pictures)

    TARGET.write_bytes(figures.sample_grid(pick, MIKELS))


if __name__ == "__main__":
    main()
