"""doccano's JSON lines of an image project: a picture and its labels on each line.

doccano writes one file per annotator, named after them, into a zip: unpack it and say who it is
with `--annotator`, unless each line says `annotator` or `user`.
"""

from __future__ import annotations

from collections.abc import Iterator

from emo8.review.readers.base import Answers, Line, VoteFile, text
from emo8.review.readers.label_studio import picture_texts

NAME = "doccano"
ABOUT = "JSON lines of doccano"
_LABELS = ("label", "labels", "cats", "categories")
_WHO = ("annotator", "user", "username")


def recognises(file: VoteFile) -> bool:
    if not file.records:
        return False
    first = file.records[0]
    labels = any(isinstance(first.get(name), list) for name in _LABELS)
    return labels and ("Comments" in first or "comments" in first or "filename" in first)


def read(file: VoteFile) -> Answers:
    """The labels of every line."""
    names = dict.fromkeys(name for record in file.records for name in record)
    used = {name: "emotion" for name in names if name in _LABELS}
    used |= {name: "annotator" for name in names if name in _WHO}
    return Answers(
        lines=_lines(file), used=used, unused=[name for name in names if name not in used]
    )


def _lines(file: VoteFile) -> Iterator[tuple[str, Line]]:
    for number, record in enumerate(file.records, start=1):
        said = [word for name in _LABELS for word in record.get(name) or []]
        rest = {name: value for name, value in record.items() if name not in _LABELS}
        who = next((text(record[name]) for name in _WHO if record.get(name)), file.annotator)
        where = f"line {number}" if file.is_lines else f"object {number}"
        yield (
            where,
            {
                "id": file.pictures.first_known(picture_texts(file, rest)),
                "annotator": who,
                "emotion": text(said) if said else "",
            },
        )
