import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from emo8.core.settings import PublishConfig
from emo8.dataset.removal import Removal
from emo8.publish import gate
from tests.conftest import encoded, picture

Row = dict[str, Any]
Rewrite = Callable[[Path, Callable[[list[Row]], None]], None]
SHARD = "data/natural/train-00000.parquet"


@pytest.fixture(autouse=True)
def croissant_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Validating Croissant takes longest; only the tests about it do it."""
    if "croissant" not in request.node.name and "clean" not in request.node.name:
        monkeypatch.setattr(gate.croissant, "problems", lambda root: [])


def look(root: Path, **options: Any) -> gate.Verdict:
    given = {"publish": PublishConfig(), "removals": [], "removals_current": True, **options}
    return gate.inspect(root, **given)


def with_picture(row: Row, data: bytes) -> None:
    """Replace a row's picture, with a hash and a size that fit."""
    row["image"] = {"bytes": data, "path": "x.jpg"}
    row["published_sha256"] = hashlib.sha256(data).hexdigest()
    with Image.open(io.BytesIO(data)) as opened:
        row["width"], row["height"] = opened.size


def gps_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)}
    return encoded(picture(7), exif=exif)


def camera_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "EOS 5D"
    return encoded(picture(7), exif=exif)


def png_with_text() -> bytes:
    info = PngInfo()
    info.add_text("Author", "somebody")
    return encoded(picture(7), "PNG", pnginfo=info)


def test_gate__is_open_for_a_clean_release(released: Path) -> None:
    verdict = look(released)
    assert verdict.open and verdict.blockers == []


