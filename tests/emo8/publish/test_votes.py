"""Votes in a release: under pseudonyms, by day, and only with consent."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from emo8.core.settings import PublishConfig
from emo8.dataset import layout
from emo8.dataset.shards import read_rows
from emo8.engine.files import damage
from emo8.publish import cardyaml, croissant
from emo8.publish.send import to_folder
from emo8.publish.votes import published_votes
from emo8.review.vote_files import import_votes


@pytest.fixture
def voted(small: Path, tmp_path: Path) -> Path:
    """A copy of the small build with votes, some with consent."""
    build = Path(shutil.copytree(small / "BUILD", tmp_path / "BUILD"))
    ids = read_rows(build / "dataset", ["id"])["id"].to_pylist()
    lines = [
        f"{ids[0]},ann,awe;fear,9,yes,2026-01-31T23:59:59Z,",
        f"{ids[0]},ben,neutral,1,yes,2026-01-31T00:00:00Z,",
        f"{ids[1]},ann,awe,,yes,2026-01-31T00:00:00Z,",
        f"{ids[1]},cid,awe,,no,2026-01-31T00:00:00Z,",
        f"{ids[1]},dan,awe,,,2026-01-31T00:00:00Z,",
        f"{ids[2]},ann,,,yes,2026-01-31T00:00:00Z,my neighbour",
    ]
    file = tmp_path / "v.csv"
    head = "id,annotator,emotion,valence,consent,time,reason,reject\n"
    file.write_text(head + "\n".join(f"{line},{'yes' if 'my' in line else ''}" for line in lines))
    import_votes(build, file, scale="1-9")
    return build


def test_release__votes_of_those_who_agreed(voted: Path, tmp_path: Path) -> None:
    root = tmp_path / "DIR"
    assert to_folder(voted, root).sent
    found = load_dataset(str(root), "votes")
    rows = pd.concat([found[split].to_pandas() for split in found])
    assert sorted(rows["kind"]) == ["neutral", "reject", *["select"] * 3, "valence", "valence"]
    assert set(rows["consent"]) == {True}
    assert sorted(rows["value"].dropna()) == [0.0, 1.0]
    assert set(rows["scale"].dropna()) == {"1-9"}
    assert set(rows["time"]) == {datetime.date(2026, 1, 31)}
    assert rows["annotator"].str.fullmatch("a[0-9a-f]{12}").all()
    assert rows["annotator"].nunique() == 2
    for path in root.rglob("*.*"):
        data = path.read_bytes() if path.is_file() else b""
        assert b"neighbour" not in data
    assert cardyaml.check(root) == [] and croissant.problems(root) == []
    text = (root / "README.md").read_text()
    assert 'load_dataset("small", "votes")` gives 7 of 8 votes' in text
    splits = read_rows(root, ["id"]).to_pandas().set_index("id")["split"]
    for split in found:
        assert set(splits[found[split]["id"]]) == {split}


def test_release__votes_stay_at_home(voted: Path, tmp_path: Path) -> None:
    root = voted / "dataset"
    assert len(published_votes(voted, root, PublishConfig())) == 7
    everybody = published_votes(voted, root, PublishConfig(votes="all"))
    assert len(everybody) == 8 and False not in everybody["consent"].tolist()
    assert published_votes(voted, root, PublishConfig(votes="off")).empty


def test_release__without_votes_there_is_no_such_config(released: Path) -> None:
    card = cardyaml.read_front_matter((released / "README.md").read_text())
    assert "votes" not in [config["config_name"] for config in card["configs"]]
    assert not (released / "votes").exists()


def test_release__file_of_votes_is_sealed_and_cut_like_every_other(
    voted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MAX_GROUP_ROWS", 3)
    assert to_folder(voted, tmp_path / "DIR").sent
    paths = sorted((tmp_path / "DIR" / "votes").glob("*.parquet"))
    assert paths and [damage(path) for path in paths] == [""] * len(paths)
    for path in paths:
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)]
        assert max(groups) <= 3
