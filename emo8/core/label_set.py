"""The names a dataset is labelled with: Mikels' eight emotions and our five styles, or others.

A recipe names them (`[labels] emotions`, `styles`), a published dataset carries them in its files.
`using` makes a set the one that this process works with; workers get it from whoever starts them.
A process works on one build at a time.
"""

from __future__ import annotations

import colorsys
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from emo8.core import taxonomy
from emo8.core.errors import BuildError
from emo8.core.json_text import parse_json
from emo8.core.suggest import suggest

# The one style of a dataset that tells no styles apart, and the folder of rows whose style nobody
# knows.
NO_STYLE = "any"
FOOTER_KEY = b"emo8.labels"  # of published files whose set is not MIKELS
# Answers of annotators, columns of tables and words of recipes that no label may be called.
_RESERVED = ("none", "neutral", "cannot_tell", "other", "clip", "abstain", "all")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """The emotions and styles of a dataset, each in the order of its class numbers."""

    emotions: tuple[str, ...]
    styles: tuple[str, ...]  # at least one: NO_STYLE alone where styles are not told apart
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()  # an emotion in neither has no polarity
    to_mikels: Mapping[str, str] = field(default_factory=dict)  # emotion -> one of Mikels' eight

    def parse_emotion(self, name: str) -> str:
        """The emotion that `name` spells; ValueError with the nearest one otherwise."""
        return _parsed(name, self.emotions, taxonomy.EMOTION_ALIASES, "emotion")

    def parse_style(self, name: str) -> str:
        """The style that `name` spells; ValueError with the nearest one otherwise."""
        return _parsed(name, self.styles, taxonomy.STYLE_ALIASES, "style")

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders that shards may lie in: the styles, and that of rows without one."""
        return self.styles if NO_STYLE in self.styles else (*self.styles, NO_STYLE)

    def folder_of(self, style: int | None) -> str:
        """The folder of rows with this style's number, or without style."""
        return NO_STYLE if style is None else self.styles[style]

    @property
    def emotion_colors(self) -> dict[str, str]:
        """A fixed colour per emotion: a name of Mikels' has its own in every set."""
        return _colors(self.emotions, taxonomy.EMOTION_COLORS)

    @property
    def style_colors(self) -> dict[str, str]:
        """A fixed colour per style."""
        return _colors(self.styles, taxonomy.STYLE_COLORS)

    def metadata(self) -> dict[bytes, bytes]:
        """What a published file says about the set; nothing for the default one."""
        if self == MIKELS:
            return {}
        return {FOOTER_KEY: json.dumps(asdict(self), sort_keys=True).encode()}

    def stamp(self) -> list[Any]:
        """What fingerprints of results depend on; empty for the default set."""
        return [] if self == MIKELS else [asdict(self)]


MIKELS = LabelSet(
    emotions=taxonomy.EMOTIONS,
    styles=taxonomy.STYLES,
    positive=tuple(name for name in taxonomy.EMOTIONS if name in taxonomy.POSITIVE),
    negative=tuple(name for name in taxonomy.EMOTIONS if name not in taxonomy.POSITIVE),
    to_mikels={name: name for name in taxonomy.EMOTIONS},
)
_current = MIKELS


def current() -> LabelSet:
    """The set that this process works with."""
    return _current


@contextmanager
def using(labels: LabelSet) -> Iterator[None]:
    """Work with another set until the block ends."""
    before = _current
    work_with(labels)
    try:
        yield
    finally:
        work_with(before)


def work_with(labels: LabelSet) -> None:
    """Work with another set from now on: what a worker process does first."""
    global _current
    _current = labels


def emotions() -> tuple[str, ...]:
    """The emotions of the set that this process works with."""
    return _current.emotions


def styles() -> tuple[str, ...]:
    """The styles of the set that this process works with."""
    return _current.styles


def parse_emotion(name: str) -> str:
    """The emotion of the current set that `name` spells; ValueError otherwise."""
    return _current.parse_emotion(name)


def parse_style(name: str) -> str:
    """The style of the current set that `name` spells; ValueError otherwise."""
    return _current.parse_style(name)


# --- made from what a recipe or a file says ------------------------------------------------------


