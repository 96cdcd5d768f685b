"""Votes in: what people write in CSV or parquet, or tag in the App, becomes rows of `schema.VOTES`.

A file has the columns `id`, `annotator` and `emotion`, `style_vote`, or both. With a column
`answer` (yes or no) each line says whether the picture shows that emotion, as EmoSet asks, unless
its `kind` is `choice`. `reject` (yes) wants the picture out, for the `reason`; `consent` (yes or
no) says whether the annotator agreed that the vote is used; `time` is ISO 8601. A question nobody
answered is passed over. Ballots with any mistake are refused whole: nothing of them is imported,
and nothing that was imported before is lost.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from emo8.core import schema
from emo8.core.errors import BuildError, Emo8Error
from emo8.core.taxonomy import parse_emotion, parse_style
from emo8.engine.files import read_columns, write_text
from emo8.engine.steps import ROWS
from emo8.review.votes import KINDS, counted, read_votes, write_votes

COLUMNS = (
    "id", "annotator", "kind", "emotion", "answer", "style_vote", "reject", "reason", "consent",
    "time",
)  # fmt: skip
_REQUIRED = ("id", "annotator", "emotion")
_YES, _NO = {"yes", "y", "true", "1", "1.0"}, {"no", "n", "false", "0", "0.0"}
_PSEUDONYM = re.compile(r"a[0-9a-f]{12}")
_MOST_MISTAKES = 20
_SALT = "annotators.salt"
Line = dict[str, str]  # COLUMNS as texts, "" where nothing stands


@dataclass(frozen=True, kw_only=True)
class ReadVotes:
    """Votes that were read and checked, and not imported yet."""

    batch: str  # the name the import will have, for undoing
    votes: pd.DataFrame  # in the columns of schema.VOTES
    num_unanswered: int = 0  # lines passed over


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
    return add(build, read_file(build, file, annotator=annotator))


def read_file(build: Path, file: Path, *, annotator: str = "") -> ReadVotes:
    """The votes of a file, checked against the build; Emo8Error names every mistake."""
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
    if (read_votes(build)["batch"] == batch).any():
        raise Emo8Error(f"{file} was imported before, as batch {batch}: nothing to do")
    lines = [(f"line {number}", line) for number, line in enumerate(_texts(table), start=2)]
    found = parse(build, f"vote file {file}", lines, asks="answer" in table, batch=batch)
    if found.votes.empty:
        raise Emo8Error(f"{file} holds no vote: every line lacks an emotion or an answer")
    return found


def add(build: Path, ballots: ReadVotes) -> Imported:
    """Import votes that were read and checked."""
    old, new = read_votes(build), ballots.votes
    write_votes(build, pd.concat([old, new], ignore_index=True) if len(old) else new)
    keys = ["id", "annotator", "kind"]
    before = old.merge(new[keys].drop_duplicates(), on=keys) if len(old) else old
    return Imported(
        batch=ballots.batch,
        num_votes=len(new),
        num_rows=new["id"].nunique(),
        num_annotators=new["annotator"].nunique(),
        num_replaced=len(before.drop_duplicates([*keys, "emotion"])),
        num_unanswered=ballots.num_unanswered,
    )


def news(build: Path, votes: pd.DataFrame) -> pd.DataFrame:
    """The votes that say something else than the same annotator's last word."""
    said = ["id", "annotator", "kind", "emotion", "answer", "style", "reason"]
    known = {_key(line) for line in _plain(counted(read_votes(build))[said])}
    new = [_key(line) not in known for line in _plain(votes[said])]
    return votes[pd.Series(new, index=votes.index, dtype=bool)].reset_index(drop=True)


def _plain(frame: pd.DataFrame) -> list[dict[str, object]]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")  # type: ignore[return-value]


def _key(line: dict[str, object]) -> str:
    return repr(sorted(line.items()))


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


def parse(
    build: Path, where: str, lines: Sequence[tuple[str, Line]], *, asks: bool, batch: str
) -> ReadVotes:
    """The votes of `lines`, each with its place in `where`; Emo8Error with every mistake.

    With `asks` a line without an answer is an unanswered question.
    """
    known, salt = set(row_ids(build)), salt_of(build)
    now = pd.Timestamp.now("UTC").floor("s")
    votes, mistakes, unanswered = [], [], 0
    seen: dict[tuple[str, str, str, str], str] = {}
    for place, line in lines:
        try:
            found = _votes(line, known, asks=asks)
            time = _time(line, now)
        except ValueError as error:
            mistakes.append(f"{place}: {error}")
            continue
        unanswered += not found
        for vote in found:
            question = str(vote["emotion"]) if vote["kind"] == "yes_no" else ""
            key = (line["id"], line["annotator"], str(vote["kind"]), question)
            if key in seen:
                mistakes.append(
                    f"{place}: annotator {line['annotator']!r} voted on {line['id'][:12]}… "
                    f"before, in {seen[key]}; keep one of the two"
                )
            seen.setdefault(key, place)
            who = pseudonym(line["annotator"], salt)
            votes.append({**vote, "annotator": who, "time": time, "batch": batch})
    if mistakes:
        raise Emo8Error(_all(where, mistakes))
    frame = pd.DataFrame(votes, columns=schema.VOTES.names)
    return ReadVotes(batch=batch, votes=frame, num_unanswered=unanswered)


