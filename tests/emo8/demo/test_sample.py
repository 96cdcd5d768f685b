"""The embedded sample: what it must hold, and how its composites and bad files are made."""

from __future__ import annotations

import csv
import io
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw, UnidentifiedImageError

from benchmarks.lab.sample.make_composites import COVERED, Composed, box_of, compose
from benchmarks.lab.sample.make_rejects import REJECTS
from benchmarks.lab.sample.make_sample import (
    CREDITS,
    TABLE,
    composite_row,
    pick_row,
    write_folder,
    write_table,
)
from benchmarks.lab.sample.picks import (
    COMPOSITES,
    EXCLUDED,
    LICENSES,
    PICKS,
    Composite,
    Figure,
    Pick,
    Picture,
    combine_licenses,
    read_composites,
    read_picks,
)
from emo8.core.reasons import REASONS
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.demo.sample import root

BAD = {reject.file for reject in REJECTS}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """The lines of the table source."""
    return list(pq.read_table(root() / "table" / "sample.parquet").to_pylist())


@pytest.fixture(scope="module")
def credits() -> dict[str, dict[str, str]]:
    """The lines of `credits.csv` by file."""
    with (root() / "pictures" / "credits.csv").open(encoding="utf-8", newline="") as file:
        return {line["file"]: line for line in csv.DictReader(file)}


def test_sample__is_small() -> None:
    files = [path for path in root().rglob("*") if path.is_file()]
    ours = [path for path in files if not path.is_relative_to(root() / "clip")]
    assert sum(path.stat().st_size for path in ours) <= 8_000_000


def test_sample__every_style_and_emotion_is_there(
    rows: list[dict[str, Any]], credits: dict[str, dict[str, str]]
) -> None:
    styles = Counter(file.split("/")[0] for file in credits if file not in BAD)
    styles.update(row["style"] for row in rows)
    hints = Counter(row["emotion_hint"] for row in rows if row["emotion_hint"])
    assert styles.total() >= 340
    assert set(styles) == set(STYLES) and min(styles.values()) >= 14
    assert set(hints) == set(EMOTIONS) and min(hints.values()) >= 12


def test_table__holds_whole_rows(rows: list[dict[str, Any]]) -> None:
    assert pq.read_schema(root() / "table" / "sample.parquet").equals(TABLE)
    for row in rows:
        image = Image.open(io.BytesIO(row["image"]["bytes"]))
        image.load()
        assert min(image.size) >= 96
        assert row["caption"] and row["attribution"] and row["license"] in LICENSES
        assert not any(family in row["attribution"].lower() for family in EXCLUDED)
    assert len({row["image"]["path"] for row in rows}) == len(rows)


def test_table__composites_are_marked_and_boxed(rows: list[dict[str, Any]]) -> None:
    composites = [row for row in rows if row["people"]]
    assert len(composites) >= 40
    assert len(composites) == len(read_composites(COMPOSITES))
    for row in composites:
        assert row["image"]["path"].startswith("synthetic/")
        assert row["attribution"].startswith("synthetic composite of: ")
        assert row["caption"].endswith("synthetic composite")
        for box in row["people"]:
            assert 0 <= box["x0"] < box["x1"] <= 1 and 0 <= box["y0"] < box["y1"] <= 1
            assert box["score"] == 1.0
    others = [row for row in rows if not row["people"]]
    assert not any("synthetic" in row["image"]["path"] + row["caption"] for row in others)


def test_web__every_file_has_a_credit_and_is_nowhere_else() -> None:
    folder = root() / "web"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    with (folder / "credits.csv").open(encoding="utf-8", newline="") as file:
        lines = {line["file"]: line for line in csv.DictReader(file)}
    assert files == {*lines, "credits.csv"} and len(lines) >= 20
    assert {file.split("/")[0] for file in lines} == set(STYLES)
    for file, line in lines.items():
        assert line["license"] in LICENSES and line["attribution"] and line["caption"]
        assert not (root() / "pictures" / file).exists()


