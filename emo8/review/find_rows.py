"""Which row of a build another tool's file means: by id, path, file name, address or upload name.

Tools rename what they are given: Label Studio shows `/data/upload/3/1a2b3c4d-my_cat.jpg` or
`/data/local-files/?d=cats/my%20cat.jpg`. A name counts only if it fits one row.
"""

from __future__ import annotations

import posixpath
import re
import string
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from emo8.core.errors import BuildError
from emo8.engine.files import read_columns
from emo8.engine.steps import ROWS
from emo8.web import links
from emo8.web.outcome import FetchFailed

_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
_PICTURE = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic|jxl)\b", re.IGNORECASE)
_SHOWN = 5  # candidates listed
_MANY = 5000  # names among which the nearest is looked for,
_HINTS = 50  # for so many texts


@dataclass(frozen=True)
class Match:
    """The row that a text names, or why it names none."""

    id: str | None
    problem: str = ""


@dataclass
class PictureIndex:
    """The pictures of a build under every name they go by."""

    by_id: set[str]
    places: list[tuple[str, str]]  # (id, path inside the source), once each
    addresses: dict[str, str]  # normal form -> id; "" where several rows have it
    _by_name: dict[str, list[int]] = field(default_factory=dict)
    _by_safe_name: dict[str, list[int]] = field(default_factory=dict)
    _known: dict[str, Match] = field(default_factory=dict)
    _hints: int = 0

    def __post_init__(self) -> None:
        names, safe = defaultdict(list), defaultdict(list)
        for number, (_, path) in enumerate(self.places):
            name = posixpath.basename(path)
            for key in {name, posixpath.splitext(name)[0]}:
                names[key].append(number)
                safe[_safe(key)].append(number)
        self._by_name, self._by_safe_name = dict(names), dict(safe)

    def find(self, text: str) -> Match:
        """The row that `text` names; a Match without id says what is wrong with it."""
        if text not in self._known:
            self._known[text] = self._look_up(text)
        return self._known[text]

    def knows(self, text: str) -> bool:
        return self.find(text).id is not None

    def first_known(self, texts: Iterable[str]) -> str:
        """The first text that names a row, else the first that looks like a picture, else ""."""
        named = [text for text in texts if text]
        for text in named:
            if self.knows(text):
                return text
        return next((text for text in named if looks_like_picture(text)), "")

    def _look_up(self, text: str) -> Match:
        if not text:
            return Match(None, "no picture; which row is meant?")
        if text.lower() in self.by_id:
            return Match(text.lower())
        if found := self.addresses.get(address_key(text)):
            return Match(found)
        path = _path_in(text)
        for name in _names(path):  # as `emo8 review --export` names pictures
            if (stem := posixpath.splitext(posixpath.basename(name))[0]) in self.by_id:
                return Match(stem)
        for index, key in ((self._by_name, path), (self._by_safe_name, _safe(path))):
            for name in _names(key):
                if numbers := index.get(posixpath.basename(name)):
                    return self._closest(text, path, numbers)
        return Match(None, f"no row has the id {text!r}{self._hint(path)}")

    def _closest(self, text: str, path: str, found: list[int]) -> Match:
        """The only row, or the only one whose folders agree furthest with `path`."""
        folders = path.strip("/").split("/")
        agreeing = [_common_end(folders, self.places[n][1].split("/")) for n in found]
        best = [n for n, agree in zip(found, agreeing) if agree == max(agreeing)]
        ids = {self.places[n][0] for n in best}
        if len(ids) == 1:
            return Match(ids.pop())
        shown = ", ".join(sorted(self.places[n][1] for n in best)[:_SHOWN])
        more = f" and {len(best) - _SHOWN} more" if len(best) > _SHOWN else ""
        return Match(None, f"{text!r} fits {len(ids)} rows: {shown}{more}; give the path or the id")

    def _hint(self, path: str) -> str:
        self._hints += 1
        if len(self.by_id) < _MANY and self._hints <= _HINTS:
            name = posixpath.basename(path)
            near = get_close_matches(name, [*self.by_id, *self._by_name], n=1, cutoff=0.8)
            if near:
                return f"; did you mean {near[0]}?"
        return ", path or address; ids are the `id` column of the dataset"


def looks_like_picture(text: str) -> bool:
    """Whether a text is probably a picture's name or address."""
    return bool(_PICTURE.search(text)) or bool(re.fullmatch(r"[0-9a-f]{64}", text))


def pictures_of(build: Path) -> PictureIndex:
    """The index over all rows of a build; BuildError where there are none yet."""
    by_id: set[str] = set()
    places: dict[tuple[str, str], None] = {}
    addresses: dict[str, str] = {}
    for file in sorted((build / ROWS).glob("part-*.parquet")):
        part = read_columns(file, ["id", "source", "source_path", "source_url"])
        columns = [
            part[name].to_pylist() if name in part.column_names else [None] * len(part)
            for name in ("id", "source_path", "source_url")
        ]
        for key, path, url in zip(*columns):
            if key is None:
                continue
            by_id.add(key)
            if path and not address_key(path):
                places[key, path.replace("\\", "/")] = None
            for link in {path, url} - {None}:
                if normal := address_key(link):
                    addresses[normal] = key if addresses.get(normal, key) == key else ""
                    places[key, _path_in(link)] = None
    if not by_id:
        raise BuildError(f"{build} holds no rows: finish `emo8 build` first")
    return PictureIndex(by_id, list(places), addresses)


def address_key(text: str) -> str:
    """One spelling for all spellings of an address that fetch the same; "" for no address."""
    if "://" not in text[:12]:
        return ""
    try:
        target = links.parse(text)
    except FetchFailed:
        return ""
    path, mark, query = target.path.partition("?")
    return f"{target.origin}{_plain_path(path)}{mark if query else ''}{_plain(query)}"


def _plain_path(path: str) -> str:
    """A path without `.` and `..`, as browsers send it."""
    plain = _plain(path)
    if "/." not in plain:
        return plain
    return posixpath.normpath(plain) + ("/" if plain.endswith(("/", "/.", "/..")) else "")


def _plain(text: str) -> str:
    """Percent signs in capitals, and none before characters that need none (RFC 3986, 6.2.2)."""

    def one(found: re.Match[str]) -> str:
        character = chr(int(found[1], 16))
        return character if character in _UNRESERVED else found[0].upper()

    return re.sub(r"%([0-9A-Fa-f]{2})", one, text)


def _path_in(text: str) -> str:
    """The path that a text holds, whatever serves it: an address, a storage, a tool's folder."""
    if "/data/local-files/" in text or re.match(r"local-files/\?", text):
        inner = parse_qs(urlsplit(text).query).get("d")
        if inner:
            return inner[0].replace("\\", "/")
    if "://" in text[:12]:
        return unquote(urlsplit(text).path)
    return text.replace("\\", "/")


def _names(path: str) -> Iterable[str]:
    """The path, decoded if it was encoded, and without the prefix of an upload."""
    for one in dict.fromkeys((path, unquote(path))):
        yield one
        folder, name = posixpath.split(one)
        if found := _UPLOADED.match(name):
            yield posixpath.join(folder, name[found.end() :])


def _safe(name: str) -> str:
    """A name as upload forms make it safe: other characters than letters, digits and .-_ go."""
    return re.sub(r"[^\w./-]", "", re.sub(r"\s+", "_", unquote(name)))


def _common_end(one: list[str], other: list[str]) -> int:
    """How many parts two paths share at their ends, without the file name."""
    count = 0
    for a, b in zip(reversed(one[:-1]), reversed(other[:-1])):
        if a != b:
            break
        count += 1
    return count
