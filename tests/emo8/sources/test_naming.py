import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emo8.core.errors import RecipeError, SourceError
from emo8.sources.base import Candidate
from tests.conftest import encoded, picture

Read = Callable[..., list[Candidate]]


def put(root: Path, *paths: str) -> None:
    for seed, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(encoded(picture(seed)))


def claims(found: list[Candidate]) -> dict[str, tuple[str | None, str | None, str | None]]:
    return {c.source_path: (c.claims.split, c.claims.style, c.claims.emotion) for c in found}


def test_folder__released_emo8_form_keeps_labels_and_splits(
    tmp_path: Path, candidates: Read
) -> None:
    put(tmp_path, "emo8/train/anger/1.jpg", "emo8/val/awe/2.jpg", "emo8/test/sadness/deep/3.jpg")
    (tmp_path / "emo8" / "readme.txt").write_text("words")
    options = {"kind": "folder", "path": "emo8", "style": "clip", "emotion_from": "folder"}
    found = candidates(**options, keep_splits=True, layout="split/emotion")
    assert claims(found) == {
        "readme.txt": (None, None, None),
        "train/anger/1.jpg": ("train", None, "anger"),
        "val/awe/2.jpg": ("val", None, "awe"),
        "test/sadness/deep/3.jpg": ("test", None, "sadness"),
    }
    (tmp_path / "emo8" / "test" / "sadness" / "deep" / "3.jpg").unlink()
    plain = claims(candidates(**options, keep_splits=True))
    assert plain["train/anger/1.jpg"] == ("train", None, "anger")
    assert claims(candidates(**options))["train/anger/1.jpg"] == (None, None, "anger")


def test_folder__names_of_other_vocabularies_are_mapped_or_kept_as_claims(
    tmp_path: Path, candidates: Read
) -> None:
    put(tmp_path, "caer/train/Happy/0001.png", "caer/test/Neutral/0001.png")
    options = {"kind": "folder", "path": "caer", "style": "realistic", "keep_splits": True}
    with pytest.raises(SourceError, match="Neutral"):
        candidates(**options, emotion_from="folder")
    found = candidates(
        **options, emotion_from="folder", emotions={"Happy": "amusement", "Neutral": ""}
    )
    assert claims(found) == {
        "train/Happy/0001.png": ("train", "realistic", "amusement"),
        "test/Neutral/0001.png": ("test", "realistic", "Neutral"),
    }


def test_folder__own_style_names_and_emotions_in_file_names(
    tmp_path: Path, candidates: Read
) -> None:
    put(tmp_path, "art/Gemälde/amusement_0001.jpg", "art/Gemälde/sad_12.jpg", "art/Foto/fear 3.jpg")
    found = candidates(
        kind="folder",
        path="art",
        style_from="folder",
        styles={"Gemälde": "realistic", "Foto": "natural"},
        emotion_from="name",
    )
    assert claims(found) == {
        "Foto/fear 3.jpg": (None, "natural", "fear"),
        "Gemälde/amusement_0001.jpg": (None, "realistic", "amusement"),
        "Gemälde/sad_12.jpg": (None, "realistic", "sadness"),
    }


@pytest.mark.parametrize("columns", [3, 4])
def test_table__emoset_lists_give_labels_and_splits(
    tmp_path: Path, candidates: Read, columns: int
) -> None:
    put(tmp_path, "image/awe/awe_00001.jpg", "image/fear/fear_00002.jpg")
    for split, emotion, name in (("train", "awe", "awe_00001"), ("val", "fear", "fear_00002")):
        row = [emotion, name, f"image/{emotion}/{name}.jpg", f"annotation/{emotion}/{name}.json"]
        if columns == 3:
            row.pop(1)
        (tmp_path / f"{split}.json").write_text(json.dumps([row]))
    found = candidates(kind="table", path="[tv]*.json", style="natural", keep_splits=True)
    assert claims(found) == {
        "image/awe/awe_00001.jpg": ("train", "natural", "awe"),
        "image/fear/fear_00002.jpg": ("val", "natural", "fear"),
    }
    assert all(candidate.data for candidate in found)