def _texts(table: pd.DataFrame) -> list[Line]:
    """The columns we know as stripped texts, "" where nothing stands; one dictionary per line."""
    columns: dict[str, list[str]] = {}
    for name in COLUMNS:
        values = table[name] if name in table else pd.Series("", index=table.index)
        columns[name] = ["" if pd.isna(value) else str(value).strip() for value in values]
    return [dict(zip(columns, line)) for line in zip(*columns.values())]


def _votes(line: Line, known: set[str], *, asks: bool) -> list[dict[str, object]]:
    """The votes of a line without annotator; none if unanswered; ValueError for a mistake."""
    reject, answer = _yes_no(line, "reject"), _yes_no(line, "answer")
    if line["kind"] not in ("", *KINDS):
        raise ValueError(f"kind = {line['kind']!r}: one of {', '.join(KINDS)}, or nothing")
    reject = reject or line["kind"] == "reject"
    asks = asks and line["kind"] != "choice"
    unanswered = answer is None and (asks or not line["emotion"])
    if not reject and unanswered and not line["style_vote"]:
        return []
    _check_names(line, known)
    base: dict[str, object] = {"id": line["id"], "consent": _yes_no(line, "consent")}
    found: list[dict[str, object]] = []
    if reject:
        found.append({**base, "kind": "reject", "reason": line["reason"] or None})
    if not reject and not unanswered:
        if not line["emotion"]:
            raise ValueError("an answer without an emotion: which one was asked about?")
        kind = "choice" if answer is None else "yes_no"
        emotion = parse_emotion(line["emotion"])
        found.append({**base, "kind": kind, "emotion": emotion, "answer": answer})
    if line["style_vote"]:
        found.append({**base, "kind": "style", "style": parse_style(line["style_vote"])})
    return found


def _check_names(line: Line, known: set[str]) -> None:
    """ValueError where a vote is nobody's, or on no row of the build."""
    if not line["annotator"]:
        raise ValueError("no annotator; who voted? --annotator NAME stands in")
    if line["id"] not in known:
        near = get_close_matches(line["id"], known, n=1, cutoff=0.8) if len(known) < 5000 else []
        hint = f"; did you mean {near[0]}?" if near else "; ids are the `id` column of the dataset"
        raise ValueError(f"no row has the id {line['id']!r}{hint}")


def _time(line: Line, now: pd.Timestamp) -> pd.Timestamp:
    """When the vote was cast, or else `now`; ValueError for what is no time."""
    if not line["time"]:
        return now
    try:
        return pd.to_datetime(line["time"], utc=True).floor("s")
    except ValueError:
        text = line["time"]
        raise ValueError(f"time = {text!r}: write 2026-01-31T12:00:00Z") from None


def _yes_no(line: Line, name: str) -> bool | None:
    text = line[name].lower()
    if text in _YES or text in _NO:
        return text in _YES
    if text:
        raise ValueError(f"{name} = {line[name]!r}: write yes or no")
    return None


def _all(where: str, mistakes: list[str]) -> str:
    more = len(mistakes) - _MOST_MISTAKES
    shown = [f"  {text}" for text in mistakes[:_MOST_MISTAKES]]
    if more > 0:
        shown.append(f"  and {more} more")
    count = f"{len(mistakes)} mistake" + ("s" if len(mistakes) > 1 else "")
    return "\n".join([f"{where} has {count}; nothing was imported", *shown])


def pseudonym(name: str, salt: str) -> str:
    """A stable stand-in for an annotator's name; a pseudonym of ours stays what it is."""
    if _PSEUDONYM.fullmatch(name):
        return name
    return "a" + hashlib.sha256(f"{salt}:{name}".encode()).hexdigest()[:12]


def salt_of(build: Path) -> str:
    """The build's secret that makes pseudonyms; it is never published."""
    path = build / "tables" / _SALT
    if not path.exists():
        write_text(path, secrets.token_hex(16))
    return path.read_text(encoding="utf-8").strip()
