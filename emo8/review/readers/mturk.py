"""Batch results of Mechanical Turk: one line per assignment, one or several pictures on it.

`Input.*` columns hold what was shown, `Answer.*` columns what was said, and `Answer.taskAnswers`
the whole form as JSON. Assignments that were rejected are passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from emo8.core.errors import Emo8Error
from emo8.review.columns import map_columns
from emo8.review.find_rows import looks_like_picture
from emo8.review.readers.base import Answers, Line, VoteFile
from emo8.review.readers.questions import Question, forms, put, questions

NAME = "mturk"
ABOUT = "batch results of Mechanical Turk"
_FORM = "Answer.taskAnswers"
_REJECTED = "rejected assignments"


def recognises(file: VoteFile) -> bool:
    return {"AssignmentId", "WorkerId"} <= set(file.header)


def read(file: VoteFile) -> Answers:
    """The answers of all assignments that were not rejected."""
    table = file.table or {}
    named = (
        map_columns(tuple(table), file.columns, f"vote file {file.path}") if file.columns else {}
    )
    asked = _questions(file, table)
    for ours in file.columns:
        asked = {name: one for name, one in asked.items() if one.ours != ours}
        asked[named[ours]] = Question(ours)
    pictures = {one.number: name for name, one in asked.items() if one.ours == "id"}
    if not pictures:
        raise Emo8Error(
            f"vote file {file.path}: no Input column holds pictures of the build; "
            f"--columns id=COLUMN says which one; it has {', '.join(table)}"
        )
    passed: Counter[str] = Counter()
    return Answers(
        lines=_lines(table, asked, pictures, _fields(file, table), passed),
        used={name: f"{one.ours}{' of picture ' + one.number if one.number else ''}"
              for name, one in asked.items()},
        unused=[name for name in table if name not in asked and name != _FORM],
        passed_over=passed,
    )  # fmt: skip


def _questions(file: VoteFile, table: dict[str, list[str]]) -> dict[str, Question]:
    """Column -> what it holds."""
    asked = {"WorkerId": Question("annotator")}
    if "SubmitTime" in table:
        asked["SubmitTime"] = Question("time")
    shown = {name: values for name, values in table.items() if name.startswith("Input.")}
    said = {name: values for name, values in table.items() if name.startswith("Answer.")}
    for name, one in (questions(shown, file.words) | questions(said, file.words)).items():
        values = table[name]
        if name.startswith("Input."):
            known = any(file.pictures.knows(value) for value in values[:50])
            if known or (one and one.ours == "id" and any(map(looks_like_picture, values))):
                number = one.number if one else ""
                asked[name] = Question("id", number or question_number(name))
        elif name.startswith("Answer.") and name != _FORM and one and one.ours != "id":
            asked[name] = one
    return asked


def _fields(file: VoteFile, table: dict[str, list[str]]) -> dict[str, Question | None]:
    """Field of the forms -> what it asks; None for what is no answer about a picture."""
    said: dict[str, list[str]] = {}
    for cell in filter(None, table.get(_FORM, [])):
        for form in forms(cell):
            for name, answer in form.items():
                said.setdefault(name, []).append(answer)
    asked = questions(said, file.words)
    return {
        name: None if one and one.ours in ("id", "annotator", "time") else one
        for name, one in asked.items()
    }


def question_number(name: str) -> str:
    """The digits at the end of a name."""
    return name[len(name.rstrip("0123456789")) :]


def _lines(
    table: dict[str, list[str]],
    asked: dict[str, Question],
    pictures: dict[str, str],
    fields: dict[str, Question | None],
    passed: Counter[str],
) -> Iterator[tuple[str, Line]]:
    columns = list(table)
    for number, values in enumerate(zip(*table.values(), strict=True), start=2):
        row = dict(zip(columns, values))
        rejected = row.get("AssignmentStatus", "").lower() == "rejected" or row.get("Reject")
        if rejected and not row.get("Approve"):
            passed[_REJECTED] += 1
            continue
        shared: Line = {}
        for name, one in asked.items():
            if one.ours in ("annotator", "time", "consent"):
                put(shared, one, row[name])
        sent = forms(row[_FORM]) if row.get(_FORM) else []
        for place, (key, picture) in enumerate(sorted(pictures.items())):
            line = {**shared, "id": row[picture]}
            for name, one in asked.items():
                if one.ours != "id" and one.ours not in shared and one.number in ("", key):
                    put(line, one, row[name])
            form = sent[place] if len(sent) == len(pictures) else sent[0] if sent else {}
            for name, answer in form.items():
                field = fields[name]
                if field and field.number in ("", key):
                    put(line, field, answer)
            yield f"line {number}", line
