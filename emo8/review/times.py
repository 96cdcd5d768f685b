"""Times of votes as tools and spreadsheets write them, as UTC.

A zone may be a name: MTurk writes "Thu Nov 12 10:00:00 PST 2026". A spreadsheet turns dates around
by its own locale: whether the day or the month stands first is read off the whole column.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

# Hours east of Greenwich, as crowd workers' browsers in America, Europe and Japan write them.
_ZONES = {
    "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2,
    "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12,
    "NZDT": 13, "PST": -8, "PDT": -7, "MST": -7, "MDT": -6, "CST": -6, "CDT": -5, "EST": -5,
    "EDT": -4, "AKST": -9, "AKDT": -8, "HST": -10,
}  # fmt: skip
_TZINFOS = {name: hours * 3600 for name, hours in _ZONES.items()}
_TURNED = re.compile(r"\s*(\d{1,2})([./-])(\d{1,2})\2(\d{2}|\d{4})\b")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_EXCEL_DAY_ZERO = datetime(1899, 12, 30, tzinfo=UTC)
_EXCEL_DAYS = (20_000, 80_000)  # 1954 to 2119


@dataclass
class Times:
    """Reads times, each text once; ValueError for what is none."""

    day_first: bool = False
    guessed: bool = False  # nothing in the file says whether the day or the month comes first
    _known: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Times:
        """A reader for one file, from the times that it holds."""
        first, second, dotted, seen = 0, 0, False, False
        for text in texts:
            if found := _TURNED.match(text):
                seen = True
                dotted |= found[2] == "."
                first, second = max(first, int(found[1])), max(second, int(found[3]))
        day_first = first > 12 or (dotted and second <= 12)
        return cls(day_first=day_first, guessed=seen and not dotted and max(first, second) <= 12)

    def read(self, text: str) -> datetime:
        """The time in UTC, to the second; without a zone it is taken for UTC."""
        if text not in self._known:
            self._known[text] = self._parse(text)
        return self._known[text]

    def _parse(self, text: str) -> datetime:
        from dateutil import parser

        try:
            if _NUMBER.fullmatch(text):
                return _from_number(float(text))
            try:
                time = datetime.fromisoformat(text)
            except ValueError:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", parser.UnknownTimezoneWarning)
                    time = parser.parse(text, dayfirst=self.day_first, tzinfos=_TZINFOS)
        except (ValueError, OverflowError, Warning):
            raise ValueError(f"time = {text!r}: write 2026-01-31T12:00:00Z") from None
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        return time.replace(microsecond=0)


def _from_number(number: float) -> datetime:
    """Days as Excel counts them, or seconds or milliseconds since 1970."""
    if _EXCEL_DAYS[0] <= number <= _EXCEL_DAYS[1]:
        return (_EXCEL_DAY_ZERO + timedelta(days=number)).replace(microsecond=0)
    seconds = number / 1000 if number > 1e11 else number
    if seconds < 1e8:
        raise ValueError(number)
    return datetime.fromtimestamp(int(seconds), UTC)
