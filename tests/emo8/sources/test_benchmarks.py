"""Benchmarks of the field as sources: their folders and lists, labels as claims, splits kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emo8.sources.base import Candidate
from tests.conftest import encoded, picture

Read = Callable[..., list[Candidate]]
Claims = dict[str, tuple[str | None, str | None]]
OTHER = {"joy": "", "surprise": "", "love": ""}  # kept as claims; CLIP decides


def put(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(picture(number), "PNG"))


def fi(root: Path) -> tuple[dict[str, Any], Claims]:
    put(root, "FI/amusement/a_1.jpg", "FI/sadness/b_2.jpg")
    return {"kind": "folder", "path": "FI", "emotion_from": "folder", "style": "natural"}, {
        "amusement/a_1.jpg": (None, "amusement"),
        "sadness/b_2.jpg": (None, "sadness"),
    }


def fi_with_lists(root: Path) -> tuple[dict[str, Any], Claims]:
    put(root, "FI/train/awe/1.jpg", "FI/val/anger/2.jpg", "FI/test/fear/3.jpg")
    options = {"kind": "folder", "path": "FI", "layout": "split/emotion", "keep_splits": True}
    return {**options, "style": "natural"}, {
        "train/awe/1.jpg": ("train", "awe"),
        "val/anger/2.jpg": ("val", "anger"),
        "test/fear/3.jpg": ("test", "fear"),
    }


def emoset(root: Path) -> tuple[dict[str, Any], Claims]:
    lists = {"train": "contentment", "val": "excitement", "test": "disgust"}
    for split, emotion in lists.items():
        name = f"image/{emotion}/{emotion}_00001.jpg"
        put(root / "EmoSet", name)
        note = {"image_id": f"{emotion}_00001", "emotion": emotion, "brightness": 0.3}
        path = root / "EmoSet" / f"annotation/{emotion}/{emotion}_00001.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(note))
        row = [emotion, name, f"annotation/{emotion}/{emotion}_00001.json"]
        (root / "EmoSet" / f"{split}.json").write_text(json.dumps([row]))
    (root / "EmoSet" / "info.json").write_text(json.dumps({"label2idx": {"amusement": 0}}))
    options = {"kind": "table", "path": "EmoSet/[tv]*.json", "keep_splits": True}
    return {**options, "style": "natural"}, {
        f"image/{emotion}/{emotion}_00001.jpg": (split, emotion) for split, emotion in lists.items()
    }


def emotion6(root: Path) -> tuple[dict[str, Any], Claims]:
    put(root, "Emotion6/images/disgust/1.jpg", "Emotion6/images/joy/2.jpg")
    options = {"kind": "folder", "path": "Emotion6/images", "emotion_from": "folder"}
    return {**options, "emotions": OTHER, "style": "natural"}, {
        "disgust/1.jpg": (None, "disgust"),
        "joy/2.jpg": (None, "joy"),
    }


def unbiased(root: Path) -> tuple[dict[str, Any], Claims]:
    put(root, "UBE/anger/cat/1.jpg", "UBE/love/cat/1.jpg")
    options = {"kind": "folder", "path": "UBE", "layout": "emotion/*", "emotions": OTHER}
    return {**options, "style": "natural"}, {
        "anger/cat/1.jpg": (None, "anger"),
        "love/cat/1.jpg": (None, "love"),
    }


def caer_s(root: Path) -> tuple[dict[str, Any], Claims]:
    put(root, "CAER-S/train/Sad/0001.png", "CAER-S/test/Angry/0001.png",
        "CAER-S/test/Neutral/0001.png")  # fmt: skip
    emotions = {"Happy": "amusement", "Neutral": "", "Surprise": ""}
    options = {"kind": "folder", "path": "CAER-S", "layout": "split/emotion", "keep_splits": True}
    return {**options, "emotions": emotions, "style": "realistic"}, {
        "train/Sad/0001.png": ("train", "sadness"),
        "test/Angry/0001.png": ("test", "anger"),
        "test/Neutral/0001.png": ("test", "Neutral"),
    }


def heco(root: Path) -> tuple[dict[str, Any], Claims]:
    put(root, "Data/1.jpg", "Data/2.jpg")
    lines = ["Image,xmin,ymin,xmax,ymax,Category,Valence", "1.jpg,1,2,30,40,Happinesst,7",
             "2.jpg,5,5,60,60,Peace,6"]  # fmt: skip
    (root / "Labels").mkdir()
    (root / "Labels" / "HECO_Labels.csv").write_text("\n".join(lines) + "\n")
    options = {"kind": "table", "path": "Labels/HECO_Labels.csv", "images": "../Data"}
    emotions = {"Happiness": "amusement", "Happinesst": "amusement", "Peace": "contentment"}
    columns = {"image": "Image", "emotion": "Category"}
    return {**options, "columns": columns, "emotions": emotions, "style": "realistic"}, {
        "1.jpg": (None, "amusement"),
        "2.jpg": (None, "contentment"),
    }


def emotic(root: Path) -> tuple[dict[str, Any], Claims]:
    """The CSV form that the common converter writes; one category per line after a filter."""
    put(root, "emotic/mscoco/images/a.jpg", "emotic/framesdb/images/b.jpg")
    for split, name, category in (("train", "mscoco/images/a.jpg", "Sadness"),
                                  ("val", "framesdb/images/b.jpg", "Doubt/Confusion")):  # fmt: skip
        path = root / "emotic" / f"{split}.csv"
        path.write_text(f'Path,BBox,Category\n{name},"[1, 2, 3, 4]",{category}\n')
    options = {"kind": "table", "path": "emotic/*.csv", "keep_splits": True, "style": "realistic"}
    columns = {"image": "Path", "emotion": "Category"}
    return {**options, "columns": columns, "emotions": {"Doubt/Confusion": ""}}, {
        "mscoco/images/a.jpg": ("train", "sadness"),
        "framesdb/images/b.jpg": ("val", "Doubt/Confusion"),
    }


@pytest.mark.parametrize(
    "layout", [fi, fi_with_lists, emoset, emotion6, unbiased, caer_s, heco, emotic]
)
def test_benchmark__its_layout_is_a_source_with_labels_and_splits(
    tmp_path: Path, candidates: Read, layout: Callable[[Path], tuple[dict[str, Any], Claims]]
) -> None:
    options, wanted = layout(tmp_path)
    found = candidates(**options)
    claims = {item.source_path: (item.claims.split, item.claims.emotion) for item in found}
    assert claims == wanted
    assert all(item.data and item.reason is None for item in found)
    without = candidates(**{**options, "keep_splits": False})
    assert {item.claims.split for item in without} == {None}
