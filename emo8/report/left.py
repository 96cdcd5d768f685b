"""What left a build, file by file: path, reason and number, as lines, CSV or a page of pictures."""

from __future__ import annotations

import base64
import csv
import io
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import jinja2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.core.errors import BuildError, Emo8Error
from emo8.core.reasons import REASONS, describe
from emo8.core.suggest import suggest
from emo8.engine.files import write_text
from emo8.engine.small_pictures import small_pictures
from emo8.engine.verdict_table import VERDICTS

PAGE = Path("report") / "left.html"
COLUMNS = ("source", "source_path", "reason", "value", "detail", "id")
MOST_SHOWN = 60  # pictures of a reason on the page
_SIDE_PX = 120
_HIDDEN = ("removed",)  # whoever asked for it to go is not shown here either


class Left(NamedTuple):
    """One input that left."""

    source: str
    source_path: str
    reason: str
    value: float | None
    detail: str | None
    id: str | None
    part: int
    row: int

    @property
    def number(self) -> str:
        """The number behind the reason as a person reads it, "" where there is none."""
        return "" if self.value is None else f"{self.value:.6g}"


def left(build: Path, reason: str = "") -> list[Left]:
    """The inputs that left a build, for one reason or all, by reason and then in its order.

    BuildError where nothing is decided yet; Emo8Error for a reason that there is not.
    """
    if reason and reason not in REASONS:
        raise Emo8Error(f"--reason {reason}: no such reason; {suggest(reason, REASONS)}")
    path = build / VERDICTS
    if not path.exists():
        raise BuildError(f"{build} has no verdicts yet: finish `emo8 build` first")
    wanted = pc.field("reason") == reason if reason else pc.field("reason").is_valid()
    table = pq.read_table(path, columns=list(Left._fields), filters=wanted)
    table = table.append_column("n", pa.array(range(len(table))))
    table = table.sort_by([("reason", "ascending"), ("n", "ascending")]).select(Left._fields)
    return [Left(*line) for line in zip(*(column.to_pylist() for column in table.columns))]


def as_csv(rows: list[Left]) -> str:
    """The rows as CSV with the columns `COLUMNS`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(row, name) for name in COLUMNS] for row in rows)
    return out.getvalue()


def write_page(build: Path, rows: list[Left]) -> Path:
    """Write the page: each reason with its sentence, its count and its first pictures."""
    groups: dict[str, list[Left]] = {}
    for row in rows:
        groups.setdefault(row.reason, []).append(row)
    shown = [row for own in groups.values() for row in own[:MOST_SHOWN]]
    template = (files("cards") / "left.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = environment.from_string(template).render(
        name=build.resolve().name,
        groups=groups,
        meaning={reason: describe(reason) for reason in groups},
        pictures=_pictures(build, shown),
        most=MOST_SHOWN,
    )
    write_text(build / PAGE, text)
    return build / PAGE


def _pictures(build: Path, rows: list[Left]) -> dict[tuple[int, int], str]:
    """Small pictures as data URIs, by part and row; those that cannot be decoded have none."""
    places = [(row.part, row.row) for row in rows if row.reason not in _HIDDEN]
    return {
        place: f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
        for place, data in small_pictures(build, places, _SIDE_PX).items()
    }
