"""Tables of any make, and what spreadsheets do to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from emo8.core.errors import Emo8Error
from emo8.review.annotators import pseudonym, salt_of
from emo8.review.vote_files import Asked, read_file
from tests.emo8.review.readers.conftest import IDS, Read, said


def test_table__names_of_columns_and_what_is_not_used(read: Read) -> None:
    found = read("file_name,rater,label,V,A,D,note\nc.png,ann,awe,1,2,3,x\n", "v.csv", scale="1-3")
    assert said(found) == [
        ("c.png", "choice", "awe"),
        ("c.png", "valence", 0.0),
        ("c.png", "arousal", 0.5),
        ("c.png", "dominance", 1.0),
    ]
    assert found.unused == ["note"]
    assert set(found.votes["scale"].dropna()) == {"1-3"}


def test_table__columns_by_the_user(read: Read) -> None:
    found = read(
        "what,who,says\nc.png,ann,awe\n", "v.csv",
        columns={"id": "what", "annotator": "who", "emotion": "says"},
    )  # fmt: skip
    assert said(found) == [("c.png", "choice", "awe")]
    with pytest.raises(Emo8Error, match="--columns emotoin=says: there is no column 'emotoin'"):
        read("what,who,says\nc.png,ann,awe\n", "v.csv", columns={"emotoin": "says"})


@pytest.mark.parametrize(
    "said_as",
    ["awe;fear", "awe | fear", '"awe, fear"', '"[""awe"", ""fear""]"', "\"['awe', 'fear']\""],
)  # fmt: skip
def test_table__several_emotions_in_a_cell(read: Read, said_as: str) -> None:
    found = read(f"id,annotator,emotion\nc.png,ann,{said_as}\n", "v.csv")
    assert said(found) == [("c.png", "select", "awe"), ("c.png", "select", "fear")]


def test_table__several_lines_are_ticks_and_a_later_time_replaces(read: Read) -> None:
    lines = "id,annotator,emotion\nc.png,ann,awe\nc.png,ann,fear\nd.png,ann,awe\nd.png,ann,awe\n"
    found = read(lines, "v.csv")
    assert [one[1:] for one in said(found)] == [
        ("select", "awe"),
        ("select", "fear"),
        ("select", "awe"),
    ]
    lines = "id,annotator,emotion,time\nc.png,ann,awe,2026-01-02\nc.png,ann,fear,2026-01-01\n"
    found = read(lines, "w.csv")
    assert said(found) == [("c.png", "choice", "awe")]
    assert any("answered again later" in note for note in found.notes)


def test_table__a_column_per_emotion(read: Read) -> None:
    found = read("id,annotator,awe,fear,anger\nc.png,ann,1,0,1\n", "v.csv")
    assert said(found) == [("c.png", "select", "anger"), ("c.png", "select", "awe")]
    found = read("id,annotator,awe,fear\nc.png,ann,3,5\n", "w.csv", scale="1-5")
    assert said(found) == [("c.png", "intensity", "awe"), ("c.png", "intensity", "fear")]
    assert found.votes["value"].tolist() == [0.5, 1.0]


def test_table__a_column_of_ratings_that_holds_only_0_and_1_holds_no_ticks(read: Read) -> None:
    lines = "c.png,ann,1,0\nd.png,ann,0,4\n"
    found = read("id,annotator,awe,fear\n" + lines, "v.csv", scale="0-4")
    assert set(found.votes["kind"]) == {"intensity"}
    assert found.votes.set_index(["id", "emotion"])["value"].tolist() == [0.25, 0, 0, 1]


def test_table__shares_of_emotions_are_no_ticks(read: Read) -> None:
    with pytest.raises(Emo8Error, match=r"0\.7"):
        read([{"id": "c.png", "annotator": "ann", "emotion": {"awe": 0.7, "fear": 1}}])
    ticks = [{"id": "c.png", "annotator": "ann", "emotion": {"awe": 0, "fear": 1}}]
    assert said(read(ticks)) == [("c.png", "choice", "fear")]


def test_table__none_neutral_and_cannot_tell_are_three_answers(read: Read) -> None:
    lines = "".join(f"c.png,{who},{word}\n" for who, word in zip("abcd", (
        "None of these", "neutral", "I don't know", "Can\u2019t tell")))  # fmt: skip
    found = read("id,annotator,emotion\n" + lines, "v.csv")
    assert found.votes["kind"].tolist() == ["none", "neutral", "cannot_tell", "cannot_tell"]
    with pytest.raises(Emo8Error, match="both an emotion and none"):
        read("id,annotator,emotion\nc.png,a,awe;none\n", "w.csv")


def test_table__polarity_intensity_and_consent(read: Read) -> None:
    found = read(
        "id,annotator,emotion,polarity,intensity,consent\nc.png,ann,awe,Positive,70,no\n",
        "v.csv", scale="intensity=0-100",
    )  # fmt: skip
    assert found.votes["kind"].tolist() == ["choice", "polarity", "intensity"]
    assert found.votes["value"].tolist()[1:] == [1.0, 0.7]
    assert found.votes["consent"].tolist() == [False] * 3


def test_table__words_of_the_recipe_and_the_word_that_was_said(build: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'name = "r"\n[[source]]\nkind = "folder"\npath = "p"\n'
        '[votes.words]\nJoy = "amusement"\nsurprise = ""\n'
    )
    (build / "resolved.json").write_text(
        f'{{"recipe": {{"name": "r", "votes": {{}}}}, "recipe_path": "{recipe}"}}'
    )
    path = tmp_path / "v.csv"
    path.write_text("id,annotator,emotion\nc.png,a,joy\nd.png,a,Surprise\ncats/b.jpg,a,Sad\n")
    votes = read_file(build, path, Asked()).votes
    assert votes["kind"].tolist() == ["choice", "other", "choice"]
    assert votes["emotion"].tolist() == ["amusement", None, "sadness"]
    assert votes["word"].tolist() == ["joy", "Surprise", "Sad"]
    path.write_text("id,annotator,emotion\nc.png,a,joyful\n")
    with pytest.raises(Emo8Error, match=r"\[votes.words\] \"joyful\""):
        read_file(build, path, Asked())


@pytest.mark.parametrize(
    ("name", "encoding", "delimiter"),
    [("v.csv", "utf-8-sig", ";"), ("v.csv", "utf-16", "\t"), ("v.txt", "utf-16", "\t")],
)
def test_table__as_excel_saves_it(
    build: Path, read: Read, name: str, encoding: str, delimiter: str
) -> None:
    lines = [
        ["note", "valence", "annotator", "time", "emotion", "id"],
        ["x", "3,0", "NA", "31.01.2026 14:30", "awe", "c.png"],
        ["x", "1", "7.0", "01.02.2026 14:30", "awe", "d.png"],
        ["x", "1.0", "7", "01.02.2026 14:30", "awe", "c.png"],
    ]
    text = "\r\n".join(delimiter.join(line) for line in lines) + "\r\n"
    found = read(text.encode(encoding), name, scale="1-5")
    assert len(found.votes) == 6
    assert found.votes["value"].tolist()[1::2] == [0.5, 0.0, 0.0]
    who = found.votes["annotator"].tolist()[::2]
    assert who == [pseudonym(name, salt_of(build)) for name in ("NA", "7", "7")]
    assert [str(time) for time in found.votes["time"]][::2] == [
        "2026-01-31 14:30:00+00:00", "2026-02-01 14:30:00+00:00", "2026-02-01 14:30:00+00:00",
    ]  # fmt: skip


def test_table__a_workbook(build: Path, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["id", "annotator", "emotion"])
    book.active.append(["c.png", 7, "awe"])
    book.save(tmp_path / "v.xlsx")
    found = read_file(build, tmp_path / "v.xlsx", Asked())
    assert found.votes["annotator"][0] == pseudonym("7", salt_of(build))


def test_table__pictures_that_are_not_in_the_build(read: Read) -> None:
    lines = "id,annotator,emotion\nc.png,a,awe\nz.png,a,awe\nz.png,b,awe\nb.jpg,a,awe\n"
    with pytest.raises(Emo8Error) as caught:
        read(lines, "v.csv")
    assert "'b.jpg' fits 2 rows: cats/b.jpg, dogs/b.jpg; give the path or the id" in str(
        caught.value
    )
    assert "3 answers on 2 pictures: 'z.png' (2), 'b.jpg' (1); --skip-unknown" in str(caught.value)
    found = read(lines, "v.csv", skip_unknown=True)
    assert said(found) == [("c.png", "choice", "awe")]
    assert any("'z.png' (2)" in note for note in found.notes)


def test_table__a_ragged_line_is_a_mistake(read: Read) -> None:
    with pytest.raises(Emo8Error, match="line 3: 2 of 3 cells"):
        read("id,annotator,emotion\nc.png,a,awe\nd.png,a\n", "v.csv")


def test_format__by_the_user(read: Read) -> None:
    text = "ResponseId,RecordedDate,image,emotion\nR_1,2026-01-31,c.png,awe\n"
    with pytest.raises(Emo8Error, match="no column 'annotator'"):
        read(text.replace("ResponseId", "Session"), "v.csv", format="table")
    with pytest.raises(Emo8Error, match="did you mean 'label-studio'"):
        read(text, "v.csv", format="labelstudio")


def test_ids__are_names_too(read: Read) -> None:
    assert said(read(f"id,annotator,emotion\n{IDS['d.png']},a,awe\n", "v.csv"))[0][0] == "d.png"
