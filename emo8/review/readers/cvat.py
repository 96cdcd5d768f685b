"""CVAT for images 1.1: an XML file, or the zip around it, whose images carry tags.

A tag's label is the emotion, or its attributes answer questions (`emotion`, `valence`, tick boxes
named like emotions). Tags that a model set (`source="auto"`) are passed over. The file does not
say who set a tag: an attribute `annotator`, `--annotator`, or else the job's assignee does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from emo8.core import label_set
from emo8.review.columns import our_column
from emo8.review.readers.base import Answers, Line, VoteFile
from emo8.review.readers.questions import Question, put
from emo8.review.readers.table import add_word, is_tick_box
from emo8.review.words import is_yes

NAME = "cvat"
ABOUT = "an export of CVAT (for images 1.1)"
_MACHINE = ("auto", "semi-auto")
_UNDEFINED = "__undefined__"  # an attribute that nobody set
_TICK = "a tick of its own name"


def recognises(file: VoteFile) -> bool:
    return file.head[:1] == "<" and b"<annotations>" in file.content[:100_000]


def read(file: VoteFile) -> Answers:
    """The tags of all images."""
    from defusedxml import DefusedXmlException, ElementTree

    try:
        root = ElementTree.fromstring(file.content)
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise file.unreadable(error) from None
    tags = [tag for image in root.iter("image") for tag in image.iter("tag")]
    names = dict.fromkeys(a.get("name", "") for tag in tags for a in tag.iter("attribute"))
    used = {name: ours for name in names if (ours := _column(file, name))}
    for name in _ticked(file, tags):
        used[name] = _TICK
    passed: Counter[str] = Counter()
    return Answers(
        lines=_lines(file, root, used, passed),
        used={"tag": "emotion", **used},
        unused=[name for name in names if name not in used],
        passed_over=passed,
    )


def _ticked(file: VoteFile, tags: list[Any]) -> list[str]:
    """The attributes that are tick boxes named like emotions: all of them, or none."""
    said: dict[str, list[str]] = {}
    for tag in tags:
        for one in tag.iter("attribute"):
            name, value = one.get("name", ""), (one.text or "").strip()
            if file.words.knows(name) and value != _UNDEFINED:
                said.setdefault(name, []).append(value)
    return list(said) if all(map(is_tick_box, said.values())) else []


def _column(file: VoteFile, name: str) -> str:
    """What an attribute says, by the user's word or its name."""
    asked = {theirs: ours for ours, theirs in file.columns.items()}
    return asked.get(name) or our_column(name) or ("emotion" if file.words.knows(name) else "")


def _lines(
    file: VoteFile, root: Any, used: dict[str, str], passed: Counter[str]
) -> Iterator[tuple[str, Line]]:
    assignee = root.findtext(".//meta//assignee/username") or root.findtext(".//meta//assignee")
    fallback = file.annotator or (assignee or "").strip()
    for image in root.iter("image"):
        shapes = [shape for shape in image if shape.tag not in ("tag", "attribute")]
        passed["shapes (only image tags are votes)"] += len(shapes)
        picture = image.get("name", "")
        lines: dict[str, Line] = {}
        for tag in image.iter("tag"):
            if tag.get("source", "manual") in _MACHINE:
                passed["tags that a model set"] += 1
                continue
            said = {a.get("name", ""): (a.text or "").strip() for a in tag.iter("attribute")}
            who = next((said[n] for n in said if used.get(n) == "annotator"), "") or fallback
            line = lines.setdefault(who, {"id": picture, "annotator": who})
            _add_tag(file, line, tag.get("label", ""), said, used)
        for line in lines.values():
            yield f"image {picture!r}", line


def _add_tag(
    file: VoteFile, line: Line, label: str, said: dict[str, str], used: dict[str, str]
) -> None:
    """What one tag and its attributes say, added to the annotator's line."""
    emotion = label if file.words.knows(label) else ""
    for name, value in said.items():
        ours = used.get(name, "")
        if not ours or ours == "annotator" or value == _UNDEFINED:
            continue
        if ours == _TICK:
            if is_yes(value):
                line["emotion"] = add_word(line.get("emotion", ""), name)
        elif ours == "intensity" and emotion:
            line[f"intensity:{file.words.meaning(emotion).emotion}"] = value
        elif ours == "emotion":
            line["emotion"] = add_word(line.get("emotion", ""), value)
        else:
            put(
                line, Question(f"intensity:{ours}" if ours in label_set.emotions() else ours), value
            )
    if emotion or not any(used.get(name) for name in said):
        line["emotion"] = add_word(line.get("emotion", ""), label)
