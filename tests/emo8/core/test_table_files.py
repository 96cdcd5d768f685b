"""Tables as programs write them come out as the rows that their author meant."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from emo8.core.errors import TableError
from emo8.core.table_files import all_rows, open_table

ROWS = [
    {"url": "http://a/1.jpg", "caption": "a red dot, and a blue one; both", "n": "1"},
    {"url": "http://a/2.jpg", "caption": 'she said "hello"', "n": "2"},
    {"url": "http://a/3.jpg", "caption": "two\nlines", "n": "3"},
    {"url": "http://a/4.jpg", "caption": "café", "n": "4"},
]


def write(rows: list[dict[str, str]], **dialect: str) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), **dialect)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "CSV"])
def test_all_rows__excels_files_are_read_whatever_their_delimiter_and_encoding(
    tmp_path: Path, encoding: str, delimiter: str, suffix: str
) -> None:
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(write(ROWS, delimiter=delimiter).encode(encoding))
    assert all_rows(path) == ROWS


def test_all_rows__excels_first_line_names_the_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("sep=;\r\nfile;caption\r\na.jpg;one, two, three\r\nb.jpg\r\n")
    table = open_table(path)
    assert table.rows(0, 2, ["file", "caption"])[0] == {
        "file": "a.jpg",
        "caption": "one, two, three",
    }
    assert table.damaged == {1: "1 of 2 cells"}


@pytest.mark.parametrize(
    "captions",
    [
        ['"quoted" at the start', "plain", '5" nails', 'open "end'],
        ['"never closed', "plain", 'closed later"', "plain"],
        ['"', "plain", "plain", '"'],
        ["it's", '"a" and "b"', "", "plain"],
    ],
)
def test_all_rows__tabs_without_quoting_keep_marks_as_text(
    tmp_path: Path, captions: list[str]
) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("caption\turl\n" + "".join(f"{c}\thttp://a/{c[:1]}\n" for c in captions))
    found = open_table(path)
    assert [row["caption"] or "" for row in all_rows(path)] == captions
    assert not found.damaged


def test_all_rows__only_an_empty_cell_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\nNA,null\nNone,""\n007,1.0\n')
    assert all_rows(path) == [
        {"a": "NA", "b": "null"},
        {"a": "None", "b": None},
        {"a": "007", "b": "1.0"},
    ]


def test_all_rows__a_ragged_row_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{n},{n}\n" if n % 300 else "1,2,3\n" for n in range(900)))
    table = open_table(path)
    assert table.num_rows == 900
    assert sorted(table.damaged) == [0, 300, 600]
    rows = table.rows(0, 900, ["b"])
    assert [row["b"] for row in rows[298:303]] == ["298", "299", None, "301", "302"]


def test_all_rows__a_cell_in_another_encoding_costs_its_row_where_it_is_asked_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,plain\n2,café\n".encode("latin-1"))
    table = open_table(path)
    assert [row["a"] for row in table.rows(0, 2, ["a"])] == ["1", "2"]
    assert not table.damaged
    assert [row["b"] for row in table.rows(0, 2, ["b"])] == ["plain", None]
    assert list(table.damaged) == [1]
    assert "UTF-8" in table.damaged[1]


def test_all_rows__a_column_that_stands_twice_is_named_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,a\n1,2,3\n")
    assert all_rows(path, ["b"]) == [{"b": "2"}]
    with pytest.raises(TableError, match=r"'a' stands twice"):
        all_rows(path, ["a"])


def test_all_rows__json_rows_may_lack_keys_and_mix_kinds(tmp_path: Path) -> None:
    rows = [{"image": "0.jpg"}, {"image": "1.jpg", "caption": "late", "id": 1}, {"id": "x"}, 7]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(rows))
    lines = tmp_path / "t.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    for file in (path, lines):
        table = open_table(file)
        assert table.columns == ("image", "caption", "id")
        found = table.rows(0, 4, ["image", "caption"])
        assert [row["caption"] for row in found] == [None, "late", None, None]
        assert list(table.damaged) == [3]


def test_all_rows__one_broken_json_line_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    deep = '{"a": ' * 100_000
    path.write_bytes(b'\xef\xbb\xbf{"a": "1"}\n{"a": \n' + deep.encode() + b'\n{"a": "\xff"}\n')
    table = open_table(path)
    assert table.rows(0, 1, ["a"]) == [{"a": "1"}]
    assert sorted(table.damaged) == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.json", b"[" * 100_000, "nested too deeply"),
        ("t.json", b'{"a": 1}', "a list of objects"),
        ("t.json", b"[1, 2]", "every row of it is damaged"),
        ("t.xlsx", b"PK", "save it as CSV"),
        ("t.csv", b"", "is empty"),
        ("t.parquet", b"PAR1", r"t\.parquet"),
        ("t.docx", b"", "no table this reads"),
    ],
)
def test_open_table__what_is_no_table_is_named(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TableError, match=words):
        open_table(path)
    with pytest.raises(TableError, match=r"no file .*gone\.csv"):
        open_table(tmp_path / "gone.csv")
