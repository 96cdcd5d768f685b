"""Tags and edited labels come home as votes, and the build follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from emo8.browse import app, tags
from emo8.cli import main
from emo8.core.errors import Emo8Error
from emo8.core.taxonomy import EMOTIONS
from emo8.review.annotators import pseudonym, salt_of
from emo8.review.votes import read_votes


@pytest.fixture
def shown(fiftyone: Any, own: Path) -> Any:
    """The small build in FiftyOne."""
    return app.prepare(str(own / "BUILD")).dataset


def _kept(shown: Any, number: int) -> list[Any]:
    return list(shown.match({"verdict": "kept"}).sort_by("key").limit(number))


def _tag(sample: Any, *names: str) -> None:
    sample.tags.extend(names)
    sample.save()


def _published(own: Path) -> pd.DataFrame:
    table = pq.read_table(own / "BUILD" / "dataset" / "data")
    return table.drop_columns(["image"]).to_pandas().set_index("id")


def test_import__twenty_pictures_tagged_then_everything_follows(
    shown: Any, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, before = str(own / "BUILD"), _published(own)
    samples = _kept(shown, 20)
    wanted = {}
    for k, sample in enumerate(samples[:18]):
        wanted[sample.row_id] = EMOTIONS[k % 8]
        _tag(sample, f"emotion:{EMOTIONS[k % 8]}@ann", f"emotion:{EMOTIONS[k % 8]}@ben")
    _tag(samples[18], "reject:watermark", "nice")
    _tag(samples[19], "style:science fiction")
    assert main(["review", build, "--import", "--annotator", "cid"]) == 0
    said = capsys.readouterr().out
    assert "reject, watermark" in said
    assert "1 pictures leave" in said
    assert "38 votes on 20 rows by 3 annotators" in said
    assert main(["build", str(own / "recipe.toml"), "-o", build]) == 0
    after = _published(own)
    for key, emotion in wanted.items():
        assert after.loc[key, "emotion"] == EMOTIONS.index(emotion)
        assert after.loc[key, "emotion_rule"] == "human"
        assert after.loc[key, "num_votes"] == 2
    assert samples[18].row_id not in after.index
    rejected = pq.read_table(own / "BUILD" / "tables" / "rejected.parquet").to_pandas()
    line = rejected[rejected["id"] == samples[18].row_id].iloc[0]
    assert (line["reason"], line["detail"]) == ("rejected_by_review", "watermark")
    assert after.loc[samples[19].row_id, "style"] == 3
    assert after.loc[samples[19].row_id, "style_rule"] == "human"
    assert len(after) == len(before) - 1
    splits = json.loads((own / "BUILD" / "report" / "splits.json").read_text())
    assert sum(splits["rows"].values()) == len(after)
    assert sum(sum(cell["rows"].values()) for cell in splits["cells"]) == len(after)
    capsys.readouterr()
    assert main(["review", build, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["krippendorff_alpha"] == 1
    again = app.prepare(build)
    assert again.dataset[samples[0].id].emotion.rule == "human"
    votes = again.dataset[samples[0].id].votes.classifications
    assert [vote.label for vote in votes] == [EMOTIONS[0]] * 2
    assert samples[0].row_id not in again.dataset.load_saved_view("unreviewed queue").values(
        "row_id"
    )


def test_import__an_edited_label_is_a_vote_with_its_annotator_and_time(
    shown: Any, own: Path
) -> None:
    sample = _kept(shown, 1)[0]
    sample.emotion.label = next(e for e in EMOTIONS if e != sample.emotion.label)
    sample.save()
    with pytest.raises(Emo8Error, match=r"edited emotion of .*--annotator NAME"):
        tags.read(own / "BUILD")
    assert main(["review", str(own / "BUILD"), "--import", "--annotator", "ann"]) == 0
    vote = read_votes(own / "BUILD").iloc[0]
    assert (vote["id"], vote["kind"], vote["emotion"]) == (
        sample.row_id, "choice", sample.emotion.label,
    )  # fmt: skip
    assert vote["annotator"] == pseudonym("ann", salt_of(own / "BUILD"))
    changed = pd.to_datetime(sample.last_modified_at, utc=True)
    assert abs((vote["time"] - changed).total_seconds()) <= 1


def test_import__the_same_tags_twice_are_imported_once_and_undo_brings_them_back(
    shown: Any, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = own / "BUILD"
    _tag(_kept(shown, 1)[0], "emotion:awe@ann")
    found = tags.read(build)
    arguments = ["review", str(build), "--import"]
    assert main([*arguments, "--dry-run"]) == 0
    assert read_votes(build).empty
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert "nothing new to import" in capsys.readouterr().out
    assert len(read_votes(build)) == 1
    assert main(["review", str(build), "--undo", found.ballots.batch]) == 0
    assert read_votes(build).empty
    assert main(arguments) == 0
    assert len(read_votes(build)) == 1


def test_import__yes_and_no_are_about_the_label_shown(shown: Any, own: Path) -> None:
    first, second = _kept(shown, 2)
    _tag(first, "emotion:yes@ann")
    _tag(second, "Emotion:no@ann")
    votes = tags.read(own / "BUILD").ballots.votes.set_index("id")
    assert votes["kind"].tolist() == ["yes_no"] * 2
    assert votes.loc[first.row_id, "emotion"] == first.emotion.label
    assert votes.loc[first.row_id, "answer"]
    assert not votes.loc[second.row_id, "answer"]


def test_import__every_mistake_is_named_and_nothing_is_imported(shown: Any, own: Path) -> None:
    first, second, third = _kept(shown, 3)
    _tag(first, "emotion:awee@ann")
    _tag(second, "emotion:awe")
    _tag(third, "style:cartoon@ann", "style:natural@ann")
    with pytest.raises(Emo8Error) as caught:
        tags.read(own / "BUILD")
    said = str(caught.value)
    assert "3 mistakes" in said
    for words in ("did you mean 'awe'", "--annotator NAME", "keep one of the two",
                  "tag 'emotion:awee@ann' of ", "nothing was imported"):  # fmt: skip
        assert words in said


def test_import__tags_that_only_look_like_votes_are_named(shown: Any, own: Path) -> None:
    _tag(_kept(shown, 1)[0], "emotoin:awe", "favourite", "reject@ann")
    found = tags.read(own / "BUILD")
    assert found.passed_over == ["emotoin:awe"]
    assert found.ballots.votes["kind"].tolist() == ["reject"]


def test_import__tags_on_the_final_labels_are_votes_and_other_labels_are_named(
    shown: Any, own: Path
) -> None:
    first, second, third = _kept(shown, 3)
    first.emotion.tags += ["emotion:awe@ann", "wrong"]
    first.style.tags.append("emotion:awe@ann")  # the App tags every label that is on the screen
    first.emotion_clip.tags.append("emotion:awe@ann")
    first.save()
    second.style.tags.append("style:cartoon@ann")
    second.save()
    third.emotion_clip.tags += ["emotion:no@ann", "nice"]
    third.save()
    found = tags.read(own / "BUILD")
    votes = found.ballots.votes.set_index("id")
    assert votes["kind"].to_dict() == {first.row_id: "choice", second.row_id: "style"}
    assert found.passed_over == [
        "emotion:no@ann (on the label emotion_clip)",
        "wrong (on the label emotion)",
    ]


def test_browse__a_changed_row_keeps_the_tags_of_its_labels(shown: Any, own: Path) -> None:
    sample = _kept(shown, 1)[0]
    sample.emotion.tags.append("emotion:awe@ann")
    sample["mark"] = "of an older build"
    sample.save()
    again = app.prepare(str(own / "BUILD"))
    assert again.filled.num_updated == 1
    assert again.dataset[sample.id].emotion.tags == ["emotion:awe@ann"]


def test_import__before_browsing_says_so(fiftyone: Any, own: Path) -> None:
    with pytest.raises(Emo8Error, match="not opened yet with `emo8 browse`"):
        tags.read(own / "BUILD")


def test_assign__annotators_have_views_that_empty_as_they_vote(shown: Any, own: Path) -> None:
    build = str(own / "BUILD")
    assert main(["review", build, "--assign", "ann", "ben", "cid", "--overlap", "2",
                 "--limit", "6"]) == 0  # fmt: skip
    dataset = app.prepare(build).dataset
    own_rows = {n: dataset.load_saved_view(f"queue of {n}") for n in ("ann", "ben", "cid")}
    assert [len(view) for view in own_rows.values()] == [4, 4, 4]
    shown_fields = set(own_rows["ann"].get_field_schema())
    assert not shown_fields & {"emotion", "emotion_clip", "emotion_source", "votes", "source_path"}
    first = own_rows["ann"].first()
    _tag(first, "emotion:awe@ann")
    assert main(["review", build, "--import"]) == 0
    dataset = app.prepare(build).dataset
    assert len(dataset.load_saved_view("queue of ann")) == 3


def test_import__app_without_a_tag_has_nothing_new(
    shown: Any, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", str(own / "BUILD"), "--import"]) == 0
    assert "nothing new to import" in capsys.readouterr().out
