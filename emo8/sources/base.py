"""What every source shares: candidates, chunks, claims, and reading one file safely."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import stat
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from emo8.config import SourceConfig
from emo8.errors import SourceError

# Our names for what a table can say about a picture; `columns` maps them to the table's names.
CLAIM_COLUMNS = ("caption", "style", "emotion", "license", "attribution", "url", "people")
TABLE_COLUMNS = ("image", *CLAIM_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a source says about one picture; None where it says nothing."""

    caption: str | None = None
    style: str | None = None
    emotion: str | None = None
    license: str | None = None
    attribution: str | None = None
    url: str | None = None
    people: list[dict[str, float]] | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One input: its bytes, or the reason why there are none."""

    source_path: str
    data: bytes | None = None
    reason: str | None = None
    value: float | None = None
    claims: Claims = field(default_factory=Claims)


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """At most `part_rows` inputs of one source: what `rows/part-N` is made from."""

    source: SourceConfig
    root: str  # absolute folder that the items are relative to
    items: tuple[Any, ...]  # JSON values that only the source's own reader understands
    num_inputs: int
    stamp: tuple[Any, ...]  # sizes and times of the files behind the items

    def fingerprint(self) -> str:
        """Hash of the source's options and of which files it read, when last changed."""
        content = [dataclasses.asdict(self.source), self.items, self.stamp]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def show_path(path: str) -> str:
    """`path` as text that any file can hold: undecodable bytes become backslash escapes."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def read_file(root: Path, relative: str, max_bytes: int, claims: Claims) -> Candidate:
    """The candidate for one file under `root`; a path that leads elsewhere is refused."""
    shown = show_path(relative)

    def left(reason: str, value: float | None = None) -> Candidate:
        return Candidate(source_path=shown, reason=reason, value=value, claims=claims)

    try:
        path = (root / relative).resolve()
        if not path.is_relative_to(root.resolve()):
            return left("refused_path")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return left("refused_path")
        if status.st_size > max_bytes:
            return left("too_many_bytes", status.st_size)
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        return left("missing_file")
    except (OSError, ValueError):
        return left("unreadable")
    return from_bytes(shown, data, max_bytes, claims)


def from_bytes(shown: str, data: bytes | None, max_bytes: int, claims: Claims) -> Candidate:
    """The candidate for bytes that a source already holds."""
    if data is None:
        return Candidate(source_path=shown, reason="no_image", claims=claims)
    if not data:
        return Candidate(source_path=shown, reason="empty", value=0, claims=claims)
    if len(data) > max_bytes:
        return Candidate(source_path=shown, reason="too_many_bytes", value=len(data), claims=claims)
    return Candidate(source_path=shown, data=data, claims=claims)


def claims_from(record: dict[str, Any], source: SourceConfig) -> Claims:
    """The claims in one table line, with the source's own defaults behind them."""
    values = {name: _text(record.get(name)) for name in CLAIM_COLUMNS if name != "people"}
    values["style"] = source.style if source.style not in ("", "clip") else values["style"]
    values["license"] = values["license"] or source.license or None
    values["attribution"] = values["attribution"] or source.attribution or None
    return Claims(**values, people=_people(record.get("people")))


def _text(value: Any) -> str | None:
    """`value` as text; None for null, NaN and blanks."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value).strip() or None


def _people(value: Any) -> list[dict[str, float]] | None:
    """Boxes as a list of x0, y0, x1, y1, score; None where the source did not look."""
    if value is None or value == "":
        return None
    if isinstance(value, str):  # CSV holds them as JSON
        value = json.loads(value)
    boxes = []
    for box in value:
        box = dict(box) if isinstance(box, dict) else dict(zip("x0 y0 x1 y1 score".split(), box))
        boxes.append({"score": 1.0, **{key: float(number) for key, number in box.items()}})
    return boxes


def check_columns(source: SourceConfig, known: tuple[str, ...]) -> None:
    """Raise SourceError when `columns` maps a name that means nothing to us."""
    for name in source.columns:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise SourceError(
                f"source {source.name!r}: columns has the unknown key {name!r}; {hint}"
            )


def no_style(source: SourceConfig) -> SourceError:
    """The error for a source that gives no style in any way."""
    return SourceError(
        f"source {source.name!r} ({source.path}) gives no style: set style to one of the five, "
        f'style_from = "folder" or a column, or style = "clip" to let CLIP decide'
    )
