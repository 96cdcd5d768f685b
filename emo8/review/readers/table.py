"""Any table: CSV, TSV, Excel, parquet, JSON lines. One answer per line, columns known by name.

`--columns id=Input.image_url,emotion=Answer.emotion` names columns that are called otherwise.
Columns named like emotions hold ticks (yes, 1, TRUE) or, where any holds more, how strong each is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from emo8.core import label_set
from emo8.core.errors import Emo8Error
from emo8.review.columns import RATED, map_columns
from emo8.review.readers.base import Answers, Line, VoteFile, lines_of
from emo8.review.words import NO, YES, is_yes

NAME = "table"
ABOUT = "a table with one answer per line"
RANK = -10  # asked last
_SAYS = ("emotion", "style_vote", "reject", "polarity", *RATED)


def recognises(file: VoteFile) -> bool:
    return file.table is not None


def read(file: VoteFile) -> Answers:
    """The answers of a table; Emo8Error names the columns it lacks."""
    table = file.table
    if table is None:
        raise file.unreadable("it is no table")
    return read_columns(file, table, start=1 if file.is_lines else 2)


def read_columns(file: VoteFile, table: dict[str, list[str]], *, start: int) -> Answers:
    """The answers of columns of texts; `start` is the number of the first line."""
    mapping = map_columns(tuple(table), file.columns, f"vote file {file.path}")
    _check(file, mapping, tuple(table))
    used = {theirs: ours for ours, theirs in mapping.items()}
    ours = {name: table[theirs] for name, theirs in mapping.items()}
    return Answers(
        lines=_lines(file, ours, start),
        used=used,
        unused=[name for name in table if name not in used],
        asks="answer" in mapping,
    )


def _lines(file: VoteFile, columns: dict[str, list[str]], start: int) -> Iterator[tuple[str, Line]]:
    boxes = [name for name in label_set.emotions() if name in columns]
    ticked = all(is_tick_box(columns[name]) for name in boxes)
    for number, line in enumerate(lines_of(columns), start=start):
        if "annotator" not in line:
            line["annotator"] = file.annotator
        for name in boxes:
            value = line.pop(name)
            if ticked:
                if is_yes(value):
                    line["emotion"] = add_word(line.get("emotion", ""), name)
            elif value:
                line[f"intensity:{name}"] = value
        yield f"line {number}", line


def is_tick_box(values: Iterable[str]) -> bool:
    """Whether a column holds ticks, and no numbers on a scale."""
    return {value.lower() for value in values} <= YES | NO | {""}


def add_word(words: str, word: str) -> str:
    """The ticks of one answer as a JSON list, with one more."""
    return json.dumps([*(json.loads(words) if words else []), word])


def _check(file: VoteFile, mapping: dict[str, str], header: tuple[str, ...]) -> None:
    """Emo8Error where a table lacks the picture, the annotator, or whatever was said."""
    missing = [name for name in ("id", "annotator") if name not in mapping]
    if file.annotator and "annotator" in missing:
        missing.remove("annotator")
    if not any(name in mapping for name in (*_SAYS, *label_set.emotions())):
        missing.append("emotion")
    if not missing:
        return
    hints = []
    for name in missing:
        near = get_close_matches(name, [key.lower() for key in header], n=1)
        hints.append(f"{name!r}" + (f" (is {near[0]!r} meant?)" if near else ""))
    advice = f"; --columns {missing[0]}=THEIRS says which it is"
    advice += "; --annotator NAME stands in for that column" if "annotator" in missing else ""
    raise Emo8Error(
        f"vote file {file.path} has no column {', '.join(hints)}; "
        f"it has {', '.join(header)}{advice}"
    )
