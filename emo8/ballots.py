"""Vote files in and out: what people write in CSV or parquet becomes rows of `schema.VOTES`.

A file has the columns `id`, `annotator` and `emotion`, `style_vote`, or both. With a column `answer` (yes or no) each line
says whether the picture shows that emotion, as EmoSet asks, unless its `kind` is `choice`. `reject`
(yes) wants the picture out; `consent` (yes or no) says whether the annotator agreed that the vote
is used. A question nobody answered is passed over. A file with any mistake is refused whole:
nothing of it is imported, and nothing that was imported before is lost.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from emo8 import schema
from emo8.errors import BuildError, Emo8Error
from emo8.parts import read_columns, write_text
from emo8.steps import ROWS
from emo8.taxonomy import parse_emotion, parse_style
from emo8.votes import KINDS, read_votes, write_votes

COLUMNS = ("id", "annotator", "kind", "emotion", "answer", "style_vote", "reject", "consent")
_REQUIRED = ("id", "annotator", "emotion")
_YES, _NO = {"yes", "y", "true", "1", "1.0"}, {"no", "n", "false", "0", "0.0"}
_PSEUDONYM = re.compile(r"a[0-9a-f]{12}")
_MOST_MISTAKES = 20
_SALT = "annotators.salt"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import came to."""

    batch: str  # its name, for undoing
    num_votes: int
    num_rows: int
    num_annotators: int
    num_replaced: int  # earlier answers of the same annotators that these take the place of
    num_unanswered: int  # lines passed over


def import_votes(build: Path, file: Path, *, annotator: str = "") -> Imported:
    """Add the votes of a file to a build; Emo8Error names every mistake, and then nothing changes.

    `annotator` stands in where the file has no such column. Names become pseudonyms: a hash with a
    secret that stays in the build, the same for the same name in every import.
    """
    data = file.read_bytes() if file.is_file() else b""
    table = _read(file)
    if annotator and "annotator" not in table:
        table["annotator"] = annotator
    if "style_vote" in table and "emotion" not in table:
        table["emotion"] = ""
    missing = [name for name in _REQUIRED if name not in table]
    if missing:
        raise Emo8Error(_missing(file, missing, [str(name) for name in table.columns]))
    batch = hashlib.sha256(data + annotator.encode()).hexdigest()[:12]
    old = read_votes(build)
    if (old["batch"] == batch).any():
        raise Emo8Error(f"{file} was imported before, as batch {batch}: nothing to do")
    new, unanswered = _parse(build, file, table, batch)
    if new.empty:
        raise Emo8Error(f"{file} holds no vote: every line lacks an emotion or an answer")
    write_votes(build, pd.concat([old, new], ignore_index=True) if len(old) else new)
    keys = ["id", "annotator", "kind"]
    before = old.merge(new[keys].drop_duplicates(), on=keys) if len(old) else old
    return Imported(
        batch=batch,
        num_votes=len(new),
        num_rows=new["id"].nunique(),
        num_annotators=new["annotator"].nunique(),
        num_replaced=len(before.drop_duplicates([*keys, "emotion"])),
        num_unanswered=unanswered,
    )


def undo(build: Path, batch: str) -> int:
    """Take one import back; how many votes that were. Answers it had replaced count again."""
    votes = read_votes(build)
    batches = list(dict.fromkeys(votes["batch"]))
    if batch not in batches:
        known = ", ".join(batches) or "none"
        raise Emo8Error(f"no import {batch!r} in {build}; imports: {known}")
    write_votes(build, votes[votes["batch"] != batch])
    return int((votes["batch"] == batch).sum())


def row_ids(build: Path) -> list[str]:
    """The ids of all inputs of a build."""
    found: list[str] = []
    for path in sorted((build / ROWS).glob("part-*.parquet")):
        found += [key for key in read_columns(path, ["id"]).column("id").to_pylist() if key]
    if not found:
        raise BuildError(f"{build} holds no rows: finish `emo8 build` first")
    return found


def _read(file: Path) -> pd.DataFrame:
    """The file as texts, with lower-case column names; Emo8Error when it is no table."""
    try:
        if file.suffix == ".parquet":
            table = pq.read_table(file).to_pandas()
        elif file.suffix in (".csv", ".tsv"):
            separator = "\t" if file.suffix == ".tsv" else ","
            table = pd.read_csv(file, sep=separator, dtype=str, encoding="utf-8-sig")
        else:
            raise Emo8Error(f"vote file {file}: use .csv, .tsv or .parquet")
    except Emo8Error:
        raise
    except FileNotFoundError:
        raise Emo8Error(f"no vote file at {file}") from None
    except (OSError, ValueError) as error:  # pandas and pyarrow errors are ValueErrors
        raise Emo8Error(f"vote file {file} cannot be read: {error}") from None
    return table.rename(columns=lambda name: str(name).strip().lower())


