"""Exports of Label Studio: JSON, JSON_MIN and CSV.

Cancelled annotations are passed over, and predictions are never taken for people. JSON_MIN and CSV
hold one annotation per object or line; several choices are a list there. A task that nobody
annotated has a line too, and what the task brought stands among the answers, under the same name
if they share one: then nothing tells them apart, and only JSON will do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from emo8.core.errors import Emo8Error
from emo8.core.json_text import parse_json
from emo8.review.columns import RATED, our_column
from emo8.review.readers.base import Answers, Line, VoteFile, lines_of, text
from emo8.review.readers.questions import Question, put, question, questions

NAME = "label-studio"
ABOUT = "an export of Label Studio"
_META = frozenset({
    "annotation_id", "annotator", "created_at", "updated_at", "lead_time", "id", "agreement",
    "sentiment_lead_time",
})  # fmt: skip
OWN = "emo8_"  # data of tasks that we exported
_DATA_TOO = "_data_"  # before data of tasks that share the name of an answer, in CSV since 2026
_ANNOTATED = ("annotation_id", "annotator", "created_at", "updated_at", "lead_time")
_NUMBER = re.compile(r"0|[1-9]\d*")
_DATA = ("id", "annotator", "time", "kind", "scale", "value", "word")
_PLACES = frozenset({"x", "points", "rle"})  # box, ellipse and key point; polygon; brush
_PLAIN = ("choices", "rating", "number", "taxonomy", "text", "datetime")


def recognises(file: VoteFile) -> bool:
    if file.records:
        return _is_full(file.records) or "annotation_id" in file.records[0]
    return {"annotation_id", "lead_time"} <= set(file.header)


def _is_full(records: list[dict[str, Any]]) -> bool:
    first = records[0]
    return "data" in first and ("annotations" in first or "completions" in first)


def read(file: VoteFile) -> Answers:
    """The annotations of people."""
    if file.records and _is_full(file.records):
        return _full(file)
    return _flat(file)


# --- JSON: tasks with their annotations ------------------------------------------------------


def _full(file: VoteFile) -> Answers:
    answers: dict[str, list[str]] = {}
    for task in file.records:
        for annotation in _annotations(task):
            for result in annotation.get("result") or []:
                if _of_region(result):
                    continue
                answers.setdefault(result.get("from_name", ""), []).append(_said(result))
    guessed = questions(answers, file.words)
    asked = {name: _question(file, name, said, guessed[name]) for name, said in answers.items()}
    known = {name: one for name, one in asked.items() if one}
    passed: Counter[str] = Counter()
    return Answers(
        lines=_tasks(file, known, passed),
        used={name: one.ours for name, one in known.items()},
        unused=[name for name, one in asked.items() if one is None],
        passed_over=passed,
    )


def _annotations(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = task.get("annotations") or task.get("completions") or []
    return [one for one in found if isinstance(one, dict)]


def _of_region(result: Mapping[str, Any]) -> bool:
    """Whether a control was answered about a part of the picture: its value holds the place."""
    return not _PLACES.isdisjoint(result.get("value") or {})


def _said(result: Mapping[str, Any]) -> str:
    """What one control says, as text: a choice, several as a JSON list, a number."""
    value = result.get("value") or {}
    for name in _PLAIN:
        if name in value:
            said = value[name]
            return text(said[0] if isinstance(said, list) and len(said) == 1 else said)
    return ""


def _question(
    file: VoteFile, name: str, answers: list[str], one: Question | None
) -> Question | None:
    """What a control asks: by the user's word, its name, or its answers; `one` is the guess."""
    for ours, theirs in file.columns.items():
        if theirs == name:
            return Question(ours)
    if one and one.ours in ("id", "annotator", "time"):
        one = question("", answers, file.words)
    words = name.lower().replace("-", "_").split("_")
    rated = next((our_column(word) for word in words if our_column(word) in RATED), "")
    style = "style" in words
    return one or (Question(rated) if rated else Question("style_vote") if style else None) or (
        Question("emotion") if "emotion" in name.lower() else None
    )  # fmt: skip


def _tasks(
    file: VoteFile, asked: dict[str, Question], passed: Counter[str]
) -> Iterator[tuple[str, Line]]:
    for number, task in enumerate(file.records, start=1):
        passed["predictions of models"] += len(task.get("predictions") or [])
        data = task.get("data") or {}
        picture = file.pictures.first_known(picture_texts(file, data))
        for place, annotation in enumerate(_annotations(task), start=1):
            where = f"task {task.get('id', number)}, annotation {annotation.get('id', place)}"
            if annotation.get("was_cancelled") or annotation.get("skipped"):
                passed["cancelled annotations"] += 1
                continue
            line: Line = {
                "id": picture,
                "annotator": _who(annotation.get("completed_by")) or file.annotator,
                "time": text(annotation.get("updated_at") or annotation.get("created_at")),
            }
            for result in annotation.get("result") or []:
                if _of_region(result):
                    passed["answers about regions (only whole pictures are votes)"] += 1
                elif one := asked.get(result.get("from_name", "")):
                    put(line, one, _said(result))
            yield where, line


