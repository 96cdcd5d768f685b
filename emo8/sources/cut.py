"""Where the inputs of a source are cut into parts: by their names, so that work follows a change.

An input whose name hashes low begins a part, as in content-defined chunking: a file added, removed
or renamed moves the borders beside it, and no others. A part has at least half and at most three
times the rows wanted. The first parts of a source are small, so that small builds keep every worker
busy; the rows wanted double after every STEADY_PARTS parts up to MOST_ROWS, so that ten million
rows are some thousand files per step. Nothing depends on what follows: a source that grows keeps
its earlier parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

VERSION = 1  # of the cut
STEADY_PARTS = 64  # of one size, before they double
MOST_ROWS = 4096  # wanted in a part, however long the source
_SPAN = 3  # times the rows wanted: a part ends there, border or not (0.7 % of parts)


@dataclass(kw_only=True)
class Cutter:
    """Cuts the inputs of one source, file by file, and counts its parts."""

    part_rows: int  # wanted in the first parts
    parts: int = 0

    def by_name(self, names: Iterable[str]) -> Iterator[slice]:
        """Parts of consecutive inputs with these names."""
        start = total = 0
        for name in names:
            if ends(total - start, name, 1, self._wanted()):
                yield slice(start, total)
                self.parts += 1
                start = total
            total += 1
        if total > start:
            yield slice(start, total)
            self.parts += 1

    def by_number(self, total: int) -> Iterator[slice]:
        """Parts of consecutive rows whose names are not known before they are read."""
        start = 0
        while start < total:
            stop = min(start + self._wanted(), total)
            self.parts += 1
            yield slice(start, stop)
            start = stop

    def _wanted(self) -> int:
        doubled = self.part_rows << min(self.parts // STEADY_PARTS, MOST_ROWS.bit_length())
        return max(self.part_rows, min(doubled, MOST_ROWS))


def ends(held: int, name: str, size: int, wanted: int) -> bool:
    """Whether a piece that holds some rows ends before `size` more, which are called `name`.

    `wanted` rows is what pieces have in the mean.
    """
    least = -(-wanted // 2)
    if held < least:
        return False
    digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()
    low = int.from_bytes(digest, "big") * (wanted - least + 1) < size * 2**64
    return low or held + size > _SPAN * wanted


def grouped(pieces: Iterable[tuple[str, int]], wanted: int) -> list[int]:
    """For every piece (name, rows) the number of its group, of about `wanted` rows."""
    groups, number, held = list[int](), 0, 0
    for name, size in pieces:
        if held and ends(held, name, size, wanted):
            number, held = number + 1, 0
        groups.append(number)
        held += size
    return groups
