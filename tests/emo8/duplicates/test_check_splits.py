"""Copies across splits: never drawn by a build, found by the check, and never published."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from emo8.cli import main
from emo8.core.errors import GateError
from emo8.duplicates.check_splits import audit_build
from emo8.engine.files import FINGERPRINT_KEY
from emo8.engine.verdict_table import VERDICTS
from emo8.pipeline.run import build
from emo8.publish import send
from tests.conftest import encoded, picture

NUM_PICTURES = 10


@pytest.fixture(scope="module")
def disputed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of photographs saved twice, at two qualities and under two emotions."""
    folder = tmp_path_factory.mktemp("disputed")
    for emotion, quality in (("awe", 95), ("fear", 70)):
        (folder / "p" / emotion).mkdir(parents=True)
        for seed in range(NUM_PICTURES):
            data = encoded(picture(seed, (160, 120)), "JPEG", quality=quality)
            (folder / "p" / emotion / f"{seed}.jpg").write_bytes(data)
    (folder / "recipe.toml").write_text(
        'name = "twice"\n[labels]\nclip = ["embedded"]\n[people]\ndetector = "off"\n'
        '[[source]]\nkind = "folder"\npath = "p"\nemotion_from = "folder"\n'
        'style = "natural"\nlicense = "CC0-1.0"\n'
    )
    build(folder / "recipe.toml", folder / "BUILD", workers=1)
    return folder / "BUILD"


def test_disputed_copies__both_stay_in_one_split(disputed: Path) -> None:
    verdicts = pq.read_table(disputed / VERDICTS).to_pandas()
    assert verdicts["reason"].isna().all()
    per_cluster = verdicts.groupby("cluster")
    assert len(per_cluster) == NUM_PICTURES
    assert (per_cluster["split"].nunique() == 1).all()
    assert (per_cluster["emotion"].nunique() == 2).all()


def test_check__a_build_whose_copies_share_their_split_passes(
    disputed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaks", "check", str(disputed)]) == 0
    shown = capsys.readouterr().out
    assert f"{NUM_PICTURES} copies inside one split" in shown
    assert "splits share no picture" in shown


def test_publish__refuses_copies_across_splits(
    disputed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a build of before, which drew the two rows of a disputed pair apart."""
    path = disputed / VERDICTS
    before = path.read_bytes()
    table = pq.read_table(path)
    split = np.where(table["emotion"].to_numpy(zero_copy_only=False) == "awe", "train", "test")
    place = table.column_names.index("split")
    torn = table.set_column(place, "split", pa.array(split.tolist(), pa.string()))
    try:
        pq.write_table(torn.replace_schema_metadata(table.schema.metadata), path)
        report = audit_build(disputed)
        assert not report["ok"] and report["near_pairs_across_splits"] == NUM_PICTURES
        assert main(["leaks", "check", str(disputed)]) == 1
        capsys.readouterr()
        with pytest.raises(GateError, match=r"split_leak.*emo8 leaks check"):
            send.to_folder(disputed, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    finally:
        path.write_bytes(before)
    assert FINGERPRINT_KEY in table.schema.metadata
    send.to_folder(disputed, tmp_path / "out")


def test_check__reads_any_folder_too(tmp_path: Path) -> None:
    for split, quality in (("train", 95), ("test", 75)):
        (tmp_path / split / "awe").mkdir(parents=True)
        for seed in range(3):
            image = Image.open(io.BytesIO(encoded(picture(seed, (160, 120)), "PNG")))
            image.save(tmp_path / split / "awe" / f"{seed}.jpg", quality=quality)
    assert main(["leaks", "check", str(tmp_path)]) == 1