@pytest.mark.parametrize(
    "data",
    [
        gps_jpeg(),
        camera_jpeg(),
        encoded(picture(7), comment=b"taken by Ann"),
        encoded(picture(7), xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"),
        encoded(picture(7), icc_profile=b"profile of a camera" * 10),
        png_with_text(),
        encoded(picture(7), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    ],
    ids=["gps", "camera", "comment", "xmp", "profile", "png text", "webp exif"],
)
def test_gate__blocks_metadata_in_pictures(spoiled: Path, rewrite: Rewrite, data: bytes) -> None:
    rewrite(spoiled / SHARD, lambda rows: with_picture(rows[0], data))
    assert look(spoiled).codes == {"metadata"}


@pytest.mark.parametrize(
    "data",
    [b"no picture", encoded(picture(7))[:700], b""],
    ids=["text", "truncated", "empty"],
)
def test_gate__blocks_pictures_that_do_not_decode(
    spoiled: Path, rewrite: Rewrite, data: bytes
) -> None:
    def edit(rows: list[Row]) -> None:
        rows[0]["image"]["bytes"] = data
        rows[0]["published_sha256"] = hashlib.sha256(data).hexdigest()

    rewrite(spoiled / SHARD, edit)
    assert look(spoiled).codes == {"undecodable"}


def test_gate__blocks_a_picture_that_is_not_the_rows_own(spoiled: Path, rewrite: Rewrite) -> None:
    def swap(rows: list[Row]) -> None:
        rows[0]["image"], rows[1]["image"] = rows[1]["image"], rows[0]["image"]

    rewrite(spoiled / SHARD, swap)
    verdict = look(spoiled)
    assert verdict.codes == {"undecodable"} and verdict.blockers[0].startswith("2 x")


def test_gate__missing_licence_blocks_unless_allowed(spoiled: Path, rewrite: Rewrite) -> None:
    rewrite(spoiled / SHARD, lambda rows: rows[0].update(license=None))
    assert look(spoiled).codes == {"missing_license"}
    allowed = look(spoiled, publish=PublishConfig(allow_missing_license=True))
    assert allowed.open and "missing_license" in allowed.warnings[0]


def test_gate__unknown_licence_is_a_warning(spoiled: Path, rewrite: Rewrite) -> None:
    rewrite(spoiled / SHARD, lambda rows: rows[0].update(license="House licence 7"))
    verdict = look(spoiled)
    assert verdict.open
    assert "House licence 7" in verdict.warnings[0] and "`other`" in verdict.warnings[0]


@pytest.mark.parametrize("column", ["id", "pixel_sha256", "published_sha256", "cluster"])
def test_gate__blocks_removed_rows_by_any_hash(released: Path, column: str) -> None:
    key = pq.read_table(released / SHARD)[column][1].as_py()
    verdict = look(released, removals=[Removal(key=key.upper(), reason="asked")])
    assert verdict.codes == {"removed"}


def test_gate__blocks_removed_addresses(spoiled: Path, rewrite: Rewrite) -> None:
    rewrite(spoiled / SHARD, lambda rows: rows[0].update(source_url="https://x.org/a.jpg#top"))
    verdict = look(spoiled, removals=[Removal(key="https://x.org/a.jpg", reason="asked")])
    assert verdict.codes == {"removed"}


def test_gate__blocks_a_build_older_than_the_removal_list(released: Path) -> None:
    assert look(released, removals_current=False).codes == {"stale_removals"}


@pytest.mark.parametrize(
    "text",
    [
        "/home/ann/pictures/a.jpg",
        "seen at /Users/ann/a",
        "file:///data/a.jpg",
        r"C:\Users\ann\a.jpg",
        r"\\server\share\a.jpg",
        "~/pictures/a.jpg",
        "/tmp/x",
    ],
)
def test_gate__blocks_local_paths(spoiled: Path, rewrite: Rewrite, text: str) -> None:
    rewrite(spoiled / SHARD, lambda rows: rows[0].update(caption=text))
    assert look(spoiled).codes == {"local_path"}


@pytest.mark.parametrize(
    "text",
    ["either/or", "https://x.org/home/ann/a.jpg", "a: b", "24/7, 1/2", "and/or ~ 5", "R/W"],
)
def test_gate__lets_ordinary_texts_pass(spoiled: Path, rewrite: Rewrite, text: str) -> None:
    rewrite(spoiled / SHARD, lambda rows: rows[0].update(caption=text))
    assert look(spoiled).open


@pytest.mark.parametrize(
    "text",
    [
        "hf_" + "a1B2" * 8,
        "ghp_" + "x" * 36,
        "AKIA" + "A" * 16,
        "https://ann:pass@x.org/a.jpg",
        "https://x.org/a.jpg?X-Amz-Signature=" + "f" * 20,
        "-----BEGIN RSA PRIVATE KEY-----",
        "password = correcthorse",
    ],
)
def test_gate__blocks_secrets_and_does_not_repeat_them(
    spoiled: Path, rewrite: Rewrite, text: str
) -> None:
    rewrite(spoiled / SHARD, lambda rows: rows[0].update(attribution=text))
    verdict = look(spoiled)
    assert verdict.codes == {"secret"}
    assert text not in " ".join(verdict.blockers)


def test_gate__blocks_the_builds_own_path_in_the_card(spoiled: Path) -> None:
    card = spoiled / "README.md"
    card.write_text(card.read_text() + "\nmade in odd-place/BUILD\n")
    assert look(spoiled, forbidden=["odd-place/BUILD"]).codes == {"local_path"}


@pytest.mark.parametrize(
    "edit",
    [
        {"emotion": 8},
        {"emotion": None},
        {"style": 0},
        {"emotion_prob": [0.5] * 8},
        {"emotion_prob": [1.0]},
    ],
    ids=["emotion 8", "no emotion", "style of another folder", "sum 4", "one number"],
)
def test_gate__blocks_labels_outside_the_vocabulary(
    spoiled: Path, rewrite: Rewrite, edit: Row
) -> None:
    rewrite(spoiled / SHARD, lambda rows: rows[0].update(edit))
    assert look(spoiled).codes == {"vocabulary"}


def test_gate__blocks_shards_with_other_columns(spoiled: Path) -> None:
    table = pq.read_table(spoiled / SHARD)
    pq.write_table(table.append_column("notes", table["caption"]), spoiled / SHARD)
    assert "vocabulary" in look(spoiled).codes


def test_gate__blocks_a_cluster_in_two_splits(spoiled: Path, rewrite: Rewrite) -> None:
    other = next((spoiled / "data").glob("*/val-*.parquet"))
    cluster = pq.read_table(other)["cluster"][0].as_py()
    rewrite(spoiled / SHARD, lambda rows: rows[0].update(cluster=cluster))
    assert look(spoiled).codes == {"split_leak"}


def test_gate__blocks_a_repeated_id(spoiled: Path, rewrite: Rewrite) -> None:
    rewrite(spoiled / SHARD, lambda rows: rows[0].update(id=rows[1]["id"]))
    assert look(spoiled).codes == {"repeated"}


def test_gate__blocks_withheld_pictures_that_nobody_can_find(
    spoiled: Path, rewrite: Rewrite
) -> None:
    rewrite(spoiled / SHARD, lambda rows: rows[0].update(image=None, published_sha256=None))
    assert look(spoiled).codes == {"no_address"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("license: cc0-1.0", "license: cc-zero-ish"),
        ("default: true", "default: false"),
        ("data/natural/train-*", "data/natural/trein-*"),
        ("num_examples: ", "num_examples: 1"),
        ("- image-classification", "- mind-reading"),
        ("language:\n- en", "language:\n- English"),
        ("pretty_name:", "prety_name:"),
    ],
)
def test_gate__blocks_a_card_the_hub_would_misread(spoiled: Path, old: str, new: str) -> None:
    card = spoiled / "README.md"
    assert old in card.read_text()
    card.write_text(card.read_text().replace(old, new))
    assert look(spoiled).codes == {"card"}


def test_gate__blocks_a_croissant_file_that_is_not_valid(spoiled: Path) -> None:
    path = spoiled / "croissant.json"
    path.write_text(path.read_text().replace('"cr:FileSet"', '"cr:FileZet"'))
    assert look(spoiled).codes == {"card"}
