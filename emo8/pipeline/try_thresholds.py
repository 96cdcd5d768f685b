"""What other thresholds would change in a finished build, from its numbers alone.

Nothing is decoded, embedded or written into the build. Copies are not compared anew: a row that
left as a copy of one that would now leave is reported as such, not counted.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.errors import BuildError, Emo8Error
from emo8.core.read_recipe import parse_recipe
from emo8.core.settings import DecideConfig, Thresholds
from emo8.core.suggest import suggest
from emo8.core.taxonomy import STYLES
from emo8.engine import build_folder
from emo8.engine.files import read_columns, read_fingerprint
from emo8.engine.plan import load_plan
from emo8.engine.steps import ROWS, part_path
from emo8.engine.verdict_table import VERDICTS
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
_VERDICT_COLUMNS = ["part", "row", "id", "style", "step", "reason", "value", "survivor"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Verdicts before and after, side by side; one line per row that has numbers."""

    rows: pd.DataFrame  # part, row, id, style, before, after (reasons, null = kept), value

    @property
    def leaving(self) -> pd.DataFrame:
        return self.rows[self.rows["before"].isna() & self.rows["after"].notna()]

    @property
    def returning(self) -> pd.DataFrame:
        return self.rows[self.rows["before"].notna() & self.rows["after"].isna()]

    @property
    def orphans(self) -> int:
        """Rows that left as copies of a row that would leave now."""
        return int(self.rows["survivor"].isin(set(self.leaving["id"])).sum()) - len(self.leaving)

    def counts(self) -> pd.DataFrame:
        """Rows kept before and after per style."""
        kept = {name: self.rows[name].isna() for name in ("before", "after")}
        table = pd.DataFrame(kept).groupby(self.rows["style"]).sum()
        return table.reindex([style for style in STYLES if style in table.index])


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
            _check_name(path[1], list(STYLES), setting)
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


def numbers_of(build: Path) -> pd.DataFrame:
    """Verdicts of a build with the numbers its checks read, rows that never had any left out."""
    verdicts = read_columns(build / VERDICTS, _VERDICT_COLUMNS).to_pandas()
    verdicts = verdicts[~verdicts["step"].isin(("ingest", "measure"))]
    verdicts = verdicts[verdicts["reason"] != "part_failed"]
    tables: dict[str, list[str]] = {}
    for check in CHECKS:
        tables.setdefault(check.table, []).append(check.column)
    pieces = []
    for part in sorted(set(verdicts["part"].tolist())):
        rows = verdicts[verdicts["part"] == part]
        read = [read_columns(part_path(build, t, part), names) for t, names in tables.items()]
        columns = [column for piece in read for column in piece.columns]
        names = [name for piece in read for name in piece.column_names]
        pieces.append(pa.table(columns, names=names).take(pa.array(rows["row"].to_numpy())))
    numbers = pa.concat_tables(pieces).to_pandas() if pieces else pd.DataFrame()
    verdicts = verdicts.sort_values(["part", "row"], kind="stable").reset_index(drop=True)
    return pd.concat([verdicts, numbers], axis=1)


def compare(table: pd.DataFrame, config: DecideConfig) -> Trial:
    """What `config` would decide about the rows of `numbers_of`."""
    reason, value = thresholds.failures(config, table["style"], table)
    later = table["reason"].where(table["step"] != "decide")  # copies, leaks, reviews stay
    rows = table[["part", "row", "id", "style", "survivor"]].assign(
        before=table["reason"], after=reason.where(reason.notna(), later), value=value
    )
    return Trial(rows=rows)


def examples(build: Path, rows: pd.DataFrame, count: int) -> list[tuple[bytes, str]]:
    """Up to `count` pictures of these rows, evenly spread, with the number behind each."""
    chosen = rows.iloc[:: max(1, len(rows) // max(count, 1))].head(count)
    found = []
    for part in sorted(set(chosen["part"].tolist())):
        images = read_columns(part_path(build, ROWS, part), ["image"]).column("image")
        for member in chosen[chosen["part"] == part].to_dict("records"):
            title = f"{member['style']}\n{member['after'] or member['before']}"
            if member["value"] == member["value"]:
                title += f" {member['value']:.4g}"
            found.append((images[member["row"]]["bytes"].as_py(), title))
    return found


def summary(table: pd.DataFrame, config: DecideConfig) -> list[dict[str, Any]]:
    """Every check: its threshold, the rows it makes leave, and how its number is spread."""
    lines = []
    for check in CHECKS:
        column = table[check.column].astype(float)
        own = {s: t[check.threshold] for s, t in config.style.items() if check.threshold in t}
        lines.append(
            {
                "threshold": check.threshold,
                "value": getattr(config, check.threshold),
                "styles": own,
                "reason": check.reason,
                "rows": int((table["reason"] == check.reason).sum()),
                "quantiles": [float(q) for q in column.quantile([0.01, 0.1, 0.5, 0.9, 0.99])],
            }
        )
    return lines
