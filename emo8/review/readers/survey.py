"""Surveys by Qualtrics, often through Prolific: one line per participant, a column per picture.

Qualtrics writes three header lines: names, the questions' texts, and import ids. A column belongs
to the picture that its name or its question mentions. Previews and unfinished answers are passed
over, and so is what Qualtrics takes for spam.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from emo8.core.errors import Emo8Error
from emo8.review.columns import RATED, our_column
from emo8.review.readers import table as plain
from emo8.review.readers.base import Answers, Line, VoteFile, lines_of
from emo8.review.readers.questions import Question, put, question
from emo8.review.words import is_yes

NAME = "survey"
ABOUT = "answers of a Qualtrics or Prolific survey"
_OURS = {"responseid", "recordeddate", "prolific_pid", "prolificpid", "startdate"}
_WHO = ("PROLIFIC_PID", "PROLIFIC_ID", "prolific_id", "ProlificID", "ResponseId", "ResponseID")
_UNREAL = re.compile("preview|test|spam")
_UNREAL_BITS = 1 | 2 | 8  # the same where Qualtrics exports numbers: 9 is a preview and spam
_WHEN = ("RecordedDate", "EndDate", "StartDate")


def recognises(file: VoteFile) -> bool:
    return len({name.lower() for name in file.header} & _OURS) >= 2


def read(file: VoteFile) -> Answers:
    """The answers of all participants who finished."""
    table = file.table or {}
    head = _header_lines(table)
    wording = {name: " ".join(values[:head]) for name, values in table.items()}
    body = {name: values[head:] for name, values in table.items()}
    pictures = {name: found for name in body if (found := _picture(file, name, wording[name]))}
    passed: Counter[str] = Counter()
    if not pictures:  # a picture per line
        answers = plain.read_columns(file, body, start=2 + head)
        lines = _real_lines(answers.lines, body, passed)
        return dataclasses.replace(answers, lines=lines, passed_over=passed)
    who = file.columns.get("annotator") or next((name for name in _WHO if name in body), "")
    if not who and not file.annotator:
        raise Emo8Error(f"vote file {file.path} says nowhere who answered: --columns annotator=…")
    asked = {name: _asked(file, name, wording[name], body[name]) for name in pictures}
    when = next((name for name in _WHEN if name in body), "")
    known = {name: one for name, one in asked.items() if one}
    used = {name: f"{one.ours} of {pictures[name]}" for name, one in known.items()}
    used |= {who: "annotator"} if who else {}
    used |= {when: "time"} if when else {}
    return Answers(
        lines=_lines(file, body, known, pictures, (who, when, 2 + head), passed),
        used=used,
        unused=[name for name in table if name not in used],
        passed_over=passed,
    )


def _real_lines(
    lines: Iterable[tuple[str, Line]], body: dict[str, list[str]], passed: Counter[str]
) -> Iterator[tuple[str, Line]]:
    """The lines of participants who finished; `lines` are those of `body`, one each."""
    for found, row in zip(lines, lines_of(body), strict=True):
        if why := _why_not(row):
            passed[why] += 1
        else:
            yield found


def _why_not(row: Mapping[str, str]) -> str:
    """Why a participant's answers do not count; "" where they do."""
    status = row.get("Status", "").lower()
    unreal = int(status) & _UNREAL_BITS if status.isdigit() else _UNREAL.search(status)
    if unreal or "preview" in row.get("DistributionChannel", "").lower():
        return "previews, tests and spam"
    unfinished = row.get("Finished") and not is_yes(row["Finished"])
    return "unfinished answers" if unfinished else ""


def _header_lines(table: dict[str, list[str]]) -> int:
    """How many lines after the names are no answers: the import ids are the last of them."""
    for number in range(2):
        if any(values[number : number + 1] and "ImportId" in values[number]
               for values in table.values()):  # fmt: skip
            return number + 1
    return 0


def _picture(file: VoteFile, name: str, wording: str) -> str:
    """The picture that a column's name or question mentions; "" for none."""
    words = [name, *re.findall(r"[^\s\"'<>=()]+\.\w{3,4}\b[^\s\"'<>=()]*", f"{name} {wording}")]
    whole = re.split(r"\s+-\s+", wording)
    pieces = [*words, *whole, *re.split(r"[\s_]+(?=\w+$)", name)[:1]]
    return next((word for word in pieces if word and file.pictures.knows(word)), "")


def _asked(file: VoteFile, name: str, wording: str, answers: list[str]) -> Question | None:
    """What a column about one picture asks: by its answers, its name, or the question's words."""
    one = question("", answers, file.words)
    if one:
        return one
    for word in re.findall(r"[a-z]+", f"{name} {wording}".lower().replace("_", " ")):
        if word in RATED or (our_column(word) in RATED and len(word) > 1):
            return Question(our_column(word))
    return Question("emotion") if any(answers) else None


def _lines(
    file: VoteFile,
    body: dict[str, list[str]],
    asked: dict[str, Question],
    pictures: dict[str, str],
    places: tuple[str, str, int],
    passed: Counter[str],
) -> Iterator[tuple[str, Line]]:
    who, when, start = places
    for number, values in enumerate(zip(*body.values(), strict=True)):
        row = dict(zip(body, values))
        if why := _why_not(row):
            passed[why] += 1
            continue
        base: Line = {"annotator": row.get(who, "") or file.annotator, "time": row.get(when, "")}
        shown: dict[str, Line] = {}
        for name, one in asked.items():
            line = shown.setdefault(pictures[name], {**base, "id": pictures[name]})
            put(line, one, row[name])
        for line in shown.values():
            yield f"line {start + number}", line