def test_folder__every_file_has_a_credit(credits: dict[str, dict[str, str]]) -> None:
    folder = root() / "pictures"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files - {"credits.csv"} == set(credits)
    for file, line in credits.items():
        assert tuple(line) == CREDITS
        assert file.split("/")[0] in STYLES
        assert line["license"] in LICENSES and line["attribution"] and line["caption"]
        assert not any(family in line["attribution"].lower() for family in EXCLUDED)
        if file not in BAD:
            with Image.open(folder / file) as image:
                image.load()
                assert min(image.size) >= 96


def test_bad_files__are_what_they_claim() -> None:
    folder = root() / "pictures"
    assert 8 <= len(REJECTS) <= 12
    for reject in REJECTS:
        assert set(reject.reasons) <= set(REASONS)
        source = (folder / reject.source).read_bytes() if reject.source else b""
        assert (folder / reject.file).read_bytes() == reject.make(source)
    by_reason = {reject.reasons[0]: folder / reject.file for reject in REJECTS}
    with pytest.raises(OSError, match="truncated"):
        Image.open(by_reason["truncated"]).load()
    with pytest.raises(UnidentifiedImageError):
        Image.open(by_reason["not_an_image"])
    assert by_reason["empty"].stat().st_size == 0
    assert Image.open(by_reason["too_small"]).size == (16, 16)
    banner = Image.open(by_reason["extreme_aspect"])
    assert banner.width / banner.height > 5 and banner.height >= 64
    assert getattr(Image.open(by_reason["animated"]), "n_frames", 1) > 1
    assert Image.open(by_reason["blank"]).getextrema() == ((0, 0), (0, 0), (0, 0))
    assert Image.open(by_reason["transparent"]).getchannel("A").getextrema() == (0, 0)


def test_bad_files__copies_have_an_original() -> None:
    folder = root() / "pictures"
    exact, near = (
        next(reject for reject in REJECTS if reject.reasons[0] == reason)
        for reason in ("duplicate_exact", "duplicate_near")
    )
    assert (folder / exact.file).read_bytes() == (folder / exact.source).read_bytes()
    assert (folder / near.file).read_bytes() != (folder / near.source).read_bytes()
    pixels = [
        np.asarray(Image.open(folder / file).convert("RGB"), dtype=float)
        for file in (near.file, near.source)
    ]
    assert np.abs(pixels[0] - pixels[1]).mean() < 8


def test_picks__name_each_picture_once() -> None:
    picks = read_picks(PICKS)
    composites = read_composites(COMPOSITES)
    parts = [part for plan in composites for part in (plan.scene, *(f.id for f in plan.figures))]
    ids = [pick.id for pick in picks] + parts
    assert len(ids) == len(set(ids)), "a picture shown twice would leak between splits"


def test_recipe__has_two_sources() -> None:
    recipe = tomllib.loads((root() / "recipe.toml").read_text(encoding="utf-8"))
    assert [source["kind"] for source in recipe["source"]] == ["folder", "table"]
    assert set(recipe["source"][1]["columns"].values()) == set(TABLE.names)


def test_notice__names_every_licence(rows: list[dict[str, Any]]) -> None:
    text = (root() / "NOTICE.md").read_text(encoding="utf-8")
    assert all(f"| {row['license']} |" in text for row in rows)


# --- composites, on pictures made here


def _scene(size: tuple[int, int] = (384, 192)) -> Image.Image:
    return Image.new("RGB", size, (0, 0, 200))


