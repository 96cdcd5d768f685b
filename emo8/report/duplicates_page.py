"""Sheets of the clusters of copies as a person can judge them: one HTML page and PNG files.

Every picture stands with what became of it, the one that stays first. Sheets of possible copies,
pairs that just missed the thresholds and stayed, follow.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from emo8.dataset.removal_proof import SHOWN
from emo8.duplicates.drop import PAIRS
from emo8.engine.files import read_columns, write_text
from emo8.engine.steps import ROWS, part_path
from emo8.engine.verdict_table import VERDICTS
from emo8.report import contact_sheet
from emo8.report.contact_sheet import Layout, Tile, end_of_path

LAYOUT = Layout(tile_px=138, columns=8, text_lines=5, max_lines=7)


@dataclass(frozen=True, kw_only=True)
class ClusterGroup:
    """Pictures shown side by side: rows of the verdicts, and what is said of them."""

    rows: tuple[int, ...]
    notes: tuple[str, ...]


def write_sheets(build: Path, out: Path, *, max_clusters: int) -> tuple[Path, int, int]:
    """Write `index.html` and its sheets; their path, clusters and possible pairs come back."""
    verdicts = pq.read_table(build / VERDICTS).to_pandas()
    pairs_path = build / "tables" / PAIRS
    pairs = pq.read_table(pairs_path).to_pandas() if pairs_path.exists() else pd.DataFrame()
    clusters = copies_of(verdicts, pairs)
    possible = possible_of(verdicts, pairs)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.png"):
        old.unlink()
    names, shown = [], set[str]()
    for kind, groups in (("clusters", clusters), ("possible", possible)):
        chosen = _spread(groups, max_clusters)
        shown |= {key for group in chosen for key in verdicts["id"].iloc[list(group.rows)]}
        pages = contact_sheet.draw(_tiled(build, verdicts, chosen), LAYOUT)
        for number, image in enumerate(pages):
            names.append(f"{kind}-{number:03d}.png")
            image.save(out / names[-1])
    write_text(out / SHOWN, json.dumps(sorted(shown), indent=0) + "\n")
    write_text(out / "index.html", _page(names, len(clusters), len(possible), max_clusters))
    return out / "index.html", len(clusters), len(possible)


def copies_of(verdicts: pd.DataFrame, pairs: pd.DataFrame) -> list[ClusterGroup]:
    """One group per cluster with a copy in it, the rows that stay first."""
    how = _relations(pairs)
    copies = ("duplicate_exact", "duplicate_near", "split_bridge")
    inside = verdicts[verdicts["reason"].isna() | verdicts["reason"].isin(copies)]
    left = inside[inside["reason"].notna()]
    groups = []
    for _, members in inside[inside["cluster"].isin(set(left["cluster"]))].groupby(
        "cluster", sort=True
    ):
        ordered = members.sort_values("reason", na_position="first", kind="stable")
        notes = tuple(_note(row, how) for row in ordered.to_dict("records"))
        groups.append(ClusterGroup(rows=tuple(ordered.index), notes=notes))
    return groups


def possible_of(verdicts: pd.DataFrame, pairs: pd.DataFrame) -> list[ClusterGroup]:
    """One group per pair that may be copies and was left alone, the likeliest first."""
    if pairs.empty:
        return []
    kept = verdicts[verdicts["reason"].isna()]
    row_of = pd.Series(kept.index, index=kept["id"])
    near = pairs[pairs["verdict"].isin(("possible", "disputed"))]
    near = near[near["left_id"].isin(row_of.index) & near["right_id"].isin(row_of.index)]
    near = near.assign(score=near[["residual", "crop_residual"]].min(axis=1))
    return [
        ClusterGroup(
            rows=(int(row_of[pair["left_id"]]), int(row_of[pair["right_id"]])),
            notes=("stays", f"stays: {_numbers(pair)}"),
        )
        for pair in near.sort_values("score", kind="stable").to_dict("records")
    ]


def _relations(pairs: pd.DataFrame) -> dict[frozenset[str], str]:
    if pairs.empty:
        return {}
    return {frozenset((p["left_id"], p["right_id"])): _numbers(p) for p in pairs.to_dict("records")}


def _numbers(pair: Mapping[Any, Any]) -> str:
    left = min(float(pair["residual"]), float(pair["crop_residual"]))
    return f"{pair['relation']}, {left:.1f} grey levels, {pair['colour']:.2f} of the colours"


def _note(row: Mapping[Any, Any], how: dict[frozenset[str], str]) -> str:
    if row["reason"] is None or row["reason"] != row["reason"]:
        return "stays"
    said = how.get(frozenset((str(row["id"]), str(row["survivor"]))), "")
    return f"{row['reason']}: {said}" if said else str(row["reason"])


def _spread(groups: list[ClusterGroup], wanted: int) -> list[ClusterGroup]:
    """At most `wanted` groups, taken evenly from all of them."""
    if len(groups) <= wanted:
        return groups
    return [groups[i] for i in np.linspace(0, len(groups) - 1, wanted).round().astype(int)]


def _tiled(
    build: Path, verdicts: pd.DataFrame, groups: list[ClusterGroup]
) -> Iterator[contact_sheet.Group]:
    """The groups with their pictures; of large ones two lines."""
    pictures, paths = _Pictures(build, verdicts), verdicts["source_path"].fillna(verdicts["id"])
    for group in groups:
        shown = list(zip(group.rows, group.notes))[: 2 * LAYOUT.columns]
        tiles = [
            Tile(picture=pictures(row), text=f"{end_of_path(paths[row])}\n{_in_lines(note)}")
            for row, note in shown
        ]
        yield contact_sheet.Group(tiles=tiles, marked=True)


def _in_lines(note: str) -> str:
    return note.replace(": ", ":\n").replace(", ", "\n")


class _Pictures:
    """Thumbnails of rows of the build; the part read last is held."""

    def __init__(self, build: Path, verdicts: pd.DataFrame) -> None:
        self._build = build
        self._part_of, self._row_of = verdicts["part"].to_numpy(), verdicts["row"].to_numpy()
        self._held: tuple[int, Any] = (-1, None)

    def __call__(self, row: int) -> Image.Image | None:
        part, number = int(self._part_of[row]), int(self._row_of[row])
        if self._held[0] != part:
            column = read_columns(part_path(self._build, ROWS, part), ["image"]).column("image")
            self._held = (part, column)
        return contact_sheet.thumbnail(self._held[1][number]["bytes"].as_py(), LAYOUT)


def _page(names: list[str], num_clusters: int, num_possible: int, most: int) -> str:
    sheets = "\n".join(f'<p><img src="{html.escape(name)}" alt="{name}"></p>' for name in names)
    return (
        "<!doctype html><meta charset=utf-8><title>Copies</title>"
        f"<h1>{num_clusters} clusters of copies, {num_possible} possible pairs</h1>"
        f"<p>A red line opens a cluster; what stays comes first. At most {most} of each are "
        "shown, spread evenly over all. Under each picture:</p>"
        "<ul><li>its file, and what became of it;</li>"
        "<li>how it relates to the one that stays;</li>"
        "<li><b>grey levels</b>: of 255, by how many the two differ where they differ most, once "
        "laid on each other. 0 = the same; copies are up to decide.max_near_residual "
        "(max_crop_residual where one is a crop of the other);</li>"
        "<li><b>of the colours</b>: the share that no tint of the other explains. 0 = the same, "
        "about 1 = unrelated; copies are up to decide.max_near_colour.</li></ul>\n"
        f"{sheets}\n"
    )
