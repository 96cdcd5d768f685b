"""Scenes to measure copies and leaks on: planted copies, and look-alikes."""

from __future__ import annotations

import argparse
import glob
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.lab.plants import KINDS, plant
from emo8.core.images import decode
from emo8.duplicates.views import COLUMNS, Views, views_of
from emo8.measure.filters.base import perceptual_hash, prepare
from emo8.measure.filters.copies import DuplicateViews


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Pictures with what is known of them: (N,) columns `style, family, kind`."""

    facts: pd.DataFrame
    views: Views


def _views(contents: list[bytes], model: str) -> Views:
    from emo8.labels.clip.encoder import load

    filters, records = DuplicateViews(), []
    pixels = []
    for content in contents:
        decoded = decode(content)
        picture = prepare(content, decoded)
        records.append({"phash": perceptual_hash(picture.grey), **filters.measure(picture)})
        pixels.append(decoded.rgb)
    types = {name: DuplicateViews.columns.get(name, pa.uint64()) for name in COLUMNS}
    table = pa.Table.from_pylist(records, pa.schema(list(types.items())))
    vectors = load(model).embed_images(pixels)
    return views_of([(table, vectors)], len(contents), vectors.shape[1])


def _index(pattern: str, half: str | None) -> pd.DataFrame:
    """Where the pictures of one half are: style, path, row, sha256."""
    pieces = []
    for path in sorted(glob.glob(pattern)):
        table = pq.read_table(path, columns=["style", "image"])
        digests = [
            hashlib.sha256(cell["bytes"] if isinstance(cell, dict) else cell).hexdigest()
            for cell in table.column("image").to_pylist()
        ]
        styles = table.column("style").to_pylist()
        rows = pd.DataFrame({"style": styles, "sha256": digests})
        pieces.append(rows.assign(path=path, row=rows.index))
    index = pd.concat(pieces, ignore_index=True)
    odd = index["sha256"].map(lambda digest: int(digest[-1], 16) % 2 == 1)
    return index if half is None else index[odd == (half == "odd")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a scene with planted copies is made of, and what a person said of its pictures."""
    add = parser.add_argument
    add("--pictures", required=True, help="glob of parquet with image and style")
    add("--per-style", type=int, default=60, help="pictures copied, or leaked, per style")
    add("--others", type=int, default=300, help="pictures beside them, per style")
    add("--half", choices=["even", "odd"], help="only these pictures")
    add("--judged", type=Path, help="CSV of pairs that a person looked at")
    add("--seed", type=int, default=0)
    add("--model", default="embedded")


def scene_of(arguments: argparse.Namespace) -> Scene:
    """The scene that a command line asks for."""
    a = arguments
    return planted_scene(a.pictures, a.per_style, a.others, a.seed, a.model, a.half)


def planted_scene(
    pattern: str, per_style: int, others: int, seed: int, model: str, half: str | None = None
) -> Scene:
    """Pictures of every style, copies of every kind of `per_style` of them."""
    rng = np.random.default_rng(seed)
    index = _index(pattern, half)
    chosen = [
        group.iloc[rng.permutation(len(group))[: per_style + others]].assign(
            planted=lambda d: np.arange(len(d)) < per_style
        )
        for _, group in index.groupby("style", sort=True)
    ]
    facts, contents = [], []
    picked = pd.concat(chosen, ignore_index=True)
    for path, rows in picked.groupby("path", sort=True):
        column = pq.read_table(path, columns=["image"]).column("image")
        for family, row in rows.iterrows():
            cell = column[int(row["row"])].as_py()
            content = cell["bytes"] if isinstance(cell, dict) else cell
            own = {"style": row["style"], "family": family, "sha256": row["sha256"]}
            facts.append({**own, "kind": "original"})
            contents.append(content)
            if row["planted"]:
                image = Image.fromarray(decode(content).rgb)
                for kind in KINDS:
                    facts.append({**own, "kind": kind})
                    contents.append(plant(image, kind, rng))
    return Scene(facts=pd.DataFrame(facts), views=_views(contents, model))


def lookalike_scene(path: str, model: str) -> Scene:
    """Drawings by several artists; every one is a family of its own."""
    table = pq.read_table(path)
    cells = table.column("image").to_pylist()
    facts = table.select(["vendor", "codepoint", "name"]).to_pandas()
    contents = [cell["bytes"] if isinstance(cell, dict) else cell for cell in cells]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    facts = facts.assign(
        style="cartoon", family=np.arange(len(facts)), kind="original", sha256=digests
    )
    return Scene(facts=facts, views=_views(contents, model))
