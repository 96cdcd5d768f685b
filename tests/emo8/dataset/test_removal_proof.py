"""After a removal, a build and a publication, the picture is in none of the places it was in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emo8.cli import main
from emo8.dataset import removal, removal_proof
from emo8.engine import derived
from emo8.engine.plan import load_plan
from emo8.pipeline import integrity
from emo8.pipeline.run import build
from emo8.review.vote_files import import_votes
from pretrain.cli import main as uniemox

SOURCE = "cartoon/2.jpg"  # `recompressed.jpg` is a near copy of it


@pytest.fixture
def own(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small build and its inputs, with a removal list and notes of its own."""
    monkeypatch.setenv(removal.LIST_VARIABLE, str(tmp_path / "removals.jsonl"))
    monkeypatch.setenv(derived.VARIABLE, str(tmp_path / "derived.jsonl"))
    return Path(shutil.copytree(small, tmp_path / "own"))


def key_of(folder: Path, source: str) -> str:
    rows = pq.read_table(folder / "tables" / "verdicts.parquet").to_pylist()
    return next(str(row["id"]) for row in rows if row["source_path"] == source)


def holding(key: str, *roots: Path) -> dict[str, str]:
    """Where `--prove` finds the picture: the last two parts of the path -> what it says."""
    names = removal_proof.names_of(key, removal.load(), list(roots[:1]))
    every = [*roots, *(one.path for one in derived.made_of(roots))]
    places = [place for root in every for place in removal_proof.look(root, names)]
    return {"/".join(place.path.parts[-2:]): place.found for place in places if place.holds}


def spread(build_dir: Path, out: Path, key: str) -> None:
    """Have the picture in every place that a user of emo8 and uniemox can bring it to."""
    votes = out / "v.csv"
    votes.write_text(f"id,annotator,emotion\n{key},ann,awe\n")
    import_votes(build_dir, votes)
    votes.unlink()
    asked = ["review", str(build_dir)]
    assert main(["publish", str(build_dir), "--to", str(out / "DIR")]) == 0
    assert main(["report", str(build_dir)]) == 0
    assert main(["report", str(build_dir), "--duplicates", "--out", str(out / "copies")]) == 0
    assert main([*asked, "--assign", "ann"]) == 0
    assert main([*asked, "--export", str(out / "sheet.csv"), "--pick", "all"]) == 0
    tasks = ["--export", str(out / "tasks.json"), "--format", "label-studio", "--pick", "all"]
    assert main([*asked, *tasks]) == 0
    assert main(["leaks", "take", str(out / "DIR"), "-o", str(out / "prints.parquet")]) == 0
    cache = ["cache", str(out / "DIR"), "--out", str(out / "views.safetensors"), "--crops", "1"]
    assert uniemox([*cache, "--recipe", "cpu_smoke"]) == 0


def test_remove__every_place_that_held_the_picture_is_found_and_then_clean(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = own / "BUILD", tmp_path / "out"
    out.mkdir()
    key = key_of(folder, SOURCE)
    spread(folder, out, key)
    assert main(["remove", key, "--reason", "asked", "--from", str(folder)]) == 0
    found = holding(key, folder)
    assert found["rows/part-00000.parquet"].endswith(" rows, with image, style_source")
    assert "thumb" in found["measure/part-00000.parquet"]
    assert " rows, with embedding" in found["embed-embedded/part-00000.parquet"]
    assert "1 rows, with the picture" in {
        found[name] for name in found if name.startswith("cartoon/t")
    }
    assert {*found} >= {
        "tables/votes.parquet", "tables/assignments.parquet", "report/report.json",
        "report/confidence.png", "assets/grid.png", "out/sheet.csv", "out/tasks.json",
        f"tasks_pictures/{key}.jpg", "out/prints.parquet", "out/views.safetensors",
        "copies/shown.json", "copies/clusters-000.png",
    }  # fmt: skip
    assert main(["remove", "--prove", key[:12], "--from", str(folder)]) == 1
    assert "STILL" in capsys.readouterr().out

    build(own / "recipe.toml", folder, workers=1)
    plan = load_plan(folder)
    assert plan is not None and integrity.find(folder, plan) == []
    assert build(own / "recipe.toml", folder, workers=1).already_complete
    assert main(["publish", str(folder), "--to", str(out / "DIR")]) == 0
    left = {*holding(key, folder)}
    assert left == {  # outside of BUILD and DIR: theirs to make again
        "out/sheet.csv", "out/tasks.json", f"tasks_pictures/{key}.jpg", "out/prints.parquet",
        "out/views.safetensors", "copies/shown.json", "copies/clusters-000.png",
    }  # fmt: skip
    assert holding(key, folder, out / "DIR").keys() == left
    shutil.rmtree(out / "tasks_pictures")
    shutil.rmtree(out / "copies")
    for name in ("sheet.csv", "tasks.json", "prints.parquet", "views.safetensors"):
        (out / name).unlink()
    capsys.readouterr()
    assert main(["remove", "--prove", SOURCE, "--from", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "0 still hold it" in said and "hash " in said
    assert f"made of them: {out / 'DIR'} (release)" in said
    assert main(["verify", str(out / "DIR"), "--prove", key]) == 0
    assert '"present": false' in capsys.readouterr().out
    assert main(["publish", str(folder), "--audit"]) == 0

    removal.list_path().unlink()  # the request is withdrawn: its source has the picture still
    build(own / "recipe.toml", folder, workers=1)
    assert "with image" in holding(key, folder)["rows/part-00000.parquet"]
    assert key_of(folder, SOURCE) == key and "cartoon/train-00000.parquet" in holding(key, folder)
