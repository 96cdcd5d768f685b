"""A small build against tables that commit 4d54b67 wrote, whose steps held all rows in memory.

Of later is: copies whose sources name different emotions are "disputed" in the table of copies,
which called them "possible"; of equal near copies the sharper stays; `also_from` says which emotion
each copy claims.

`python -m tests.emo8.pipeline.test_stored` writes them anew, by the code it runs with: only for a
change of the results that is meant.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance

from tests.conftest import encoded, picture, write_recipe

STORED = Path(__file__).parent / "stored"
TABLES = ("verdicts", "splits", "rejected", "leaks", "copies")
SOURCES = """
seed = 7
[[source]]
name = "folder"
kind = "folder"
path = "pictures"
style_from = "folder"
sidecar = "told.csv"
license = "CC0-1.0"
[ingest]
part_rows = 7
[splits]
train = 0.6
val = 0.2
test = 0.2
[leaks]
files = ["bench.parquet"]
"""
Votes = Callable[[Path, Path], Any]


def save(path: Path, image: Image.Image, fmt: str = "PNG", **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(image, fmt, **options))


def write_pictures(root: Path) -> None:
    """Originals of two styles, every kind of copy of some, and files that cannot stay."""
    for number, style in enumerate(("cartoon", "natural")):
        for k in range(16):
            save(root / style / f"{k:02d}.png", picture(100 * number + k))
    cartoon, natural = root / "cartoon", root / "natural"
    for k in (1, 2):  # equal files, in one style and across two
        (natural / f"same-{k}.png").write_bytes((cartoon / f"{k:02d}.png").read_bytes())
        (natural / f"again-{k}.png").write_bytes((natural / f"{k:02d}.png").read_bytes())
    save(natural / "pixels-3.webp", picture(103), "WEBP", lossless=True)  # equal pixels
    for k in (4, 5, 6):  # chains of near copies
        save(natural / f"jpeg-{k}.jpg", picture(100 + k), "JPEG", quality=60)
        save(natural / f"small-{k}.png", picture(100 + k).resize((120, 90)))
    brighter = ImageEnhance.Brightness(picture(107)).enhance(1.1)
    save(natural / "brighter-7.png", brighter)
    save(natural / "cropped-8.png", picture(108).crop((6, 3, 154, 116)))
    save(natural / "leaked.jpg", picture(500), "JPEG", quality=50)
    save(natural / "tiny.png", picture(90, (20, 20)))
    save(natural / "flat.png", Image.new("RGB", (160, 120), "white"))
    (natural / "broken.jpg").write_bytes(encoded(picture(91))[:900])
    (natural / "notes.jpg").write_bytes(b"not a picture at all")
    feelings = {"natural/00.png": "awe", "natural/04.png": "fear", "natural/jpeg-4.jpg": "anger"}
    told = "".join(f"{path},{emotion}\n" for path, emotion in feelings.items())
    (root / "told.csv").write_text("file,emotion\n" + told)


def votes(build: Path) -> str:
    """A sheet of votes on some rows: agreed, split, rejected."""
    rows = pq.read_table(build / "tables" / "verdicts.parquet", columns=["id", "source_path"])
    ids = {str(row["source_path"]): row["id"] for row in rows.to_pylist()}
    lines = ["id,annotator,emotion,reject,reason"]
    for k in range(6, 12):
        key = ids[f"natural/{k:02d}.png"]
        lines += [f"{key},{who},{'awe' if k % 2 else who},," for who in ("sadness", "anger")]
    lines += [f"{ids['cartoon/09.png']},{who},,yes,blurry" for who in ("sadness", "anger")]
    return "\n".join(lines) + "\n"


def make(folder: Path, take: Callable[[list[str]], Any], import_votes: Votes, build: Any) -> Path:
    """Two runs of one build: votes, new pictures and another threshold lie between them."""
    for k in range(3):
        save(folder / "bench" / "test" / "awe" / f"{k}.png", picture(500 + k))
    take([str(folder / "bench"), "-o", str(folder / "bench.parquet"), "--name", "Bench"])
    write_pictures(folder / "pictures")
    recipe, target = write_recipe(folder, SOURCES, name="stored"), folder / "BUILD"
    build(recipe, target, workers=1)
    (folder / "votes.csv").write_text(votes(target))
    import_votes(target, folder / "votes.csv")
    # A step between two pictures that were apart: a copy of both splits' rows in one cluster.
    for k in range(10, 14):
        blend = Image.blend(picture(100 + k), picture(100 + k + 1), 0.02)
        save(folder / "pictures" / "natural" / f"x-near-{k}.png", blend)
    write_recipe(folder, SOURCES + "\n[decide]\nmin_side_px = 16\n", name="stored")
    build(recipe, target, workers=1)
    return target


def read(text: str) -> list[dict[str, Any]]:
    """Rows as JSON has them, without the last digits of numbers."""
    return list(json.loads(text, parse_float=lambda number: round(float(number), 4)))


def rows_of(build: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table that the steps over all rows write, in a fixed order."""
    found = {}
    for name in TABLES:
        rows = pq.read_table(build / "tables" / f"{name}.parquet").to_pylist()
        found[name] = read(json.dumps(rows))
    found["splits"].sort(key=lambda row: (row["id"], row["split"]))
    return found


def remade(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows as this code makes them."""
    from emo8.cli import main
    from emo8.pipeline.run import build
    from emo8.review.vote_files import import_votes

    return rows_of(make(folder, lambda said: main(["leaks", "take", *said]), import_votes, build))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    return remade(tmp_path_factory.mktemp("stored"))


@pytest.mark.parametrize("table", TABLES)
def test_stored__every_value_is_as_before(
    made: dict[str, list[dict[str, Any]]], table: str
) -> None:
    wanted = read((STORED / f"{table}.json").read_text())
    assert len(made[table]) == len(wanted)
    for got, want in zip(made[table], wanted, strict=True):
        for place in ("part", "row"):  # parts are cut by the names in them, not after every 7
            want.pop(place, None)
        assert {name: got[name] for name in want} == want  # new columns may have come


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for table, rows in remade(Path(name)).items():
            text = ",\n".join(map(json.dumps, rows))
            (STORED / f"{table}.json").write_text(f"[\n{text}\n]\n")
