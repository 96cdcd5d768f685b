"""VGG Image Annotator: CSV, annotations as JSON, and the whole project as JSON (VIA 2), and VIA 3.

File attributes hold the answers: a radio button or drop-down is a text, check boxes are
`{"awe": true}`. VIA does not know who annotates: an attribute `annotator` or `--annotator` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from emo8.core.json_text import parse_json
from emo8.review.readers.base import Answers, Line, VoteFile, text
from emo8.review.readers.questions import Question, put, questions
from emo8.review.words import is_yes

NAME = "via"
ABOUT = "annotations of the VGG Image Annotator"
Entry = tuple[str, str, dict[str, str]]  # place, file name, attributes


def recognises(file: VoteFile) -> bool:
    if {"file_attributes", "region_count"} <= set(file.header):
        return True
    value = file.json
    if not isinstance(value, dict):
        return False
    if "_via_img_metadata" in value or {"file", "metadata", "attribute"} <= set(value):
        return True
    first = next(iter(value.values()), None)
    return isinstance(first, dict) and {"filename", "file_attributes"} <= set(first)


def read(file: VoteFile) -> Answers:
    """The attributes of all files; regions are passed over."""
    passed: Counter[str] = Counter()
    entries = list(_entries(file, passed))
    said: dict[str, list[str]] = {}
    for _, _, attributes in entries:
        for name, answer in attributes.items():
            said.setdefault(name, []).append(answer)
    named = {theirs: Question(ours) for ours, theirs in file.columns.items() if theirs in said}
    asked = {**questions(said, file.words), **named}
    known = {name: one for name, one in asked.items() if one}
    return Answers(
        lines=_lines(file, entries, known),
        used={name: one.ours for name, one in known.items()},
        unused=[name for name, one in asked.items() if one is None],
        passed_over=passed,
    )


def _lines(
    file: VoteFile, entries: list[Entry], asked: dict[str, Question]
) -> Iterator[tuple[str, Line]]:
    for place, name, attributes in entries:
        line: Line = {"id": name}
        for key, answer in attributes.items():
            if key in asked:
                put(line, asked[key], answer)
        line["annotator"] = line.get("annotator") or file.annotator
        yield place, line


def _entries(file: VoteFile, passed: Counter[str]) -> Iterator[Entry]:
    value = file.json
    if value is None:
        yield from _from_csv(file.table or {}, passed)
    elif "metadata" in value and "attribute" in value:
        yield from _from_via_3(value, passed)
    else:
        files = value.get("_via_img_metadata", value)
        for entry in files.values():
            passed["regions (only files are votes)"] += len(entry.get("regions") or [])
            name = entry["filename"]
            yield f"file {name!r}", name, _said(entry.get("file_attributes") or {})


def _from_csv(table: dict[str, list[str]], passed: Counter[str]) -> Iterator[Entry]:
    """One line per region, the file's attributes on each."""
    seen = set()
    lines = zip(table["filename"], table["file_attributes"], table["region_count"])
    for number, (name, attributes, regions) in enumerate(lines, start=2):
        passed["regions (only files are votes)"] += regions not in ("", "0")
        if name not in seen:
            seen.add(name)
            yield f"line {number}", name, _said(parse_json(attributes or "{}"))


def _said(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in attributes.items()}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        ticked = [word for word, tick in value.items() if tick is True or is_yes(str(tick))]
        return text(ticked) if ticked else ""
    return text(value)


def _from_via_3(value: Mapping[str, Any], passed: Counter[str]) -> Iterator[Entry]:
    """VIA 3 numbers its attributes, options, files and views."""
    for entry in value["metadata"].values():
        view = (value.get("view") or {}).get(str(entry["vid"]), {})
        fids = view.get("fid_list") or [entry["vid"]]
        name = value["file"][str(fids[0])]["fname"]
        if entry.get("xy"):
            passed["regions (only files are votes)"] += 1
            continue
        attributes = {}
        for number, chosen in (entry.get("av") or {}).items():
            attribute = value["attribute"][number]
            options = attribute.get("options") or {}
            words = [options.get(one, one) for one in str(chosen).split(",") if one]
            attributes[attribute["aname"]] = text(words if len(words) > 1 else "".join(words))
        yield f"file {name!r}", name, attributes
