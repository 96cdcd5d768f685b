"""What every source shares: candidates, chunks, claims, and reading one file safely."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import re
import stat
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any

from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.core.suggest import suggest
from emo8.dataset.splits import SPLITS

# Our names for what a table can say about a picture; `columns` maps them to the table's names.
CLAIM_COLUMNS = (
    "caption", "style", "emotion", "license", "attribution", "url", "people", "split",
)  # fmt: skip
TABLE_COLUMNS = ("image", *CLAIM_COLUMNS)
_SPLIT_ALIASES = {"training": "train", "validation": "val", "valid": "val", "dev": "val",
                  "testing": "test"}  # fmt: skip


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
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One input: its bytes, or the reason why there are none."""

    source_path: str
    data: bytes | None = None
    reason: str | None = None
    value: float | None = None
    detail: str | None = None  # the cause in words, where there is more than the reason
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
    for name, mapping in (("style", source.styles), ("emotion", source.emotions)):
        word = values[name]
        values[name] = (mapping.get(word) or word) if word is not None else None
    values["split"] = _split(values["split"]) if source.keep_splits else None
    values["license"] = values["license"] or source.license or None
    values["attribution"] = values["attribution"] or source.attribution or None
    return Claims(**values, people=_people(record.get("people")))


def _text(value: Any) -> str | None:
    """`value` as text; None for null, NaN and blanks."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value).strip() or None


def _split(word: str | None) -> str | None:
    """The split that `word` spells; None for anything else, which is then drawn like the rest."""
    try:
        return None if word is None else parse_split(word)
    except ValueError:
        return None


def parse_split(name: str) -> str:
    """train, val or test as `name` spells it ("validation", "dev"); ValueError otherwise."""
    key = name.strip().lower()
    key = _SPLIT_ALIASES.get(key, key)
    if key not in SPLITS:
        raise ValueError(f"unknown split {name!r}. Known: {', '.join(SPLITS)}.")
    return key


def stem_split(path: Path) -> str | None:
    """The split that a file's name begins with: `train.json`, `val-00000-of-00002.parquet`."""
    return _split(re.split(r"[-_.]", path.name)[0])


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
            raise SourceError(
                f"source {source.name!r}: columns has the unknown key {name!r}; "
                f"{suggest(name, known)}"
            )


def check_no_column(source: SourceConfig, option: str, known: tuple[str, ...]) -> None:
    """Raise SourceError when `style_from` or `emotion_from` names a column of a pathless source."""
    value = getattr(source, option)
    if value and value not in known:
        words = " or ".join(f'"{word}"' for word in known)
        raise SourceError(
            f"source {source.name!r}: {option} = {value!r}, but kind = {source.kind!r} knows only "
            f"{words}; put a column into a sidecar or a table instead"
        )


def listed_files(source: SourceConfig, recipe_dir: Path) -> list[Path]:
    """The files a source's path names, sorted; SourceError where there is none."""
    pattern = recipe_dir / source.path
    paths = [Path(path) for path in sorted(glob(str(pattern), recursive=True))]
    if not paths:
        raise SourceError(f"source {source.name!r}: no file matches {pattern}; check `path`")
    return paths


def common_root(source: SourceConfig, recipe_dir: Path) -> Path:
    """The folder in front of the first wildcard of a source's path."""
    fixed = (recipe_dir / re.split(r"[*?\[]", source.path)[0]).absolute()
    return fixed if fixed.is_dir() else fixed.parent


def no_style(source: SourceConfig) -> SourceError:
    """The error for a source that gives no style in any way."""
    return SourceError(
        f"source {source.name!r} ({source.path}) gives no style: set style to one of the five, "
        f'style_from = "folder" or a column, or style = "clip" to let CLIP decide'
    )
