"""EmoSet's tree: both forms of info.json, lists of three and four columns."""

import json
from pathlib import Path

import pytest

from emo8.core.taxonomy import EMOTIONS
from pretrain.cli import main
from pretrain.data import emoset
from pretrain.data.dataset import open_dataset
from tests.conftest import encoded, picture

OFFICIAL = "amusement awe contentment excitement anger disgust fear sadness".split()


def write_tree(root: Path, *, new_form: bool, columns: int) -> Path:
    table = {"label2idx": {name: i for i, name in enumerate(OFFICIAL)}}
    table["idx2label"] = {str(i): name for i, name in enumerate(OFFICIAL)}  # type: ignore[dict-item]
    root.mkdir()
    (root / "info.json").write_text(json.dumps({"emotion": table} if new_form else table))
    number = 0
    for split, count in (("train", 16), ("val", 8), ("test", 8)):
        rows = []
        for _ in range(count):
            emotion = OFFICIAL[number % 8]
            stem = f"{emotion}/{emotion}_{number:05d}"
            image, note = f"image/{stem}.jpg", f"annotation/{stem}.json"
            for name in (image, note):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / image).write_bytes(encoded(picture(number, (80, 60))))
            told = {"emotion": emotion, "brightness": 0.3, "object": ["Christmas tree"]}
            if number % 2:
                told["human_action"] = "boxing "
            (root / note).write_text(json.dumps(told))
            rows.append([emotion, image, note] if columns == 3 else [emotion, stem, image, note])
            number += 1
        (root / f"{split}.json").write_text(json.dumps(rows))
    return root


@pytest.mark.parametrize(("new_form", "columns"), [(False, 3), (True, 4)])
def test_import__reads_both_forms(tmp_path: Path, new_form: bool, columns: int) -> None:
    tree = write_tree(tmp_path / "tree", new_form=new_form, columns=columns)
    counts = emoset.import_tree(tree, tmp_path / "out")
    assert counts == {"train": 16, "val": 8, "test": 8}
    rows = open_dataset(str(tmp_path / "out"), "train+val")
    assert len(rows) == 24 and set(rows["emotion"]) == set(EMOTIONS)
    assert rows["description"][1] == (
        "A picture; objects: Christmas tree; brightness: 0.3; action: boxing."
    )


def test_import__name_that_leads_out_is_refused(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", new_form=True, columns=3)
    (tree / "val.json").write_text(json.dumps([["fear", "../../x.jpg", "annotation/x.json"]]))
    with pytest.raises(ValueError, match="outside the tree"):
        emoset.import_tree(tree, tmp_path / "out")


@pytest.mark.slow
def test_l16_paper__from_import_to_checkpoint(tmp_path: Path, teacher_name: str) -> None:
    tree = write_tree(tmp_path / "tree", new_form=False, columns=3)
    data, run = str(tmp_path / "data"), str(tmp_path / "RUN")
    assert main(["import-emoset", str(tree), "--out", data]) == 0
    tiny = "--model.dim 32 --model.depth 2 --model.heads 2 --model.decoder_dim 32 "
    tiny += "--model.decoder_depth 1 --model.decoder_heads 2 --data.batch_size 8 --steps 2 "
    tiny += "--data.num_workers 0 --system.precision fp32"
    words = ["pretrain", "l16_paper", "--data", data, "--out", run, *tiny.split()]
    assert main([*words, "--teacher.name", teacher_name]) == 0
    assert (Path(run) / "last" / "model.safetensors").is_file()
    assert json.loads((Path(run) / "config.json").read_text())["dataset"]["rows"] == 24
