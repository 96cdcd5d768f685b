"""What other thresholds would change in a finished build, from its numbers alone.

Nothing is decoded, embedded or written into the build. Copies are not compared anew: a row that
left as a copy of one that would now leave is reported as such, not counted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from emo8.core import label_set
from emo8.core.errors import BuildError, Emo8Error
from emo8.core.read_recipe import parse_recipe
from emo8.core.settings import DecideConfig, Thresholds
from emo8.core.suggest import suggest
from emo8.engine import build_folder
from emo8.engine.database import Database, parquet, reading
from emo8.engine.files import read_columns, read_fingerprint
from emo8.engine.plan import load_plan
from emo8.engine.steps import ROWS, part_path
from emo8.engine.verdict_table import VERDICTS
from emo8.report.contact_sheet import end_of_path
from emo8.tables import thresholds
from emo8.tables.thresholds import CHECKS

NEAR_NAMES = (  # thresholds of copies, which only a build applies
    "max_near_distance",
    "near_neighbours",
    "min_near_sim",
    "max_near_residual",
    "max_crop_residual",
    "max_near_colour",
    "min_crop_sim",
)
# Rows that have numbers, with what other thresholds would do to them: `before` and `after` are
# reasons, null = kept. Leaks, copies and reviews stay what they are.
_TRIED = """
    CREATE VIEW tried AS
    SELECT * EXCLUDE (verdict), reason AS before, verdict.value AS new_value,
        coalesce(verdict.reason, CASE WHEN step <> 'decide' THEN reason END) AS after
    FROM (
        SELECT rows.*, CASE {cases} END AS verdict
        FROM numbers AS rows LEFT JOIN allowed ON coalesce(rows.style, '') = allowed.style
    )
"""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Verdicts before and after other thresholds: the counts, and rows that show the difference."""

    leaving: dict[str, int]  # reason -> rows that stay now and would leave
    returning: dict[str, int]
    kept: dict[str, tuple[int, int]]  # style -> rows kept before and after
    orphans: int  # rows that left as copies of a row that would leave now
    shown_leaving: pd.DataFrame  # some rows each: part, row, style, reason, value
    shown_returning: pd.DataFrame


def thresholds_of(build: Path) -> DecideConfig:
    """The thresholds a build was decided with; BuildError where there is no finished build."""
    resolved = build_folder.require_build(build)
    plan = load_plan(build)
    if plan is None or read_fingerprint(build / VERDICTS) != plan.decision:
        raise BuildError(f"{build} is not decided yet: run `emo8 build` to its end first")
    _require_numbers(build)
    return parse_recipe(resolved["recipe"], where=str(build / build_folder.RESOLVED)).decide


def _require_numbers(build: Path) -> None:
    """Raise BuildError where a check came after the build: its number was never measured."""
    for check in CHECKS:
        first = next((build / "columns" / check.table).glob("part-*.parquet"), None)
        if first is not None and check.column not in pq.read_schema(first).names:
            raise BuildError(
                f"{build} has no {check.column}, which decides {check.reason!r}: it was built "
                "before that check was there. Run `emo8 build` with its recipe, which measures it"
            )


def changed(config: DecideConfig, settings: list[str]) -> DecideConfig:
    """The thresholds with `key=value` and `style.NAME.key=value` laid over them."""
    values = {f.name: getattr(config, f.name) for f in dataclasses.fields(Thresholds)}
    style = {name: dict(own) for name, own in config.style.items()}
    for setting in settings:
        key, _, text = setting.partition("=")
        *path, name = key.strip().removeprefix("decide.").split(".")
        _check_name(name, [check.threshold for check in CHECKS], setting)
        try:
            value: float = type(values[name])(text)
        except ValueError:
            raise Emo8Error(f"--try {setting}: {text!r} is no number") from None
        if not path:
            values[name] = value
        elif len(path) == 2 and path[0] == "style":
            _check_name(path[1], list(label_set.styles()), setting)
            style.setdefault(path[1], {})[name] = value
        else:
            raise Emo8Error(f"--try {setting}: write key=value or style.NAME.key=value")
    return DecideConfig(**values, style=style)


def _check_name(name: str, known: list[str], setting: str) -> None:
    if name in known:
        return
    if name in NEAR_NAMES:
        raise Emo8Error(
            f"--try {setting}: copies are compared by `emo8 build`, not here; change the recipe "
            "and build again, which redoes no part"
        )
    raise Emo8Error(f"--try {setting}: unknown name {name!r}; {suggest(name, known)}")


