"""Sheets name the file of each picture, so that its owner finds it again."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from emo8.engine.verdict_table import VERDICTS
from emo8.pipeline.try_thresholds import examples
from emo8.report import duplicates_page, page
from emo8.report.contact_sheet import end_of_path
from emo8.review.sheets import claims_table


def test_end_of_path__keeps_the_name_of_the_file() -> None:
    assert end_of_path("cartoon/2.jpg") == "cartoon/2.jpg"
    cut = end_of_path("a/very/long/folder/of/mine/picture-0001.jpg")
    assert len(cut) == 24 and cut.startswith("…") and cut.endswith("/picture-0001.jpg")


def test_duplicates__every_tile_has_its_file(small: Path) -> None:
    verdicts: Any = pq.read_table(small / "BUILD" / VERDICTS).to_pandas()
    pairs = pq.read_table(small / "BUILD" / "tables" / "copies.parquet").to_pandas()
    groups = duplicates_page.copies_of(verdicts, pairs)
    tiled = duplicates_page._tiled(small / "BUILD", verdicts, groups)
    names = {tile.text.split("\n")[0] for group in tiled for tile in group.tiles}
    assert {"cartoon/1.jpg", "cartoon/copy.jpg", "cartoon/2.jpg"} <= names


def test_report__captions_name_the_file(small: Path) -> None:
    rows = claims_table(small / "BUILD")
    captions = [page._caption(row) for row in rows.to_dict("records")]
    assert any(caption.startswith("cartoon/3.jpg\n") for caption in captions)


def test_decide__examples_name_the_file(small: Path) -> None:
    verdicts: Any = pq.read_table(small / "BUILD" / VERDICTS).to_pandas()
    row = verdicts[verdicts["source_path"] == "cartoon/tiny.png"]
    shown = examples(small / "BUILD", pd.DataFrame(row).assign(reason="too_small", value=20.0))
    assert [text.split("\n")[0] for _, text in shown] == ["cartoon/tiny.png"]


def test_duplicates__page_explains_its_numbers(small: Path, tmp_path: Path) -> None:
    index, _, _ = duplicates_page.write_sheets(small / "BUILD", tmp_path, max_clusters=3)
    text = index.read_text(encoding="utf-8")
    assert text.count("0 = the same") == 2 and "1 = the same" not in text
    verdicts: Any = pq.read_table(small / "BUILD" / VERDICTS).to_pandas()
    pairs = pq.read_table(small / "BUILD" / "tables" / "copies.parquet").to_pandas()
    notes = [n for group in duplicates_page.copies_of(verdicts, pairs) for n in group.notes]
    near = [note for note in notes if note.startswith("duplicate_near")]
    assert near and all("grey levels" in note and "of the colours" in note for note in near)
