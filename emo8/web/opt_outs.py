"""What sites write about uses of their pictures, read as readers of robots files read it.

Texts begin with byte order marks, dates hold commas, groups address other robots. What says
something that cannot be understood counts as a no.
"""

from __future__ import annotations

import codecs
import email.utils
import functools
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from emo8.core.json_text import parse_json

# Byte order marks, the longer first: UTF-16's begins UTF-32's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_WITH_VALUE = {"max-snippet", "max-image-preview", "max-video-preview"}
# The date may begin with a day and a comma, or hold one between day and year.
_UNTIL = re.compile(
    r"unavailable_after\s*:\s*((?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s*)?"
    r"(?:[a-z]+ \d{1,2},\s*)?[^,;]*)"
)
_DATES = ("%b %d, %Y %H:%M:%S", "%b %d, %Y", "%d %b %Y", "%d-%b-%Y")  # besides mail's and ISO's
_NAME = re.compile(r"\*|[a-z_][a-z0-9_.-]*(/\S*)?", re.IGNORECASE)  # of a robot or a directive
_AGENT_LINE = re.compile(r"^(\s*user-?\s?agent\s*:\s*[a-z0-9_-]+)/[^\r\n]*", re.I | re.M)


def text_of(data: bytes) -> str | None:
    """A small text file as text without byte order mark; None for bytes that are no text.

    Bytes that are not UTF-8 become percent-encoded, as they stand in addresses.
    """
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))
    data = data.removeprefix(mark)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            return None
        text = re.sub(rb"[\x80-\xff]", lambda byte: b"%%%02X" % byte[0][0], data).decode("ascii")
    return None if "\0" in text else text


@functools.lru_cache(maxsize=256)
def robots(text: str) -> Any:
    """Protego's rules of a robots.txt; `User-agent: name/1.0` addresses `name`."""
    from protego import Protego

    return Protego.parse(_AGENT_LINE.sub(r"\1", text))


def product_token(user_agent: str) -> str:
    """The name by which robots.txt addresses a user agent: letters before the first slash."""
    found = re.match(r"[A-Za-z_-]+", user_agent)
    return re.match(r"[A-Za-z0-9_-]+", user_agent)[0] if found else "emo8"  # type: ignore[index]


def robots_tag(value: str, tokens: Iterable[str], now: datetime | None = None) -> Iterator[str]:
    """The directives of one X-Robots-Tag that concern one of `tokens`, in lower case.

    `otherbot: noindex, nofollow` concerns another robot only, `*:` everybody. `none` stands for
    noindex and nofollow; a date of `unavailable_after` that has passed, or is none, for noindex.
    Source: Google's page on the robots meta tag and X-Robots-Tag.
    """
    ours, concerned = {"*", *(token.lower() for token in tokens)}, True
    moment = now or datetime.now(UTC)

    def judged(date: re.Match[str]) -> str:
        until = _date(date[1])
        return "unavailable_after" if until is not None and until > moment else "noindex"

    for part in re.split("[,;]", _UNTIL.sub(judged, value.lower())):
        words = part.strip(" \t\r\n\"'")
        name, colon, rest = (piece.strip() for piece in words.partition(":"))
        if colon and name not in _WITH_VALUE and _NAME.fullmatch(name):
            concerned, words = name.split("/")[0] in ours, rest
        if concerned:
            for word in words.partition(":")[0].split():
                yield "noindex" if word == "none" else word


def reserves(value: Any) -> bool:
    """Whether a TDM reservation says yes: it does unless it is 0, for what is neither is no no."""
    return str(value).strip().lower() not in ("0", "0.0", "false")


def reserved(text: str, path: str) -> bool:
    """Whether a tdmrep.json reserves the rights in what lies at `path`.

    The longest pattern that fits decides, and of equal ones the reservation. A page in place of
    the file (many sites answer every address with one) says nothing; JSON that is damaged, and a
    reservation that is neither 0 nor 1, count as reserved.
    """
    if text.lstrip().startswith("<") or not text.strip():
        return False
    try:
        rules = parse_json(text)
    except ValueError:
        return True
    best, answer = -1, False
    for rule in rules if isinstance(rules, list) else [rules]:
        if not isinstance(rule, dict) or "tdm-reservation" not in rule:
            continue
        location = _pattern(rule.get("location"))
        if not _fits(location, unquote(path)):
            continue
        says = reserves(rule["tdm-reservation"])
        if len(location) > best or (len(location) == best and says):
            best, answer = len(location), says
    return answer


def _pattern(location: Any) -> str:
    """A location as a pattern of paths; everything where it is none."""
    if not isinstance(location, str):
        return "/"
    text = location.strip()
    if "://" in text:
        text = urlsplit(text).path or "/"
    return unquote(text) if text.startswith(("/", "*")) else f"/{unquote(text)}"


def _fits(pattern: str, path: str) -> bool:
    """Patterns as in robots.txt: a prefix, `*` for anything, `$` for the end."""
    anchored, parts = pattern.endswith("$"), pattern.removesuffix("$").split("*")
    place = len(parts[0])
    if not path.startswith(parts[0]):
        return False
    for part in parts[1:]:
        found = path.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return not anchored or place == len(path) or (len(parts) > 1 and path.endswith(parts[-1]))


def _date(text: str) -> datetime | None:
    """A date as mail, HTTP or ISO 8601 write it, UTC where it names no zone; None for no date."""
    found: datetime | None = None
    with suppress(ValueError, TypeError):
        found = email.utils.parsedate_to_datetime(text)
    for pattern in () if found else _DATES:
        with suppress(ValueError):
            found = datetime.strptime(text.strip(), pattern)
            break
    if found is None:
        with suppress(ValueError):
            found = datetime.fromisoformat(text.strip().upper())
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found
