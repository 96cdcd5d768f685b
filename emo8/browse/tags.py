"""What curators did in the App, as votes: tags and edited labels, read from FiftyOne.

A tag says one thing about a picture, and may name who says it:

    emotion:awe   emotion:awe@ann    this emotion
    emotion:yes   emotion:no         whether the label shown is right
    style:cartoon                    this style
    reject:blurry  reject            the picture should leave, for that reason

The App tags samples and labels. On a picture's `emotion` or `style` label such a tag counts as on
the picture; any other tag there, and a tag of ours on another label (a box, what CLIP says), is
named as passed over. Other tags of samples are nobody's vote and are left alone. FiftyOne does not
know who sits before it: `--annotator` names who made the tags without a name, and the edits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from emo8.browse import database
from emo8.browse.fields import LABELS
from emo8.browse.fill import EDITABLE, is_edited
from emo8.browse.rows import dataset_name
from emo8.core import label_set
from emo8.core.errors import BrowseError
from emo8.core.suggest import nearest
from emo8.engine import build_folder
from emo8.review import parse, vote_files
from emo8.review.annotators import salt_of
from emo8.review.find_rows import pictures_of
from emo8.review.parse import ReadVotes
from emo8.review.readers.base import Line
from emo8.review.vocabularies import meanings
from emo8.review.words import Words

KINDS = ("emotion", "style", "reject")
_ANSWERS = ("yes", "no")


@dataclass(frozen=True, kw_only=True)
class Found:
    """Votes that FiftyOne holds and the build does not."""

    ballots: ReadVotes
    num_known: int  # tags and edits that were imported before
    passed_over: list[str]  # tags that look like votes and are none


def read(build: Path, *, annotator: str = "") -> Found:
    """The news in FiftyOne's samples of a build; Emo8Error names every tag with a mistake."""
    resolved = build_folder.require_build(build)
    name = dataset_name(resolved["recipe"]["name"], build)
    fiftyone = database.connect()
    if not fiftyone.dataset_exists(name):
        raise BrowseError(f"nothing to import: {build} was not opened yet with `emo8 browse`")
    dataset = fiftyone.load_dataset(name)
    lines, strange = [], set()
    for sample in _touched(dataset):
        lines += list(_lines(sample, annotator))
        strange |= _passed_over(sample)
    unique = list({repr(sorted(line.items())): (place, line) for place, line in lines}.values())
    config = vote_files.votes_config(build)
    rules = parse.Rules(
        where=f"FiftyOne's dataset {name}",
        pictures=pictures_of(build),
        words=Words(meanings(config.vocabularies, config.words, label_set.current())),
        salt=salt_of(build),
    )
    found = parse.parse(unique, rules, batch="")
    fresh = vote_files.news(build, found.votes)
    said = fresh.drop(columns=["batch", "time"]).astype(str).to_csv(index=False)
    batch = hashlib.sha256(said.encode()).hexdigest()[:12]
    return Found(
        ballots=ReadVotes(batch=batch, votes=fresh.assign(batch=batch)),
        num_known=len(found.votes) - len(fresh),
        passed_over=sorted(strange),
    )


def _touched(dataset: Any) -> Iterator[Any]:
    """Samples with a tag, a label with a tag, or a label that was edited."""
    from fiftyone import ViewField as F  # its documented name

    found = F("tags").length() > 0
    for name in EDITABLE:
        found |= (F(f"{name}.label") != None) & (F(f"{name}.label") != F(f"{name}.was"))  # noqa: E711
    touched = set(dataset.match(found).values("id"))
    used = [tag for tag, number in dataset.count_label_tags().items() if number]
    if used:
        touched |= set(dataset.match_labels(tags=used, fields=[*LABELS]).values("id"))
    yield from dataset.select(sorted(touched)).select_fields(
        ["tags", "row_id", "source_path", *LABELS]
    )


def _label_tags(sample: Any, name: str) -> list[str]:
    """The tags of a label, or of every label of a list."""
    label = sample[name]
    if label is None:
        return []
    many = getattr(label, "classifications", None) or getattr(label, "detections", None)
    return [tag for one in (many or [label]) for tag in getattr(one, "tags", None) or []]


def _votes(sample: Any) -> list[str]:
    """Every tag that may be a vote, once: the sample's own and those of its final labels."""
    tags = [*sample.tags, *(tag for name in EDITABLE for tag in _label_tags(sample, name))]
    return list(dict.fromkeys(tags))


def _passed_over(sample: Any) -> set[str]:
    """Tags that were probably meant as votes and are none, with the label that carries them."""
    found = {tag for tag in sample.tags if _looks_like_vote(tag)}
    counted = {tag for tag in _votes(sample) if _kind(tag)[0] in KINDS}
    for name in LABELS:
        said = set(_label_tags(sample, name)) - counted
        if name not in EDITABLE:
            said = {tag for tag in said if _kind(tag)[0] in KINDS or _looks_like_vote(tag)}
        found |= {f"{tag} (on the label {name})" for tag in said}
    return found


def _lines(sample: Any, annotator: str) -> Iterator[tuple[str, Line]]:
    """One line of a ballot per tag and edit, with its place for messages."""
    where = sample.source_path or sample.row_id or sample.id
    base = {"id": sample.row_id or "", "annotator": annotator, "time": _time(sample)}
    for tag in _votes(sample):
        kind, name, who = _kind(tag)
        if kind not in KINDS:
            continue
        line = {**base, "annotator": who or annotator}
        yield f"tag {tag!r} of {where}", {**line, **_said(kind, name, sample)}
    for kind in EDITABLE:
        label = sample[kind]
        if label is not None and label.label is not None and is_edited(label):
            column = {"emotion": {"emotion": label.label, "kind": "choice"}}
            said = column.get(kind, {"style_vote": label.label, "kind": "style"})
            yield f"edited {kind} of {where}", {**base, **said}


def _kind(tag: str) -> tuple[str, str, str]:
    """Kind, name and annotator of a tag `kind:name@annotator` or `reject@annotator`."""
    kind, _, rest = tag.strip().partition(":")
    name, _, who = rest.partition("@")
    if kind.lower().partition("@")[0] == "reject" and not rest:
        kind, _, who = kind.partition("@")
    return kind.lower(), name.strip(), who.strip()


def _said(kind: str, name: str, sample: Any) -> dict[str, str]:
    """The columns of a ballot that a tag fills."""
    if kind == "reject":
        return {"reject": "yes", "reason": name}
    if kind == "style":
        return {"style_vote": name, "kind": "style"}
    if name.lower() in _ANSWERS:
        shown = getattr(sample.emotion, "was", None) if sample.emotion is not None else None
        return {"emotion": shown or "", "answer": name.lower(), "kind": "yes_no"}
    return {"emotion": name, "kind": "choice"}


def _time(sample: Any) -> str:
    """When the sample was last changed: the nearest to the time of its tags that is known."""
    changed: datetime = sample.last_modified_at
    return changed.isoformat()


def _looks_like_vote(tag: str) -> bool:
    """Whether a tag was probably meant as a vote and is none: `emotoin:awe`."""
    kind, colon, _ = tag.strip().partition(":")
    kind = kind.lower()
    return bool(colon) and kind not in KINDS and bool(nearest(kind, KINDS))
