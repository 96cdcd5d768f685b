"""Vote files in: what is accepted, what is refused and why, and that nothing is ever lost."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.core.errors import Emo8Error
from emo8.core.schema import VOTES
from emo8.review import told
from emo8.review.report import vote_report
from emo8.review.sheets import write_votes_file
from emo8.review.vote_files import import_votes, undo
from emo8.review.votes import counted, path_of, read_votes

IDS = [f"{k:064x}" for k in range(5)]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder that holds the ids of five rows, like a build."""
    (tmp_path / "BUILD" / "rows").mkdir(parents=True)
    pq.write_table(pa.table({"id": IDS}), tmp_path / "BUILD" / "rows" / "part-00000.parquet")
    return tmp_path / "BUILD"


def _file(build: Path, text: str, name: str = "votes.csv") -> Path:
    path = build.parent / name
    path.write_text(text)
    return path


def _ok(build: Path, name: str = "votes.csv", emotion: str = "awe") -> Path:
    return _file(build, f"id,annotator,emotion\n{IDS[0]},Ann,{emotion}\n{IDS[1]},Bob,sad\n", name)


def test_import__names_become_pseudonyms_that_stay_the_same(build: Path) -> None:
    import_votes(build, _ok(build))
    import_votes(build, _file(build, f"id,annotator,emotion\n{IDS[2]},Ann,fear\n", "more.csv"))
    votes = read_votes(build)
    assert votes["emotion"].tolist() == ["awe", "sadness", "fear"]
    assert votes["annotator"][0] == votes["annotator"][2] != votes["annotator"][1]
    assert b"Ann" not in path_of(build).read_bytes()


def test_import__a_later_answer_replaces_and_undo_brings_the_earlier_back(build: Path) -> None:
    import_votes(build, _ok(build))
    second = import_votes(build, _ok(build, "again.csv", emotion="fear"))
    assert second.num_replaced == 2
    assert sorted(counted(read_votes(build))["emotion"]) == ["fear", "sadness"]
    assert undo(build, second.batch) == 2
    assert sorted(counted(read_votes(build))["emotion"]) == ["awe", "sadness"]
    with pytest.raises(Emo8Error, match="imports: "):
        undo(build, second.batch)


def test_import__yes_no_sheet_passes_over_what_nobody_answered(build: Path) -> None:
    answers = zip(IDS, ("yes", "NO", ""))
    lines = [f"{key},Ann,awe,{answer}\n" for key, answer in answers]
    text = "id,annotator,emotion,answer\n" + "".join(lines)
    found = import_votes(build, _file(build, text))
    assert (found.num_votes, found.num_unanswered) == (2, 1)
    assert read_votes(build)["answer"].tolist() == [True, False]


def test_import__styles_alone_and_beside_emotions(build: Path) -> None:
    text = (
        "id,annotator,emotion,style_vote\n"
        f"{IDS[0]},Ann,awe,sci-fi\n{IDS[1]},Ann,,cartoon\n{IDS[2]},Ann,,\n"
    )
    found = import_votes(build, _file(build, text))
    assert (found.num_votes, found.num_rows, found.num_unanswered) == (3, 2, 1)
    votes = read_votes(build)
    assert votes["kind"].tolist() == ["choice", "style", "style"]
    assert votes["style"].tolist() == [None, "science_fiction", "cartoon"]
    only = f"id,annotator,style_vote\n{IDS[3]},Bob,natural\n"
    assert import_votes(build, _file(build, only, "only.csv")).num_votes == 1


def test_import__style_misspelt_or_voted_on_twice_is_refused(build: Path) -> None:
    lines = f"{IDS[0]},Ann,cartoony\n{IDS[1]},Ann,natural\n{IDS[1]},Ann,cartoon\n"
    with pytest.raises(Emo8Error, match="2 mistakes") as caught:
        import_votes(build, _file(build, "id,annotator,style_vote\n" + lines))
    assert "did you mean 'cartoon'" in str(caught.value)
    assert "before, in line 3" in str(caught.value)
    assert not path_of(build).exists()


def test_read_votes__written_before_styles_could_be_voted_on(build: Path) -> None:
    import_votes(build, _ok(build))
    old = pq.read_table(path_of(build)).drop(["style"])
    pq.write_table(old, path_of(build))
    assert read_votes(build)["style"].tolist() == [None, None]


