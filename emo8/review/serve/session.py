"""What people at the page are shown and what they may say; nothing here knows of HTTP."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from emo8.core import label_set
from emo8.core.errors import Emo8Error
from emo8.engine.files import read_columns
from emo8.engine.small_pictures import shrunk
from emo8.engine.steps import ROWS, part_path
from emo8.engine.verdict_table import VERDICTS
from emo8.review import queue, sheets, votes
from emo8.review.annotators import pseudonym, salt_of
from emo8.review.journal import Journal, answer
from emo8.review.words import parse_scale

QUESTIONS = ("emotion", "valence", "arousal", "dominance")
SCALE = parse_scale("1-9")  # nine keys; the scale of the Self-Assessment Manikin
REASONS = ("broken or unreadable", "advertising or watermark", "not a picture", "private or unsafe")
_MAX_SIDE_PX = 1600
_MAX_NAME = 80
_MAX_REASON = 500
_KEPT_PICTURES = 16


@dataclass(frozen=True)
class Session:
    """One server's view of a build; safe for several people at once."""

    build: Path
    journal: Journal
    asks: tuple[str, ...] = ("emotion",)
    order: list[str] = field(default_factory=list)  # ids, best first, for whom nothing is assigned
    places: dict[str, tuple[int, int]] = field(default_factory=dict)  # id -> part and row

    @classmethod
    def open(cls, build: Path, asks: tuple[str, ...] = ("emotion",)) -> Session:
        """The session of a finished build; Emo8Error for questions nobody knows."""
        for name in asks:
            if name not in QUESTIONS:
                raise Emo8Error(f"--ask {name!r}: use {', '.join(QUESTIONS)}")
        rows = sheets.claims_table(build)
        table = pq.read_table(build / VERDICTS, columns=["id", "part", "row"]).to_pydict()
        kept = set(rows["id"])
        places = {
            key: (part, row)
            for key, part, row in zip(table["id"], table["part"], table["row"])
            if key in kept
        }
        order = queue.by_value(rows)["id"].tolist()
        return cls(build, Journal(build), asks, order, places)

    def who(self, name: str) -> str:
        """The pseudonym of whoever types `name`; ValueError for no name."""
        plain = name.strip()
        if not plain or len(plain) > _MAX_NAME:
            raise ValueError("say who you are")
        return pseudonym(plain, salt_of(self.build))

    def state(self, name: str) -> dict[str, Any]:
        """What the page needs to know when somebody sits down: the pictures still to look at."""
        annotator = self.who(name)
        cast = votes.counted(votes.read_votes(self.build))
        done = set(cast.loc[cast["annotator"].eq(annotator), "id"])
        asked = queue.assignments(self.build)
        own = asked[asked["annotator"].eq(name.strip())].sort_values("place")["id"].tolist()
        rows = [key for key in (own or self.order) if key in self.places]
        return {
            "emotions": [
                {"name": e, "color": label_set.current().emotion_colors[e]}
                for e in label_set.emotions()
            ],
            "asks": list(self.asks),
            "reasons": list(REASONS),
            "assigned": bool(own),
            "done": sum(key in done for key in rows),
            "total": len(rows),
            "rows": [key for key in rows if key not in done],
        }

    def record(self, said: dict[str, Any]) -> None:
        """Write an answer down; ValueError for one that nobody could have given."""
        row = said.get("id")
        if row not in self.places:
            raise ValueError(f"no kept row has the id {row!r}")
        consent = True if said.get("consent") is True else None
        found = [_vote(vote) for vote in said.get("votes") or []]
        self.journal.append(answer(str(row), self.who(str(said.get("who", ""))), consent, found))

    def picture(self, row: str) -> bytes:
        """A picture as a JPEG that every browser shows; KeyError for none, or none that decodes."""
        data = _jpeg(self.build, *self.places[row])
        if data is None:
            raise KeyError(row)
        return data


def _vote(said: dict[str, Any]) -> dict[str, Any]:
    """One vote of an answer, checked; ValueError otherwise."""
    kind = said.get("kind")
    if kind in ("choice", "select"):
        if said.get("emotion") not in label_set.emotions():
            raise ValueError(f"unknown emotion {said.get('emotion')!r}")
        return {"kind": kind, "emotion": said["emotion"]}
    if kind in ("none", "neutral", "cannot_tell"):
        return {"kind": kind}
    if kind in QUESTIONS[1:]:
        return {
            "kind": kind,
            "value": SCALE.unit(kind, str(said.get("value"))),
            "scale": str(SCALE),
        }
    if kind == "reject":
        return {"kind": kind, "reason": str(said.get("reason") or "")[:_MAX_REASON] or None}
    raise ValueError(f"unknown kind {kind!r}")


@functools.lru_cache(maxsize=_KEPT_PICTURES)
def _jpeg(build: Path, part: int, row: int) -> bytes | None:
    return shrunk(_part(build, part)[row]["bytes"].as_py(), _MAX_SIDE_PX, quality=90)


@functools.lru_cache(maxsize=2)
def _part(build: Path, part: int) -> Any:
    return read_columns(part_path(build, ROWS, part), ["image"]).column("image")