def chosen(
    emotions: Sequence[str],
    styles: Sequence[str],
    *,
    positive: Sequence[str] = (),
    negative: Sequence[str] = (),
    to_mikels: Mapping[str, str] | None = None,
) -> LabelSet:
    """The set that `[labels]` of a recipe names; ValueError says the key, the value and the fix.

    No styles are one, NO_STYLE. Names of Mikels' have their polarity and are themselves on the
    way to the eight unless the recipe says otherwise.
    """
    for key, names, least in (("emotions", emotions, 2), ("styles", styles, 0)):
        _check_names(key, names, least)
    for key, names in (("positive", positive), ("negative", negative)):
        _check_known(key, names, emotions)
    if both := sorted(set(positive) & set(negative)):
        raise ValueError(f"labels.positive and labels.negative both hold {both[0]!r}")
    for name, ours in (to_mikels or {}).items():
        _check_known("to_mikels", [name], emotions)
        _check_known(f"to_mikels.{name}", [ours], taxonomy.EMOTIONS)
    said = {*positive, *negative}
    known = {name: name for name in emotions if name in taxonomy.EMOTIONS}
    return LabelSet(
        emotions=tuple(emotions),
        styles=tuple(styles) or (NO_STYLE,),
        positive=_in_order(emotions, {*positive, *(set(MIKELS.positive) - said)}),
        negative=_in_order(emotions, {*negative, *(set(MIKELS.negative) - said)}),
        to_mikels={**known, **(to_mikels or {})},
    )


def of_resolved(resolved: Mapping[str, Any] | None) -> LabelSet:
    """The set of a build by its `resolved.json`; builds from before there were others: MIKELS."""
    options = (resolved or {}).get("recipe", {}).get("labels", {})
    if "emotions" not in options:
        return MIKELS
    keys = ("positive", "negative", "to_mikels")
    return chosen(options["emotions"], options["styles"], **{key: options[key] for key in keys})


def of_footer(metadata: Mapping[bytes, bytes] | None) -> LabelSet:
    """The set of a published file by its metadata; BuildError where that names no valid one."""
    if FOOTER_KEY not in (metadata or {}):
        return MIKELS
    try:
        said = parse_json((metadata or {})[FOOTER_KEY])
        styles = [] if said["styles"] == [NO_STYLE] else said["styles"]
        keys = ("positive", "negative", "to_mikels")
        return chosen(said["emotions"], styles, **{key: said[key] for key in keys})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BuildError(f"the labels in a file's metadata are none of emo8's: {error}") from None


def _check_names(key: str, names: Sequence[str], least: int) -> None:
    if len(names) < least:
        raise ValueError(f"labels.{key} = {list(names)}: name at least {least}")
    for name in names:
        if name in _RESERVED:
            raise ValueError(
                f"labels.{key} holds {name!r}, which is no label here: annotators can always say "
                "none or neutral, and a row without a label is null; leave it out"
            )
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"labels.{key} holds {name!r}: use small letters, digits and _, such as joy_2"
            )
    if len(set(names)) < len(names):
        raise ValueError(f"labels.{key} = {list(names)}: a name stands there twice")


def _check_known(key: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"labels.{key}: unknown emotion {name!r}; {suggest(name, known)}")


def _in_order(emotions: Sequence[str], wanted: set[str]) -> tuple[str, ...]:
    return tuple(name for name in emotions if name in wanted)


def _parsed(name: str, vocabulary: tuple[str, ...], aliases: Mapping[str, str], what: str) -> str:
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    key = key if key in vocabulary else aliases.get(key, key)
    if key in vocabulary:
        return key
    raise ValueError(f"unknown {what} {name!r}; {suggest(key, vocabulary)}")


def _colors(names: tuple[str, ...], known: Mapping[str, str]) -> dict[str, str]:
    """Known names have their colour; the others evenly spread hues, darker every second time."""
    others = [name for name in names if name not in known]
    found = {}
    for number, name in enumerate(others):
        red, green, blue = colorsys.hsv_to_rgb(number / len(others), 0.65, 0.9 - 0.3 * (number % 2))
        found[name] = f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"
    return {name: known[name] if name in known else found[name] for name in names}