def picture_texts(file: VoteFile, data: Mapping[str, Any]) -> list[str]:
    """The texts of a task that may name its picture: the user's column, our id, then all others."""
    named = [file.columns["id"]] if "id" in file.columns else []
    first = [*named, "emo8_id", "id", "image", "img", "url", "picture"]
    ordered = dict.fromkeys([*(name for name in first if name in data), *data])
    return [value for name in ordered if isinstance(value := data[name], str)]


def _who(completed_by: Any) -> str:
    """An annotator: a number, an address, or an object with both."""
    if isinstance(completed_by, Mapping):
        names = (completed_by.get(key) for key in ("email", "username", "id"))
        return text(next((name for name in names if name), ""))
    return text(completed_by)


# --- JSON_MIN and CSV: one annotation each ---------------------------------------------------


def _flat(file: VoteFile) -> Answers:
    table = {name: [_plain(v) for v in values] for name, values in (file.table or {}).items()}
    asked = _flat_questions(file, table)
    used = {name: one.ours for name, one in asked.items()}
    shown = {"annotator": "annotator", "updated_at": "time"}
    passed: Counter[str] = Counter()
    return Answers(
        lines=_flat_lines(file, table, asked, passed),
        used=used | {name: ours for name, ours in shown.items() if name in table},
        unused=[name for name in table if name not in used and name not in shown],
        passed_over=passed,
    )


def _flat_questions(file: VoteFile, table: dict[str, list[str]]) -> dict[str, Question]:
    """What the columns answer. A task's own data stand beside the answers, and look like them:
    only names count, and the user's word; a column of emotions by any name only if it is alone.
    """
    chosen = {theirs: ours for ours, theirs in file.columns.items()}
    names = [name for name in table if name not in _META and not name.startswith((OWN, _DATA_TOO))]
    brought = _brought(table)
    asked = {}
    for name in names:
        ours = chosen.get(name) or (our_column(name) if our_column(name) not in _DATA else "")
        if ours and (name in chosen or ours not in file.columns):
            asked[name] = Question(ours)
    emotional = [name for name, one in asked.items() if one.ours == "emotion"]
    if not emotional:
        guesses = {name: question("", table[name], file.words) for name in names}
        emotional = [name for name, one in guesses.items() if one and one.ours == "emotion"]
        emotional = [name for name in emotional if name not in brought] or emotional
        asked |= dict.fromkeys(emotional, Question("emotion"))
    if len(emotional) > 1:
        raise Emo8Error(
            f"vote file {file.path}: {', '.join(emotional)} all hold emotions, and some may be "
            f"data of the tasks: --columns emotion={emotional[0]} says which one is the answer"
        )
    for name in asked:
        if where := brought.get(name):
            raise _shared(file, name, asked[name].ours, where)
    return asked


def _brought(table: dict[str, list[str]]) -> dict[str, int]:
    """Columns that say something of a task nobody annotated, and which row: data of the tasks."""
    found: dict[str, int] = {}
    for number, row in enumerate(lines_of(table)):
        if not _annotated(row):
            for name in (name for name, value in row.items() if value):
                found.setdefault(name, number + 1)
    return found


def _annotated(row: Mapping[str, str]) -> bool:
    return any(row.get(name) for name in _ANNOTATED)


def _shared(file: VoteFile, name: str, ours: str, where: int) -> Emo8Error:
    return Emo8Error(
        f"vote file {file.path}: {name!r} holds data of the tasks: row {where}, which nobody "
        "annotated, has some. Label Studio's JSON_MIN and CSV keep one value under one name, so "
        "data and answers cannot be told apart: export the project as JSON. If no question has "
        f"that name, --columns {ours}= passes over it"
    )


def _flat_lines(
    file: VoteFile,
    table: dict[str, list[str]],
    asked: dict[str, Question],
    passed: Counter[str],
) -> Iterator[tuple[str, Line]]:
    start = 2 if not file.records else 1
    what = "line" if not file.records else "object"
    for number, row in enumerate(lines_of(table), start=start):
        if not _annotated(row):
            passed["tasks without an annotation"] += 1
            continue
        line: Line = {
            "id": file.pictures.first_known(_flat_texts(file, row, asked)),
            "annotator": _plain(row.get("annotator", "")) or file.annotator,
            "time": row.get("updated_at") or row.get("created_at", ""),
        }
        for name, one in asked.items():
            put(line, one, row[name])
        yield f"{what} {number}", line


def _flat_texts(file: VoteFile, row: Mapping[str, str], asked: Mapping[str, Question]) -> list[str]:
    """The cells that may name the picture. A bare number is Label Studio's own number of the task
    (JSON_MIN puts it in the place of a task's own `id`), unless the user names the column.
    """
    passed = {*asked, *_META - {"id"}}
    named = file.columns.get("id")
    data = {
        name: value
        for name, value in row.items()
        if name not in passed and (name == named or not _NUMBER.fullmatch(value))
    }
    return picture_texts(file, data)


def _plain(value: str) -> str:
    """A cell without Label Studio's wrapping: `{"rating": 4}`, `[{"rating": 4}]`."""
    if value[:1] not in ("{", "["):
        return value
    try:
        said = parse_json(value)
    except ValueError:
        return value
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if isinstance(said, dict):
        for name in (*_PLAIN, "email"):
            if name in said:
                said = said[name]
                break
    return text(said[0] if isinstance(said, list) and len(said) == 1 else said)
