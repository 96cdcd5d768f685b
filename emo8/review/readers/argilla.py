"""Records of Argilla, 2 and 1, as JSON, JSON lines or a table.

Responses that were submitted count; drafts and discarded ones are passed over, and suggestions are
a model's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from emo8.core.json_text import parse_json
from emo8.review.readers.base import Answers, Line, VoteFile, text
from emo8.review.readers.label_studio import picture_texts
from emo8.review.readers.questions import Question, put, questions

NAME = "argilla"
ABOUT = "records of Argilla"
_FLAT = ".responses"
_PASSED = "responses that were not submitted"


def recognises(file: VoteFile) -> bool:
    if file.records:
        first = file.records[0]
        return ("responses" in first and ("fields" in first or "suggestions" in first)) or any(
            name.endswith(_FLAT) for name in first
        )
    return any(name.endswith(_FLAT) for name in file.header)


Response = tuple[str, str, str, str]  # question, annotator, status, what was said


def read(file: VoteFile) -> Answers:
    """The submitted responses."""
    records = file.records or _rows(file.table or {})
    said: dict[str, list[str]] = {}
    for record in records:
        for name, _, _, answer in _responses(record):
            said.setdefault(name, []).append(answer)
    named = {theirs: Question(ours) for ours, theirs in file.columns.items() if theirs in said}
    asked = {**questions(said, file.words), **named}
    known = {name: one for name, one in asked.items() if one}
    passed: Counter[str] = Counter()
    return Answers(
        lines=_lines(file, records, known, passed),
        used={name: one.ours for name, one in known.items()},
        unused=[name for name, one in asked.items() if one is None],
        passed_over=passed,
    )


def _rows(table: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Lines of a flat table as records, lists read from their JSON."""
    return [
        {name: _value(value) for name, value in zip(table, values)}
        for values in zip(*table.values(), strict=True)
    ]


def _value(cell: str) -> Any:
    if cell[:1] not in ("[", "{"):
        return cell
    try:
        return parse_json(cell)
    except ValueError:
        return cell


def _responses(record: Mapping[str, Any]) -> Iterator[Response]:
    """Every response of a record, whichever way it was exported."""
    responses = record.get("responses")
    if isinstance(responses, Mapping):  # Argilla 2
        for name, given in responses.items():
            for one in given or []:
                yield name, text(one.get("user_id")), one.get("status") or "", text(one["value"])
    elif isinstance(responses, list):  # Argilla 1
        for one in responses:
            for name, value in (one.get("values") or {}).items():
                said = value.get("value") if isinstance(value, Mapping) else value
                yield name, text(one.get("user_id")), one.get("status") or "", text(said)
    for key, values in record.items():
        if key.endswith(_FLAT) and isinstance(values, list):
            users = record.get(f"{key}.users") or [""] * len(values)
            states = record.get(f"{key}.status") or [""] * len(values)
            for value, user, state in zip(values, users, states, strict=False):
                yield key[: -len(_FLAT)], text(user), text(state), text(value)


def _lines(
    file: VoteFile, records: list[dict[str, Any]], asked: dict[str, Question], passed: Counter[str]
) -> Iterator[tuple[str, Line]]:
    for number, record in enumerate(records, start=1):
        lines: dict[str, Line] = {}
        picture = _picture(file, record)
        for name, who, status, answer in _responses(record):
            if status and status.rpartition(".")[2] != "submitted":
                passed[_PASSED] += 1
                continue
            one = asked.get(name)
            if one is None or not answer:
                continue
            line = lines.setdefault(who, {"id": picture, "annotator": who or file.annotator})
            line.setdefault("time", text(record.get("updated_at") or ""))
            put(line, one, answer)
        for line in lines.values():
            yield f"record {record.get('id', number)}", line


def _picture(file: VoteFile, record: Mapping[str, Any]) -> str:
    """The picture of a record: its id or external id, metadata, or a field."""
    plain = {
        name: value for name, value in record.items()
        if isinstance(value, str) and name not in ("status", "_server_id")
    }  # fmt: skip
    inner = [record.get(name) for name in ("metadata", "fields")]
    texts = picture_texts(file, plain)
    for one in inner:
        if isinstance(one, Mapping):
            texts += picture_texts(file, one)
    return file.pictures.first_known(texts)