def _figure() -> Image.Image:
    """A red figure that touches all four sides of its trimmed frame, with a transparent margin."""
    image = Image.new("RGBA", (100, 160), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rectangle((40, 10, 59, 149), fill=(255, 0, 0, 255))
    draw.rectangle((20, 60, 79, 79), fill=(255, 0, 0, 255))
    return image


def _plan(stance: str, layout: str = "scene", count: int = 1) -> Composite:
    return Composite(
        name=f"test-{stance}",
        layout=layout,
        style="natural",
        scene="scene",
        figures=tuple(Figure(id=f"figure{number}", stance=stance) for number in range(count)),
        title="WIND|a test" if layout == "cover" else "",
        caption="a red figure; synthetic composite",
    )


def _edges(composed: Composed) -> list[tuple[float, ...]]:
    width, height = composed.image.size
    return [
        (box["x0"] * width, box["y0"] * height, box["x1"] * width, box["y1"] * height)
        for box in composed.people
    ]


@pytest.mark.parametrize("stance", ["stand", "bust", "fly"])
@pytest.mark.parametrize("layout", ["scene", "cover"])
def test_compose__box_is_the_figures_extent(stance: str, layout: str) -> None:
    composed = compose(_plan(stance, layout), _scene(), [_figure()], seed=0)
    pixels = np.asarray(composed.image, dtype=int)
    red = pixels[..., 0] - pixels[..., 2] > 0  # more than half of the pixel is figure
    if layout == "cover":
        red[:62] = False  # the headline is not blue either
    rows, columns = np.nonzero(red)
    expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert _edges(composed)[0] == pytest.approx(expected, abs=1)


def test_compose__two_figures_do_not_touch() -> None:
    composed = compose(_plan("stand", count=2), _scene(), [_figure(), _figure()], seed=0)
    first, second = sorted(_edges(composed))
    assert first[2] < second[0]


def test_compose__same_seed_gives_same_bytes() -> None:
    made = [compose(_plan("stand"), _scene(), [_figure()], seed=3).jpeg() for _ in range(2)]
    assert made[0] == made[1]
    assert made[0] != compose(_plan("stand"), _scene(), [_figure()], seed=4).jpeg()


def test_box_of__counts_pixels_that_are_half_covered() -> None:
    mask = np.zeros((10, 20), dtype=np.uint8)
    mask[2:5, 4:9] = COVERED
    mask[5, 4:9] = COVERED - 1  # a fading edge is outside
    box = box_of(mask)
    assert (box["x0"], box["y0"], box["x1"], box["y1"]) == (0.2, 0.2, 0.45, 0.5)


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        (["public-domain", "MIT"], "MIT"),
        (["Apache-2.0", "PD"], "Apache-2.0"),
        (["CC-BY-3.0", "CC0-1.0"], "CC-BY-3.0"),
        (["MIT", "MIT"], "MIT"),
        (["PD", "public-domain"], "PD"),
    ],
)
def test_combine_licenses__takes_the_more_demanding(licenses: list[str], expected: str) -> None:
    assert combine_licenses(licenses) == expected


def test_combine_licenses__refuses_two_that_bind() -> None:
    with pytest.raises(ValueError, match="MIT"):
        combine_licenses(["MIT", "CC-BY-3.0"])


# --- the whole of the writing, on pictures made here


def _picture(id_: str, image: Image.Image, format_: str, **other: Any) -> Picture:
    file = io.BytesIO()
    image.save(file, format_)
    values: dict[str, Any] = {
        "license": "MIT",
        "attribution": "A. Painter",
        "emotion_hint": None,
        "hint_strength": None,
        "source_package": "pack",
        "source_version": "1.0",
        "source_path": f"{id_}.svg",
    }
    values.update(other)
    return Picture(id=id_, image=file.getvalue(), format=format_, caption=id_, **values)


def test_write__gives_the_same_bytes_twice(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    picture = _picture("c1", Image.fromarray(noise), "jpeg")
    names = [reject.source for reject in REJECTS if reject.source]
    picks = [
        Pick(id="c1", part="folder", style=style, name=name.removesuffix(".jpg"), caption="")
        for style, name in (file.split("/") for file in names)
    ]
    for out in ("one", "two"):
        write_folder(tmp_path / out, picks, {"c1": picture}, REJECTS)
        write_table(tmp_path / out / "sample.parquet", [pick_row(picks[0], picture)])
    first, second = (
        {path.relative_to(tmp_path / out): path.read_bytes() for path in _files(tmp_path / out)}
        for out in ("one", "two")
    )
    assert first == second and len(first) == len(names) + len(REJECTS) + 2


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("strength", "expected"), [("strong", "anger"), ("weak", None)])
def test_composite_row__passes_on_strong_hints_only(strength: str, expected: str | None) -> None:
    figure = _picture("figure0", _figure(), "webp", emotion_hint="anger", hint_strength=strength)
    scene = _picture("scene", _scene(), "jpeg", license="public-domain", attribution="Various")
    row = composite_row(_plan("bust"), {"figure0": figure, "scene": scene})
    assert row["emotion_hint"] == expected
    assert row["license"] == "MIT"
    assert "A. Painter (pack 1.0), MIT; various artists (pack 1.0), public-domain" in str(
        row["attribution"]
    )
