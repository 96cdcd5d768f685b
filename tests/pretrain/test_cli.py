"""Commands from end to end on a tiny dataset."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pretrain.cli import main
from pretrain.data.dataset import decode, open_dataset
from pretrain.show.rows import show_rows
from pretrain.weights.encoder import load_encoder
from tests.pretrain.conftest import SPLITS


def test_embed__gives_every_row_its_feature(
    trained: Path, dataset_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "features.parquet"
    assert main(["embed", str(trained), "--data", str(dataset_dir), "--out", str(out)]) == 0
    table = pq.read_table(out)
    assert table.column_names == ["id", "feature"] and len(table) == sum(SPLITS.values())
    rows = open_dataset(str(dataset_dir), "train")
    image = decode(rows[1]["image"]["bytes"]).numpy()
    feature = load_encoder(trained).features([image])[0]
    assert table["id"][1].as_py() == rows[1]["id"]
    np.testing.assert_allclose(table["feature"][1].as_py(), feature, atol=1e-5)


def test_embed__random_recipe_is_a_model_too(dataset_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    arguments = ["--data", str(dataset_dir), "--split", "val", "--out", str(out)]
    assert main(["embed", "random:cpu_smoke", *arguments]) == 0
    assert len(pq.read_table(out)) == SPLITS["val"]


def test_show__draws_six_columns_per_row(trained: Path, dataset_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "views.png"
    arguments = ["--data", str(dataset_dir), "--out", str(out), "--rows", "3"]
    assert main(["show", str(trained), *arguments]) == 0
    sheet = Image.open(io.BytesIO(out.read_bytes()))
    assert sheet.size == (6 * 64 + 5 * 6, 24 + 3 * 64 + 2 * 6)  # names, rows, gaps


def test_show__visible_patches_stay_as_they_are(trained: Path, dataset_dir: Path) -> None:
    row = show_rows(trained, str(dataset_dir), limit=1)[0]
    for view in (row.scene, row.person):
        hidden = (view.masked == 128).all(axis=-1)
        assert 0.7 < hidden.mean() < 0.8
        assert np.array_equal(view.reconstructed[~hidden], view.input[~hidden])
        assert not np.array_equal(view.reconstructed[hidden], view.input[hidden])


def test_evaluate__reports_before_after_and_the_mean_patch(
    trained: Path,
    dataset_dir: Path,
    tmp_path: Path,
    teacher_name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "learned.json"
    arguments = ["--data", str(dataset_dir), "--split", "val", "--out", str(out)]
    assert main(["evaluate", str(trained), *arguments, "--teacher.name", "embedded"]) == 2
    assert "name its own with --teacher.name" in capsys.readouterr().err
    code = main(["evaluate", str(trained), *arguments, "--teacher.name", teacher_name])
    found = json.loads(out.read_text())
    assert set(found["before"]) == set(found["after"]) == {"L1", "L2", "L3"}
    assert found["rows"] == SPLITS["val"] and 0.5 < found["mean_patch"] < 1.1
    assert found["passed"] is (code == 0)
    assert found["passed"] is False  # twelve smoke steps learn nothing


def test_pretrain__unknown_setting_names_the_nearest(
    smoke_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*smoke_args, "--out", str(tmp_path / "RUN"), "--optim.lrr", "1"]) == 2
    assert "unknown setting --optim.lrr; did you mean --optim.lr?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", "b61", "--data", "x", "--out", "y"], "did you mean 'b16'?"),
        (["pretrain", "b16", "--data", "x", "--out", "y", "stray"], "unexpected argument 'stray'"),
        (["pretrain", "b16", "--data", "x", "--out", "y", "--optim.lr"], "needs a value"),
        (["show", "nowhere", "--data", "x", "--out", "y"], "nowhere: no checkpoint there"),
        (["embed", "random:none", "--data", "x", "--out", "y"], "unknown recipe 'none'"),
        (["evaluate", "nowhere", "--data", "x", "--split", "val", "--deep"], "argument '--deep'"),
    ],
)
def test_mistakes__exit_2_with_the_fix(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