def _missing(file: Path, missing: list[str], found: list[str]) -> str:
    hints = []
    for name in missing:
        near = get_close_matches(name, found, n=1)
        hints.append(f"{name!r}" + (f" (is {near[0]!r} meant?)" if near else ""))
    advice = "; --annotator NAME stands in for that column" if "annotator" in missing else ""
    return f"vote file {file} has no column {', '.join(hints)}; it has {', '.join(found)}{advice}"


def _parse(build: Path, file: Path, table: pd.DataFrame, batch: str) -> tuple[pd.DataFrame, int]:
    """Votes of a file and how many lines held none; Emo8Error with every mistake and its line."""
    known, salt = set(row_ids(build)), _salt(build)
    votes, mistakes, unanswered = [], [], 0
    seen: dict[tuple[str, str, str, str], int] = {}
    for number, line in enumerate(_texts(table), start=2):
        try:
            found = _votes(line, known, asks="answer" in table)
        except ValueError as error:
            mistakes.append(f"line {number}: {error}")
            continue
        unanswered += not found
        who = {"annotator": pseudonym(str(line["annotator"]), salt), "batch": batch}
        for vote in found:
            question = str(vote["emotion"]) if vote["kind"] == "yes_no" else ""
            key = (str(vote["id"]), str(line["annotator"]), str(vote["kind"]), question)
            if key in seen:
                mistakes.append(
                    f"line {number}: annotator {line['annotator']!r} voted on "
                    f"{str(vote['id'])[:12]}… before, in line {seen[key]}; keep one of the two"
                )
            seen.setdefault(key, number)
            votes.append({**vote, **who})
    if mistakes:
        raise Emo8Error(_all(file, mistakes))
    return pd.DataFrame(votes, columns=schema.VOTES.names), unanswered


def _texts(table: pd.DataFrame) -> list[dict[str, str]]:
    """The columns we know as stripped texts, "" where nothing stands; one dictionary per line."""
    columns: dict[str, list[str]] = {}
    for name in COLUMNS:
        values = table[name] if name in table else pd.Series("", index=table.index)
        columns[name] = ["" if pd.isna(value) else str(value).strip() for value in values]
    return [dict(zip(columns, line)) for line in zip(*columns.values())]


def _votes(line: dict[str, str], known: set[str], *, asks: bool) -> list[dict[str, object]]:
    """The votes of a line without their annotator, none for an unanswered one.

    ValueError for a mistake.
    """
    reject, answer = _yes_no(line, "reject"), _yes_no(line, "answer")
    if line["kind"] not in ("", *KINDS):
        raise ValueError(f"kind = {line['kind']!r}: one of {', '.join(KINDS)}, or nothing")
    reject = reject or line["kind"] == "reject"
    asks = asks and line["kind"] != "choice"
    about_emotion = not reject and not (answer is None and (asks or not line["emotion"]))
    if not (reject or about_emotion or line["style_vote"]):
        return []
    if not line["annotator"]:
        raise ValueError("no annotator; who voted?")
    if line["id"] not in known:
        near = get_close_matches(line["id"], known, n=1, cutoff=0.8) if len(known) < 5000 else []
        hint = f"; did you mean {near[0]}?" if near else "; ids are the `id` column of the dataset"
        raise ValueError(f"no row has the id {line['id']!r}{hint}")
    if about_emotion and not line["emotion"]:
        raise ValueError("an answer without an emotion: which one was asked about?")
    blank = {"emotion": None, "style": None, "answer": None}
    row = {"id": line["id"], **blank, "consent": _yes_no(line, "consent")}
    votes: list[dict[str, object]] = []
    if reject:
        votes.append({**row, "kind": "reject"})
    if about_emotion:
        kind, emotion = "choice" if answer is None else "yes_no", parse_emotion(line["emotion"])
        votes.append({**row, "kind": kind, "emotion": emotion, "answer": answer})
    if line["style_vote"]:
        votes.append({**row, "kind": "style", "style": parse_style(line["style_vote"])})
    return votes


def _yes_no(line: dict[str, str], name: str) -> bool | None:
    text = line[name].lower()
    if text in _YES or text in _NO:
        return text in _YES
    if text:
        raise ValueError(f"{name} = {line[name]!r}: write yes or no")
    return None


def _all(file: Path, mistakes: list[str]) -> str:
    more = len(mistakes) - _MOST_MISTAKES
    shown = [f"  {text}" for text in mistakes[:_MOST_MISTAKES]]
    if more > 0:
        shown.append(f"  and {more} more")
    count = f"{len(mistakes)} mistake" + ("s" if len(mistakes) > 1 else "")
    return "\n".join([f"vote file {file} has {count}; nothing was imported", *shown])


def pseudonym(name: str, salt: str) -> str:
    """A stable stand-in for an annotator's name; a pseudonym of ours stays what it is."""
    if _PSEUDONYM.fullmatch(name):
        return name
    return "a" + hashlib.sha256(f"{salt}:{name}".encode()).hexdigest()[:12]


def _salt(build: Path) -> str:
    """The build's secret that makes pseudonyms; it is never published."""
    path = build / "tables" / _SALT
    if not path.exists():
        write_text(path, secrets.token_hex(16))
    return path.read_text(encoding="utf-8").strip()
