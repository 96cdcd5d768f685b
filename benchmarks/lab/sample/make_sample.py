"""Makes the embedded sample from the captioned picture corpus, the same bytes every time.

    python -m benchmarks.lab.sample.make_sample --corpus PATH

writes `pictures/` and `web/` (with `credits.csv`), `table/sample.parquet` and `NOTICE.md` into this
folder.
What goes in is listed in `picks.csv` and `composites.csv`; the bytes of a picture stay as they are.
Equal bytes need equal versions of Pillow and pyarrow, which write the composites and the table.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.lab.sample.make_composites import compose
from benchmarks.lab.sample.make_rejects import AUTHORS, REJECTS, Reject
from benchmarks.lab.sample.notice import notice
from benchmarks.lab.sample.picks import (
    COMPOSITES,
    PICKS,
    Composite,
    Pick,
    Picture,
    combine_licenses,
    read_composites,
    read_corpus,
    read_picks,
)
from emo8.core.schema import IMAGE, PERSON
from emo8.dataset.layout import ROW_GROUP_ROWS
from emo8.demo.sample import root

SEED = 0
SUFFIXES = {"jpeg": ".jpg", "webp": ".webp"}
CREDITS = ("file", "license", "attribution", "caption", "url")
TABLE = pa.schema(
    [
        ("image", IMAGE),
        ("caption", pa.string()),
        ("style", pa.string()),
        ("license", pa.string()),
        ("attribution", pa.string()),
        ("emotion_hint", pa.string()),  # the corpus's own hint, of the figure for a composite
        ("url", pa.string()),  # page of this file in its project's repository, where it has one
        ("people", pa.list_(PERSON)),  # exact boxes of a composite; null = nobody looked
    ]
)


def make(corpus: Path, out: Path) -> None:
    """Write the whole sample into `out`, in place of what is there."""
    picks = read_picks(PICKS)
    composites = read_composites(COMPOSITES)
    ids = {pick.id for pick in picks}
    for plan in composites:
        ids |= {plan.scene, *(figure.id for figure in plan.figures)}
    pictures = read_corpus(corpus, ids)
    folder = [pick for pick in picks if pick.part == "folder"]
    write_folder(out / "pictures", folder, pictures, REJECTS)
    web = [pick for pick in picks if pick.part == "web"]
    write_folder(out / "web", web, pictures, ())
    rows = [pick_row(pick, pictures[pick.id]) for pick in picks if pick.part == "table"]
    rows += [composite_row(plan, pictures) for plan in composites]
    write_table(out / "table" / "sample.parquet", rows)
    (out / "NOTICE.md").write_text(notice(list(pictures.values())), encoding="utf-8")


def write_folder(
    folder: Path, picks: list[Pick], pictures: dict[str, Picture], rejects: tuple[Reject, ...]
) -> None:
    """Write the pictures by style, the files that must be rejected, and `credits.csv`."""
    shutil.rmtree(folder, ignore_errors=True)
    credits: list[dict[str, str | None]] = []
    for pick in picks:
        picture = pictures[pick.id]
        file = f"{pick.style}/{pick.name}{SUFFIXES[picture.format]}"
        _write(folder / file, picture.image)
        credits.append(_credit(file, picture, pick.caption))
    by_file = {line["file"]: line for line in credits}
    for reject in rejects:
        data = (folder / reject.source).read_bytes() if reject.source else b""
        _write(folder / reject.file, reject.make(data))
        credits.append(_reject_credit(reject, by_file.get(reject.source)))
    with (folder / "credits.csv").open("w", encoding="utf-8", newline="") as sidecar:
        writer = csv.DictWriter(sidecar, CREDITS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(credits, key=lambda line: str(line["file"])))


def pick_row(pick: Pick, picture: Picture) -> dict[str, Any]:
    """The table row of one corpus picture."""
    return {
        "image": {"bytes": picture.image, "path": pick.name + SUFFIXES[picture.format]},
        "caption": pick.caption or picture.caption,
        "style": pick.style,
        "license": picture.license,
        "attribution": picture.credit,
        "emotion_hint": picture.emotion_hint,
        "url": picture.url,
        "people": None,
    }


def composite_row(plan: Composite, pictures: dict[str, Picture]) -> dict[str, Any]:
    """The table row of one composite, marked as synthetic in caption, credit and path."""
    scene = pictures[plan.scene]
    figures = [pictures[figure.id] for figure in plan.figures]
    composed = compose(plan, _open(scene), [_open(figure) for figure in figures], SEED)
    parts = [*figures, scene]
    credits = "; ".join(f"{part.credit}, {part.license}" for part in parts)
    return {
        "image": {"bytes": composed.jpeg(), "path": f"synthetic/{plan.name}.jpg"},
        "caption": plan.caption,
        "style": plan.style,
        "license": combine_licenses([part.license for part in parts]),
        "attribution": f"synthetic composite of: {credits}",
        "emotion_hint": _figures_hint(figures),
        "url": None,
        "people": composed.people,
    }


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows as parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=TABLE)
    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP_ROWS)


def _figures_hint(figures: list[Picture]) -> str | None:
    """The hint of a lone figure whose maker named the feeling; else None."""
    if len(figures) == 1 and figures[0].hint_strength == "strong":
        return figures[0].emotion_hint
    return None


def _credit(file: str, picture: Picture, caption: str) -> dict[str, str | None]:
    return {
        "file": file,
        "license": picture.license,
        "attribution": picture.credit,
        "caption": caption or picture.caption,
        "url": picture.url,
    }


def _reject_credit(reject: Reject, source: dict[str, str | None] | None) -> dict[str, str | None]:
    """The credit of a bad file: its source's, or ours for what we drew."""
    made_by_us: dict[str, str | None] = {"license": "CC0-1.0", "attribution": AUTHORS, "url": None}
    return {**(source or made_by_us), "file": reject.file, "caption": reject.caption}


def _open(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.image)).convert("RGBA")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main() -> None:
    """Parse the command line and write the sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--corpus", type=Path, required=True, help="folder with images-*.parquet")
    parser.add_argument("--out", type=Path, default=root(), help="default: this package's folder")
    arguments = parser.parse_args()
    make(arguments.corpus, arguments.out)


if __name__ == "__main__":
    main()