def test_import__rejections_and_consent(build: Path) -> None:
    text = f"id,annotator,emotion,reject,consent\n{IDS[0]},Ann,,yes,yes\n{IDS[1]},Bob,awe,,no\n"
    import_votes(build, _file(build, text))
    votes = read_votes(build)
    assert votes["kind"].tolist() == ["reject", "choice"]
    assert counted(votes)["kind"].tolist() == ["reject"]


def test_import__parquet_and_the_annotator_of_the_command(build: Path) -> None:
    path = build.parent / "v.parquet"
    pd.DataFrame({"id": IDS[:2], "emotion": ["awe", None]}).to_parquet(path)
    with pytest.raises(Emo8Error, match="--annotator NAME"):
        import_votes(build, path)
    found = import_votes(build, path, annotator="Ann")
    assert (found.num_votes, found.num_unanswered) == (1, 1)


MISTAKES = [
    (f"{IDS[0]},Ann,awee\n", ["line 2", "'awee'", "did you mean 'awe'"]),
    (f"{IDS[0][:-1]}f,Ann,awe\n", ["line 2", "no row has the id", "did you mean"]),
    ("picture7,Ann,awe\n", ["no row has the id 'picture7'", "`id` column"]),
    (f"{IDS[0]},,awe\n", ["line 2", "no annotator"]),
    (
        f"{IDS[0]},Ann,awe\n{IDS[1]},Ann,awe\n{IDS[0]},Ann,none\n",
        ["line 4", "answered the same question", "in line 2"],
    ),
]


@pytest.mark.parametrize(("lines", "said"), MISTAKES)
def test_import__a_bad_file_is_refused_whole_and_nothing_is_lost(
    build: Path, lines: str, said: list[str]
) -> None:
    import_votes(build, _ok(build))
    before = path_of(build).read_bytes()
    good = f"{IDS[3]},Cid,fear\n"
    with pytest.raises(Emo8Error) as caught:
        import_votes(build, _file(build, "id,annotator,emotion\n" + lines + good, "bad.csv"))
    for words in (*said, "bad.csv", "nothing was imported"):
        assert words in str(caught.value)
    assert path_of(build).read_bytes() == before


def test_import__every_mistake_is_named_at_once(build: Path) -> None:
    lines = "".join(f"{IDS[0]},A{k},joy\n" for k in range(30))
    with pytest.raises(Emo8Error, match="30 mistakes") as caught:
        import_votes(build, _file(build, "id,annotator,emotion\n" + lines))
    assert str(caught.value).count("unknown emotion") == 20
    assert "and 10 more" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("v.csv", "id,annotater,emotion\n", "is 'annotater' meant"),
        ("v.csv", "", "cannot be read"),
        ("v.csv", f"id,annotator,emotion\n{IDS[0]},Ann,\n", "holds no vote"),
        ("v.csv", f"id,annotator,emotion,answer\n{IDS[0]},Ann,awe,maybe\n", "write yes or no"),
        ("v.parquet", "not parquet", "cannot be read"),
        ("v.xlsx", "no workbook", "cannot be read"),
        ("v.doc", "no table", "is no table this reads"),
    ],
)
def test_import__unusable_files_say_what_to_do(
    build: Path, name: str, content: str, said: str
) -> None:
    with pytest.raises(Emo8Error, match=said):
        import_votes(build, _file(build, content, name))
    assert not path_of(build).exists()


def test_import__missing_file_and_the_same_file_twice(build: Path) -> None:
    with pytest.raises(Emo8Error, match=r"no vote file at .*none\.csv"):
        import_votes(build, build / "none.csv")
    import_votes(build, _ok(build))
    with pytest.raises(Emo8Error, match="imported before, as batch"):
        import_votes(build, _ok(build))


