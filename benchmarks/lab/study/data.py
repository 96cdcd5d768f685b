"""What the arms learn from: a picture corpus without the held-out families, plus composites.

A corpus is a folder of `images-*.parquet` with the columns id, image, caption, style,
source_package and has_people. Composites lay its cut-out people on its scenes, so that exact
person boxes exist (`benchmarks.lab.sample.make_composites`). Everything random comes from the seed.
"""

from __future__ import annotations

import hashlib
import io
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.lab.sample.make_composites import compose
from benchmarks.lab.sample.picks import Composite, Figure
from emo8.core.errors import SourceError

CHOICE = ("fxemoji", "dylan")  # settings are chosen on these
TEST = ("twemoji", "openmoji", "open-peeps")  # opened once per arm and seed, when all is chosen
HELD_OUT = re.compile(r"/(" + "|".join((*CHOICE, *TEST)) + r")$")
ARTISTS = {
    "noto": "Google",
    "noto-v1": "Google",
    "fluent-emoji": "Microsoft",
    "fluent-emoji-flat": "Microsoft",
    "fluent-emoji-3d": "Microsoft",
    "fxemoji": "fxemoji",
    "dylan": "dylan",
}  # by the last part of the source package
MIN_SCENE_PX = (200, 140)  # width and height of a picture that can carry a figure
MIN_ALPHA_SHARE = 0.05  # of a picture that must be transparent for it to count as cut out
STYLES_OF_SCENES = ("natural", "realistic", "science_fiction")
COLUMNS = ["id", "image", "caption", "style", "source_package", "has_people", "emotion_hint"]
PERSON = pa.struct([(name, pa.float32()) for name in ("x0", "y0", "x1", "y1", "score")])
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.binary()),
        ("caption", pa.string()),
        ("style", pa.string()),
        ("emotion_hint", pa.string()),  # read by the supervised control alone
        ("people", pa.list_(PERSON)),
    ]
)


# how a row's text is made of its caption and emotion hint
TEXTS: dict[str, Callable[[str, str | None], str]] = {
    "captions": lambda caption, hint: caption,
    "without_emotion": lambda caption, hint: "" if hint else caption,
    "with_emotion": lambda caption, hint: (
        f"{caption.rstrip('.')}. It evokes {hint}." if hint else caption
    ),
}


def write(corpus: Path, out: Path, *, composites: int, seed: int, texts: str = "captions") -> int:
    """Rows written to the parquet file `out`: every allowed picture and the composites, mixed."""
    rows = list(read(corpus))
    laid = list(compose_rows(rows, composites, seed))
    lines = [{name: row.get(name) for name in SCHEMA.names} for row in [*rows, *laid]]
    for line in lines:
        line["caption"] = TEXTS[texts](line["caption"] or "", line["emotion_hint"])
    random.Random(seed).shuffle(lines)  # a cut-off cache still holds every kind of picture
    partial = out.with_suffix(".partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(lines, schema=SCHEMA), partial, compression="none")
    partial.replace(out)
    return len(lines)


def read(corpus: Path) -> Iterator[dict[str, Any]]:
    """The corpus's rows whose source package is of no held-out family."""
    shards = sorted(corpus.glob("images-*.parquet"))
    if not shards:
        raise SourceError(f"--corpus {corpus}: no images-*.parquet in it.")
    for shard in shards:
        for row in pq.read_table(shard, columns=COLUMNS).to_pylist():
            if not HELD_OUT.search(row["source_package"]):
                data = row["image"]
                yield row | {"image": data if isinstance(data, bytes) else data["bytes"]}


def artist(source_package: str) -> str | None:
    """Whose faces a source package holds; None for those that hold other things."""
    return ARTISTS.get(source_package.rpartition("/")[2])


def compose_rows(rows: list[dict[str, Any]], count: int, seed: int) -> Iterator[dict[str, Any]]:
    """`count` composites of one figure and one scene each, drawn from the rows."""
    rng = random.Random(f"{seed}:composites")
    scenes = [row for row in rows if row["style"] in STYLES_OF_SCENES and not row["has_people"]]
    figures = [row for row in rows if row["has_people"] and row["style"] == "cartoon"]
    if count and not (scenes and figures):
        raise SourceError("no composites: the corpus needs scenes, and cut-out pictures of people.")
    made = tries = 0
    while made < count:
        tries += 1
        if tries > 40 * count:
            raise SourceError(f"only {made} of {count} composites could be made: too few cut-outs.")
        scene_row, figure_row = rng.choice(scenes), rng.choice(figures)
        scene, figure = _open(scene_row), _open(figure_row)
        if scene.width < MIN_SCENE_PX[0] or scene.height < MIN_SCENE_PX[1]:
            continue
        if not _is_cut_out(figure):
            continue
        yield _composite(made, (scene_row, scene), (figure_row, figure), seed)
        made += 1


def _composite(
    number: int,
    scene: tuple[dict[str, Any], Image.Image],
    figure: tuple[dict[str, Any], Image.Image],
    seed: int,
) -> dict[str, Any]:
    plan = Composite(
        name=f"study-{number:05d}",
        layout="scene",
        style=scene[0]["style"],
        scene=scene[0]["id"],
        figures=(Figure(id=figure[0]["id"], stance="stand"),),
        title="",
        caption="",
    )
    laid = compose(plan, scene[1].convert("RGB"), [figure[1].convert("RGBA")], seed)
    data = laid.jpeg()
    return {
        "id": hashlib.sha256(data).hexdigest(),
        "image": data,
        "caption": f"{figure[0]['caption']}, in front of {scene[0]['caption']}",
        "style": scene[0]["style"],
        "emotion_hint": figure[0]["emotion_hint"],
        "people": laid.people,
        "figure": figure[0]["id"],
    }


def _open(row: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(row["image"]))


def _is_cut_out(figure: Image.Image) -> bool:
    if not figure.has_transparency_data:
        return False
    alpha = figure.convert("RGBA").getchannel("A")
    seen = alpha.histogram()
    return sum(seen[:16]) >= MIN_ALPHA_SHARE * figure.width * figure.height and any(seen[128:])
