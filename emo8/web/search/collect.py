"""Turns search terms into a list of links, evenly over the cells of emotion and style."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from emo8.core import plain_text
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.engine.files import write_text
from emo8.web.links import parse
from emo8.web.outcome import FetchFailed
from emo8.web.search import Hit, Provider
from emo8.web.search.api import ApiError
from emo8.web.search.queries import Cell, Query, by_cell

COLUMNS = (
    "url", "title", "style", "license", "attribution", "creator", "source_page", "license_url",
    "query_emotion", "query", "query_language", "provider", "width", "height",
)  # fmt: skip


@dataclass(kw_only=True)
class Collected:
    """Links by cell, and why collecting ended early, if it did."""

    lines: dict[Cell, list[dict[str, object]]] = field(default_factory=dict)
    stopped: str = ""

    def counts(self) -> Counter[Cell]:
        return Counter({cell: len(lines) for cell, lines in self.lines.items()})

    def empty(self) -> list[Cell]:
        return [cell for cell, lines in self.lines.items() if not lines]


def collect(
    provider: Provider, name: str, queries: list[Query], *, per_cell: int, per_query: int
) -> Collected:
    """Links for every cell, turn by turn, so that a limit on requests leaves no cell behind.

    A link that answers several terms belongs to the first. An `ApiError` ends the search with what
    was found.
    """
    found = Collected(lines={cell: [] for cell in by_cell(queries)})
    searches = {cell: _Search(provider, terms) for cell, terms in by_cell(queries).items()}
    seen: set[str] = set()
    while searches:
        for cell, search in list(searches.items()):
            lines = found.lines[cell]
            try:
                step = search.step()
            except ApiError as error:
                found.stopped = str(error)
                return found
            if step is None:
                del searches[cell]
                continue
            query, hits = step
            for hit in hits:
                url = _address(hit)
                if url and url not in seen and search.taken < per_query and len(lines) < per_cell:
                    seen.add(url)
                    search.taken += 1
                    lines.append(_line(hit, url, query, name))
            if search.taken >= per_query:
                search.next_query()
            if len(lines) >= per_cell:
                del searches[cell]
    return found


class _Search:
    """The place of one cell in its terms and their pages."""

    def __init__(self, provider: Provider, queries: list[Query]) -> None:
        self.provider, self.waiting = provider, list(queries)
        self.page, self.taken = 1, 0

    def step(self) -> tuple[Query, list[Hit]] | None:
        """The next page of the present term; None when all terms are used up."""
        if not self.waiting:
            return None
        query = self.waiting[0]
        answer = self.provider.page(query.query, self.page)
        if answer.more:
            self.page += 1
        else:
            self.next_query()
        return query, answer.hits

    def next_query(self) -> None:
        self.waiting = self.waiting[1:]
        self.page, self.taken = 1, 0


def write_list(path: Path, found: Collected) -> None:
    """The links as CSV, cell by cell, and `NAME.cells.csv` with how many each cell has."""
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    table.writeheader()
    for lines in found.lines.values():
        table.writerows(
            {name: plain_text.cell(value) for name, value in line.items()} for line in lines
        )
    write_text(path, out.getvalue())
    counts = found.counts()
    out = io.StringIO()
    cells = csv.writer(out, lineterminator="\n")
    cells.writerow(["emotion", *STYLES])
    cells.writerows([e, *(counts[e, style] for style in STYLES)] for e in EMOTIONS)
    write_text(path.with_suffix(".cells.csv"), out.getvalue())


def report_lines(found: Collected) -> list[str]:
    """A table of the cells, and the empty ones by name."""
    counts, width = found.counts(), max(map(len, STYLES)) + 2
    lines = [" " * 14 + "".join(f"{style:>{width}}" for style in STYLES)]
    for emotion in EMOTIONS:
        row = "".join(f"{counts[emotion, style]:>{width}}" for style in STYLES)
        lines.append(f"{emotion:<14}{row}")
    empty = found.empty()
    if empty:
        names = ", ".join(f"{emotion} x {style}" for emotion, style in empty)
        lines.append(f"{len(empty)} of {len(counts)} cells are empty: {names}")
    return lines


def _line(hit: Hit, url: str, query: Query, provider: str) -> dict[str, object]:
    return {
        "url": url,
        "title": hit.title,
        "style": query.style,
        "license": hit.license,
        "attribution": hit.attribution,
        "creator": hit.creator,
        "source_page": hit.source_page,
        "license_url": hit.license_url,
        "query_emotion": query.emotion,
        "query": query.query,
        "query_language": query.language,
        "provider": provider,
        "width": hit.width,
        "height": hit.height,
    }


def _address(hit: Hit) -> str | None:
    try:
        return parse(hit.url).url
    except FetchFailed:
        return None
