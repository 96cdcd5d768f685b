"""A build in FiftyOne: what is shown, that a second call updates, and what survives trouble."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from emo8.browse import app, database, views
from emo8.browse.app_style import EMOTION_COLORS
from emo8.browse.media import file_stem
from emo8.browse.rows import dataset_name
from emo8.core.errors import BrowseError, Emo8Error
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.pipeline.run import build as run_build


@pytest.fixture
def shown(fiftyone: Any, own: Path) -> Any:
    """The small build in FiftyOne."""
    return app.prepare(str(own / "BUILD")).dataset


def _verdicts(own: Path) -> Any:
    return pq.read_table(own / "BUILD" / "tables" / "verdicts.parquet").to_pandas()


def test_prepare__every_input_is_a_sample_with_its_claims(shown: Any, own: Path) -> None:
    verdicts = _verdicts(own)
    assert len(shown) == len(verdicts)
    assert shown.persistent
    table = pq.read_table(own / "BUILD" / "dataset" / "data").to_pandas().set_index("id")
    for sample in shown.match({"verdict": "kept"}):
        row = table.loc[sample.row_id]
        assert sample.emotion.label == EMOTIONS[row["emotion"]]
        assert sample.emotion.rule == row["emotion_rule"]
        assert sample.style.label == STYLES[row["style"]]
        assert sample.emotion_clip.label == EMOTIONS[int(np.argmax(row["emotion_prob"]))]
        distribution = np.exp(sample.emotion_clip.logits)
        assert np.allclose(distribution, np.maximum(row["emotion_prob"], 1e-6), rtol=0.01)
        assert sample.sha256 == row["published_sha256"]
        assert sample.cluster == row["cluster"]
        assert sample.license == row["license"]
        assert Path(sample.filepath).exists()
        assert sample.embedding is not None
        assert sample.review_value >= 0
    counts = verdicts["reason"].value_counts().to_dict()
    assert shown.match({"verdict": "rejected"}).count_values("reason") == counts


def test_prepare__boxes_of_people_lie_where_the_source_drew_them(shown: Any) -> None:
    found = shown.match({"people.detections.0": {"$exists": True}}).first().people.detections
    assert [d.label for d in found] == ["person"]
    assert found[0].bounding_box == pytest.approx([0.1, 0.2, 0.5, 0.7], abs=1e-6)


def test_prepare__a_second_call_changes_nothing_and_keeps_tags(shown: Any, own: Path) -> None:
    sample = shown.first()
    sample.tags.append("mine")
    sample.save()
    before = {s.key: s.last_modified_at for s in shown}
    again = app.prepare(str(own / "BUILD"))
    filled = again.filled
    assert (filled.num_added, filled.num_updated, filled.num_deleted) == (0, 0, 0)
    assert {s.key: s.last_modified_at for s in again.dataset} == before
    assert again.dataset[sample.id].tags == ["mine"]


def test_prepare__an_update_keeps_tags_and_edits_nobody_imported(shown: Any, own: Path) -> None:
    sample = shown.match({"verdict": "kept", "source": "pictures"}).first()
    other = next(e for e in EMOTIONS if e != sample.emotion.label)
    sample.tags.append("emotion:awe@ann")
    sample.emotion.label = other
    sample.save()
    recipe = own / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("[labels]", "[labels]\nrule = ['source']"))
    run_build(recipe, own / "BUILD", workers=2)
    again = app.prepare(str(own / "BUILD"))
    assert again.filled.num_updated > 0
    after = again.dataset[sample.id]
    assert after.tags == ["emotion:awe@ann"]
    assert after.emotion.label == other
    assert after.emotion.was is None  # nobody labels it any more


def test_prepare__rows_that_are_gone_leave(shown: Any, own: Path) -> None:
    (own / "pictures" / "natural" / "3.jpg").unlink()
    run_build(own / "recipe.toml", own / "BUILD", workers=2)
    again = app.prepare(str(own / "BUILD"))
    assert again.filled.num_deleted == 1
    assert len(again.dataset) == len(_verdicts(own))


def _assert_every_file_is_there(dataset: Any) -> None:
    paths = [Path(path) for path in dataset.values("filepath")]
    assert [path for path in paths if not (path.is_absolute() and path.is_file())] == []


def test_prepare__pictures_are_found_after_a_rebuild_and_from_any_folder(
    fiftyone: Any, own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(own)
    _assert_every_file_is_there(app.prepare("BUILD").dataset)
    (own / "pictures" / "natural" / "3.jpg").unlink()
    recipe = own / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("[labels]", "[labels]\nrule = ['source']"))
    run_build(recipe, own / "BUILD", workers=2)
    again = app.prepare("BUILD")
    assert again.filled.num_updated > 0
    monkeypatch.chdir(tmp_path)
    _assert_every_file_is_there(again.dataset)
    monkeypatch.chdir(own / "pictures")
    third = app.prepare("../BUILD")
    assert third.filled.num_updated == 0
    _assert_every_file_is_there(third.dataset)


def test_prepare__a_path_that_leads_nowhere_is_mended(shown: Any, own: Path) -> None:
    sample = shown.match({"verdict": "kept"}).first()
    whole, sample["filepath"] = sample.filepath, "BUILD/browse/pictures/aa/gone.jpg"
    sample.tags.append("mine")
    sample.save()
    again = app.prepare(str(own / "BUILD"))
    assert again.filled.num_updated == 1
    assert again.dataset[sample.id].filepath == whole
    assert again.dataset[sample.id].tags == ["mine"]


def test_views__every_corner_of_the_issue(shown: Any) -> None:
    names = set(shown.list_saved_views())
    assert {"least certain", "claims disagree", "near-duplicate groups", "balance gaps"} <= names
    assert {"unreviewed queue", "rejected: truncated", "rejected: duplicate_near"} <= names
    assert {f"style: {style}" for style in STYLES} <= names
    used = {label for label in shown.match({"verdict": "kept"}).values("emotion.label") if label}
    assert {f"emotion: {label}" for label in used} <= names
    margins = shown.load_saved_view("least certain").values("emotion_margin")
    assert margins == sorted(margins)
    values = shown.load_saved_view("unreviewed queue").values("review_value")
    assert values == sorted(values, reverse=True)
    for sample in shown.load_saved_view("claims disagree"):
        assert sample.emotion_source.label != sample.emotion_clip.label
    rejected = shown.load_saved_view("rejected: truncated")
    assert rejected.distinct("reason") == ["truncated"]
    groups = shown.load_saved_view("near-duplicate groups").iter_dynamic_groups()
    assert {len(group) for group in groups} <= {2, 3}


def test_views__other_peoples_views_stay_and_stale_ones_go(shown: Any, own: Path) -> None:
    shown.save_view("my own", shown.limit(3))
    (own / "pictures" / "cartoon" / "broken.jpg").unlink()
    run_build(own / "recipe.toml", own / "BUILD", workers=2)
    names = app.prepare(str(own / "BUILD")).dataset.list_saved_views()
    assert "my own" in names
    assert "rejected: truncated" not in names


def test_maps__pca_and_similarity_work_offline(shown: Any) -> None:
    runs = set(shown.list_brain_runs())
    assert {"map_pca", "similar"} <= runs
    points = shown.load_brain_results("map_pca").points
    has = shown.match({"has_picture": True, "embedding": {"$ne": None}})
    assert points.shape == (len(has), 2)
    assert points.std(axis=0).min() > 0
    query = has.first()
    nearest = has.sort_by_similarity(query.id, k=2, brain_key="similar").values("id")
    assert nearest[0] == query.id
    assert shown.bounds("uniqueness")[1] == 1
    assert 0 <= shown.bounds("mistakenness")[0] <= shown.bounds("mistakenness")[1] <= 1
    assert "embedding map" in shown.list_workspaces()


def test_looks__each_emotion_has_its_one_colour(shown: Any) -> None:
    scheme = shown.app_config.color_scheme
    by_field = {item["path"]: item["valueColors"] for item in scheme.fields}
    for name in ("emotion", "emotion_clip", "emotion_source"):
        assert {v["value"]: v["color"] for v in by_field[name]} == EMOTION_COLORS


def test_prepare__where_and_limit_choose_rows(fiftyone: Any, own: Path) -> None:
    build = str(own / "BUILD")
    asked = app.prepare(build, where="style == 'cartoon' and kept")
    assert set(asked.dataset.values("style.label")) == {"cartoon"}
    whole = app.prepare(build)
    assert whole.filled.num_added > 0
    assert "asked for" not in whole.views
    few = app.prepare(build, limit=5)
    assert len(few.dataset) == len(whole.dataset)
    assert len(few.dataset.load_saved_view("asked for")) == 5
    with pytest.raises(Emo8Error, match=r"columns: .*emotion_entropy"):
        app.prepare(build, where="stile == 'cartoon'")
    with pytest.raises(Emo8Error, match="no row is left"):
        app.prepare(build, where="num_votes > 99")


def test_prepare__a_picture_that_vanished_comes_back(shown: Any, own: Path) -> None:
    sample = shown.match({"verdict": "kept"}).first()
    Path(sample.filepath).unlink()
    again = app.prepare(str(own / "BUILD"))
    assert Path(again.dataset[sample.id].filepath).exists()


def test_prepare__an_input_without_picture_shows_its_reason(shown: Any) -> None:
    sample = shown.match({"reason": "not_an_image"}).first()
    assert not sample.has_picture
    assert Path(sample.filepath).name == f"{file_stem('not_an_image')}.png"
    assert Path(sample.filepath).exists()


def test_prepare__a_published_folder_and_any_pictures(
    fiftyone: Any, small: Path, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMO8_CACHE", str(tmp_path / "cache"))
    before = sorted(path for path in released.rglob("*"))
    found = app.prepare(str(released))
    assert found.filled.num_rows == found.filled.num_added > 0
    assert found.filled.without_picture == 0
    sample = found.dataset.first()
    assert sample.emotion.label in EMOTIONS
    assert sample.split in ("train", "val", "test")
    assert sample.embedding is not None
    assert sorted(path for path in released.rglob("*")) == before  # nothing is written there
    assert app.prepare(str(released)).filled.num_updated == 0
    other = app.prepare(str(small / "pictures"))
    assert (
        other.filled.without_picture == 1
    )  # no picture; the cut off one is shown as far as it goes
    with pytest.raises(Emo8Error, match="no such build"):
        app.prepare(str(tmp_path / "nothing"))


def test_dataset_name__two_builds_of_one_recipe_are_not_mixed_up(tmp_path: Path) -> None:
    assert dataset_name("a b/c", tmp_path / "x") != dataset_name("a b/c", tmp_path / "y")
    assert dataset_name("a b/c", tmp_path / "x").startswith("a-b-c-")


@pytest.mark.parametrize(
    ("address", "alone"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_check_address__warns_beyond_this_machine(address: str, alone: bool) -> None:
    warning = app.check_address(address, 0)
    assert (warning == "") is alone
    assert alone or "no password" in warning


def test_check_address__a_taken_port_is_named() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrowseError, match=f"127.0.0.1:{port}.*--port"):
            app.check_address("127.0.0.1", port)


@pytest.mark.parametrize(
    ("address", "port", "words"),
    [
        ("127.0.0.1", 70_000, "--port 70000.*65535"),
        ("192.0.2.1", 0, "192.0.2.1:0.*--address"),  # TEST-NET-1: nobody has it
        ("no-such-name.invalid", 0, "no-such-name.invalid:0.*--address"),
    ],
)
def test_check_address__what_cannot_be_served_is_named(address: str, port: int, words: str) -> None:
    with pytest.raises(BrowseError, match=words):
        app.check_address(address, port)


@pytest.mark.parametrize(("asked", "opened"), [((), "dataset"), ((views.ASKED,), "view")])
def test_server__shows_the_rows_asked_for_and_leaves_the_browser_alone(
    asked: tuple[str, ...], opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fiftyone

    calls: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(
        fiftyone, "launch_app", lambda dataset=None, **how: calls.append((dataset, how))
    )
    monkeypatch.setattr(database, "connect", lambda: fiftyone)
    server = app.Server(address="127.0.0.1", port=5151)
    assert server.start().result() is fiftyone
    rows = SimpleNamespace(name="rows", load_saved_view=lambda name: f"view {name}")
    server.show(SimpleNamespace(dataset=rows, views=asked))  # type: ignore[arg-type]
    where = {"address": "127.0.0.1", "port": 5151, "remote": True, "auto": False}
    assert calls[0] == (None, where)  # an empty one, which starts the server
    wanted = (rows, None) if opened == "dataset" else (None, f"view {views.ASKED}")
    assert calls[1] == (wanted[0], where | {"view": wanted[1]})