def test_table__emotion6_list_names_pictures_in_another_folder(
    tmp_path: Path, candidates: Read
) -> None:
    put(tmp_path, "images/disgust/1.jpg")
    (tmp_path / "ground_truth.txt").write_text(
        "[image_filename]\t[valence]\ndisgust/1.jpg\t2.5\n../secret.jpg\t1\n"
    )
    (tmp_path / "secret.jpg").write_bytes(b"private")
    found = candidates(
        kind="table",
        path="ground_truth.txt",
        images="images",
        style="natural",
        columns={"image": "[image_filename]"},
    )
    assert found[0].data == encoded(picture(0))
    assert found[1].reason == "refused_path" and found[1].data is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layout": "split/emotoin"}, ["emotoin"]),
        ({"styles": {"x": "natrual"}}, ["natrual", "'natural'"]),
        ({"emotions": {"joy": "joyful"}}, ["joyful"]),
        ({"emotions": {"fear": ""}}, ["emotions.fear", "stays one"]),
    ],
)
def test_recipe__mappings_to_unknown_names_are_errors(
    tmp_path: Path, candidates: Read, options: dict[str, object], words: list[str]
) -> None:
    put(tmp_path, "p/a.jpg")
    with pytest.raises(RecipeError) as caught:
        candidates(kind="folder", path="p", style="natural", **options)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "table", "sidecar": "x.csv"}, "sidecar is for kind = \"folder\", not 'table'"),
        ({"kind": "archive", "boxes": "xyxy"}, "boxes is for kind"),
        ({"kind": "archive", "columns": {"emotion": "e"}}, "columns is for kind"),
        ({"kind": "folder", "images": "y"}, 'images is for kind = "table"'),
        ({"kind": "folder", "config": "z"}, 'config is for kind = "hub"'),
        ({"kind": "table", "layout": "split/emotion"}, 'kind = "folder" or "archive", not'),
        ({"kind": "hub", "allow_networks": ("10.0.0.0/8",)}, 'kind = "urls"'),
        ({"kind": "folder", "style_from": "folder"}, "style = 'natural' and style_from = 'folder'"),
        ({"kind": "table", "columns": {"style": "s"}}, "say two things"),
        ({"kind": "archive", "layout": "*/style"}, "layout = '.*/style' say two things"),
        ({"kind": "folder", "emotion_from": "name", "layout": "emotion"}, "say two things"),
        ({"kind": "urls", "emotion_from": "e", "columns": {"emotion": "mood"}}, "say two things"),
    ],
)
def test_recipe__keys_that_would_say_nothing_are_errors(
    candidates: Read, options: dict[str, object], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        candidates(path="p", style="natural", **options)


def test_folder__names_are_mapped_once_also_where_a_mapping_swaps_them(
    tmp_path: Path, candidates: Read
) -> None:
    put(tmp_path, "set/test/joy/1.jpg", "set/val/contentment/2.jpg")
    found = candidates(
        kind="folder", path="set", style="natural", layout="split/emotion", keep_splits=True,
        splits={"val": "test", "test": "val"},
        emotions={"joy": "contentment", "contentment": "awe"},
    )  # fmt: skip
    assert claims(found) == {
        "test/joy/1.jpg": ("val", "natural", "contentment"),
        "val/contentment/2.jpg": ("test", "natural", "awe"),
    }


def test_folder__splits_in_its_layout_that_are_not_kept_are_said(
    tmp_path: Path, candidates: Read
) -> None:
    put(tmp_path, "set/val/awe/1.jpg")
    (one,) = candidates(kind="folder", path="set", style="natural", layout="split/emotion")
    assert one.claims.split is None
    assert ("splits", "not kept: drawn anew, as keep_splits is not set") in one.claims.notes


def test_folder__hint_about_a_column_is_one_the_program_takes(
    tmp_path: Path, candidates: Read
) -> None:
    put(tmp_path, "set/1.jpg")
    (tmp_path / "set" / "about.csv").write_text("file,kind of art\n1.jpg,cartoon\n")
    options = {"kind": "folder", "path": "set", "sidecar": "about.csv"}
    hint = r"columns = \{ style = 'kind of art' \}, for a `sidecar`"
    with pytest.raises(SourceError, match=hint):
        candidates(**options, style_from="kind of art")
    found = claims(candidates(**options, columns={"style": "kind of art"}))
    assert found == {"1.jpg": (None, "cartoon", None)}
    with pytest.raises(SourceError, match="`sidecar` with the column `style`"):
        candidates(kind="folder", path="set")
