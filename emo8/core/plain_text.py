"""Text from outside as text: in Markdown, in code, in the cells of a sheet.

Captions, names and licences are whatever a source wrote. Where they stand in a page or a table of
ours they make no heading, column, link, picture or formula.
"""

from __future__ import annotations

import re
import unicodedata

_MARKDOWN = re.compile(r"[\\`*\[\]<>|!~$&]|(?<![^\W_])_|_(?![^\W_])|^[#+=-]")
_NUMBERED = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_TURNED = frozenset("LRE RLE LRO RLO PDF LRI RLI FSI PDI".split())  # change the order of letters


class Markdown(str):
    """Text that is Markdown on purpose: ours, or the publisher's."""


def one_line(text: str) -> str:
    """The text without line breaks, control characters and changes of direction."""
    kept = (
        letter
        for letter in " ".join(text.split())
        if unicodedata.category(letter) != "Cc" and unicodedata.bidirectional(letter) not in _TURNED
    )
    return "".join(kept)


def markdown(text: str) -> Markdown:
    """Markdown that shows a text as it is, on one line."""
    marked = _MARKDOWN.sub(lambda found: f"\\{found[0]}", one_line(text))
    return Markdown(_NUMBERED.sub(r"\1\\", marked))


def code(text: str) -> Markdown:
    """A text for a line of code in Markdown: it cannot end the block or the string it is in."""
    return Markdown(re.sub(r'[`"\\]', "", one_line(text)))


def cell(value: object) -> object:
    """A value for a sheet: a text that a spreadsheet would compute begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