@contextmanager
def numbers_of(build: Path) -> Iterator[Database]:
    """A database whose view `numbers` has the verdicts of a build and what its checks read.

    Rows that never had numbers are left out. Verdicts and parts have their rows in one order.
    """
    verdicts = parquet(build / VERDICTS)
    with reading(build) as db:
        whole = f"FROM {verdicts} WHERE reason IS DISTINCT FROM 'part_failed'"
        parts = [part for (part,) in db.lines(f"SELECT DISTINCT part {whole} ORDER BY part")]
        tables: dict[str, list[str]] = {}
        for check in CHECKS:
            tables.setdefault(check.table, []).append(check.column)
        sides = [f"(SELECT {_FROM_VERDICTS} {whole})"]
        for table, names in tables.items():
            files = parquet([part_path(build, table, part) for part in parts])
            sides.append(f"(SELECT {', '.join(names)} FROM {files})" if parts else _none(names))
        db.run(f"""
            CREATE VIEW numbers AS SELECT * FROM {" POSITIONAL JOIN ".join(sides)}
            WHERE step IS NULL OR step NOT IN ('ingest', 'measure')
        """)
        yield db


_FROM_VERDICTS = "part, row, id, style, step, reason, value, survivor"


def _none(names: list[str]) -> str:
    return f"(SELECT {', '.join(f'0 AS {name}' for name in names)} WHERE FALSE)"


def compare(db: Database, config: DecideConfig, examples: int) -> Trial:
    """What `config` would decide about the rows of `numbers_of`, with up to so many examples."""
    db.keep("allowed", thresholds.limits(config))
    db.run(_TRIED.format(cases=" ".join(thresholds.cases())))
    leaving = "tried WHERE before IS NULL AND after IS NOT NULL"
    returning = "tried WHERE before IS NOT NULL AND after IS NULL"
    kept = db.lines("""
        SELECT coalesce(style, 'any'), count(*) FILTER (before IS NULL),
            count(*) FILTER (after IS NULL)
        FROM tried GROUP BY 1
    """)
    counts = {style: (before, after) for style, before, after in kept}
    copies = f"SELECT count(*) FROM tried SEMI JOIN (SELECT id FROM {leaving}) gone"
    return Trial(
        leaving=_counted(db, "after", leaving),
        returning=_counted(db, "before", returning),
        kept={s: counts[s] for s in label_set.current().folders if s in counts},
        orphans=db.value(f"{copies} ON survivor = gone.id")
        - db.value(f"SELECT count(*) FROM {leaving}"),
        shown_leaving=_spread(db, "after", leaving, examples),
        shown_returning=_spread(db, "before", returning, examples),
    )


def _counted(db: Database, reason: str, rows: str) -> dict[str, int]:
    return dict(
        db.lines(f"SELECT {reason}, count(*) AS n FROM {rows} GROUP BY 1 ORDER BY n DESC, 1")
    )


def _spread(db: Database, reason: str, rows: str, count: int) -> pd.DataFrame:
    """Up to `count` of these rows, evenly spread, by their place in the build."""
    return db.frame(f"""
        SELECT part, row, style, {reason} AS reason, new_value AS value FROM {rows}
        QUALIFY (row_number() OVER (ORDER BY part, row) - 1)
            % greatest(1, count(*) OVER () // {max(count, 1)}) = 0
        ORDER BY part, row LIMIT {count}
    """)


def examples(build: Path, rows: pd.DataFrame) -> list[tuple[bytes, str]]:
    """The pictures of these rows of a trial, with the number behind each."""
    found = []
    for part, members in rows.groupby("part"):
        rows_of_part = read_columns(
            part_path(build, ROWS, int(str(part))), ["image", "source_path"]
        )
        images, paths = rows_of_part["image"], rows_of_part["source_path"]
        for member in members.to_dict("records"):
            name = end_of_path(paths[member["row"]].as_py() or "")
            title = f"{name}\n{member['style']}\n{member['reason']}"
            if member["value"] == member["value"]:
                title += f" {member['value']:.4g}"
            found.append((images[member["row"]]["bytes"].as_py(), title))
    return found


def summary(db: Database, config: DecideConfig) -> list[dict[str, Any]]:
    """Every check: its threshold, the rows it makes leave, and how its number is spread."""
    rows = dict(db.lines("SELECT reason, count(*) FROM numbers GROUP BY reason"))
    spread = ", ".join(
        f"quantile_cont(CAST({check.column} AS DOUBLE), [0.01, 0.1, 0.5, 0.9, 0.99])"
        for check in CHECKS
    )
    quantiles = db.lines(f"SELECT {spread} FROM numbers")[0]
    return [
        {
            "threshold": check.threshold,
            "value": getattr(config, check.threshold),
            "styles": {
                style: own[check.threshold]
                for style, own in config.style.items()
                if check.threshold in own
            },
            "reason": check.reason,
            "rows": rows.get(check.reason, 0),
            "quantiles": found or [float("nan")] * 5,
        }
        for check, found in zip(CHECKS, quantiles, strict=True)
    ]