def test_import__styles_reasons_and_times(build: Path) -> None:
    text = (
        "id,annotator,emotion,style_vote,reject,reason,time\n"
        f"{IDS[0]},Ann,awe,sci-fi,,,2026-01-31T12:00:00+02:00\n"
        f"{IDS[1]},Ann,,cartoon,,,\n{IDS[2]},Ann,,,yes,watermark,\n"
    )
    found = import_votes(build, _file(build, text))
    assert found.num_votes == 4
    votes = read_votes(build)
    assert votes["kind"].tolist() == ["choice", "style", "style", "reject"]
    assert votes["style"].tolist() == [None, "science_fiction", "cartoon", None]
    assert votes["reason"].tolist() == [None, None, None, "watermark"]
    assert str(votes["time"][0]) == "2026-01-31 10:00:00+00:00"
    assert votes["time"].notna().all()  # without one, the time of the import
    with pytest.raises(Emo8Error, match="line 2: time = 'soon': write 2026-01-31T12:00:00Z"):
        import_votes(build, _file(build, f"id,annotator,emotion,time\n{IDS[0]},Ann,awe,soon\n"))


def test_read_votes__files_written_before_a_column_was_there(build: Path) -> None:
    import_votes(build, _ok(build))
    table = pq.read_table(path_of(build)).drop_columns(["style", "reason", "time"])
    pq.write_table(table, path_of(build))
    votes = read_votes(build)
    assert votes["emotion"].tolist() == ["awe", "sadness"]
    assert votes[["style", "reason", "time"]].isna().all().all()


def test_votes_file__comes_back_as_it_went_out(build: Path, tmp_path: Path) -> None:
    text = (
        "id,annotator,kind,emotion,answer,style_vote,reject,reason,consent,time\n"
        f"{IDS[0]},Ann,choice,awe,,,,,yes,2026-01-31T12:00:00Z\n{IDS[0]},Bob,yes_no,awe,no,,,,,\n"
        f"{IDS[1]},Bob,choice,fear,,,,,,\n{IDS[2]},Bob,,,,cartoon,,,,\n"
        f"{IDS[3]},Bob,,,,,yes,blurry,,\n"
    )
    import_votes(build, _file(build, text))
    write_votes_file(build, tmp_path / "out.csv")
    other = tmp_path / "other"
    (other / "rows").mkdir(parents=True)
    pq.write_table(pa.table({"id": IDS}), other / "rows" / "part-00000.parquet")
    import_votes(other, tmp_path / "out.csv")
    columns = [name for name in VOTES.names if name != "batch"]
    pd.testing.assert_frame_equal(read_votes(other)[columns], read_votes(build)[columns])


def test_vote_report__alpha_kappa_and_annotators(build: Path) -> None:
    lines = [f"{key},{name},{e}" for key in IDS[:2] for name in "AB" for e in ["awe"]]
    lines += [f"{key},{name},fear" for key in IDS[2:] for name in "AB"]
    import_votes(build, _file(build, "id,annotator,emotion\n" + "\n".join(lines) + "\n"))
    report = vote_report(build)
    assert report["krippendorff_alpha"] == report["fleiss_kappa"] == 1
    assert report["krippendorff_alpha_by_emotion"]["awe"] == 1
    assert report["krippendorff_alpha_by_emotion"]["anger"] is None
    assert len(report["annotators"]) == 2
    import_votes(build, _file(build, f"id,annotator,emotion\n{IDS[0]},C,awe\n", "c.csv"))
    assert vote_report(build)["fleiss_kappa"] is None
    assert "use alpha" in vote_report(build)["fleiss_kappa_note"]


def test_vote_report__a_no_is_an_answer_too(build: Path) -> None:
    said = {IDS[0]: "yes yes no no", IDS[1]: "yes no yes no", IDS[2]: "no no no yes"}
    lines = [
        f"{key},{who},{'awe' if key != IDS[2] else 'fear'},{answer}"
        for key, answers in said.items()
        for who, answer in zip("ABCD", answers.split())
    ]
    import_votes(build, _file(build, "id,annotator,emotion,answer\n" + "\n".join(lines) + "\n"))
    report = vote_report(build)
    # 12 answers, 5 yes: Do = (8 + 8 + 6) / 3 / 12, De = 2 * 5 * 7 / (12 * 11)
    assert report["krippendorff_alpha_yes_no"] == pytest.approx(
        1 - (22 / 36) / (70 / 132), abs=1e-4
    )
    assert report["krippendorff_alpha_by_emotion"]["awe"] == pytest.approx(-1 / 6, abs=1e-4)
    assert "krippendorff_alpha" not in report
    assert "yes or no to a proposed emotion; 1 = always" in "\n".join(told.lines(report))
