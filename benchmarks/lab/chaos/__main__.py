"""`python -m benchmarks.lab.chaos --seed 0 --minutes 20 --out benchmarks/results/chaos`

Hostile tests of emo8 and pretrain; every row of the table is a file of this folder. The numbers of
tries are those of `ROWS`, or as many as the minutes allow; `--share 0.05` is a quick look. Rows of
OUT that are not run stay; with `--add` the tries of another seed are added to those of the row.
Exit 1 where a row does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.lab import machine
from benchmarks.lab.chaos import bits, hidden, kills, mutated, peers, twice
from benchmarks.lab.chaos.row import Asked, Row
from benchmarks.lab.output import tell_with_table

ROWS: dict[str, tuple[int, Callable[[Asked], Row]]] = {  # tries of the whole table, and the test
    "hidden": (100, hidden.run),
    "bits": (60, bits.run),
    "mutated": (10_000, mutated.run),
    "twice": (9, twice.run),
    "kills": (200, kills.run),
    "peers": (24, peers.run),
}


_PAGE = "`python -m benchmarks.lab.chaos --out benchmarks/results/chaos` writes this page."


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every row held."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lab.chaos", description=(__doc__ or "").splitlines()[2]
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=20.0, help="for each row, at most")
    parser.add_argument("--share", type=float, default=1.0, help="of the tries of each row")
    parser.add_argument("--only", action="append", choices=ROWS, help="a row (repeatable)")
    parser.add_argument("--add", action="store_true", help="to the tries that OUT has")
    parser.add_argument("--out", type=Path, default=Path("chaos"), help="OUT.md and OUT.json")
    given = parser.parse_args(argv)
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch: a forked process has no threads
    names = given.only or list(ROWS)
    rows = {name: run(name, given.seed, given.minutes, given.share) for name in names}
    before, fresh = _before(given.out), {name: row.as_dict() for name, row in rows.items()}
    if given.add:
        fresh = {name: sum_of(before[name], fresh[name]) for name in fresh}
    told = {**before, **fresh}
    tell_with_table({"rows": told, "machine": machine.describe()}, table(told), given.out)
    return 0 if all(row.held_all for row in rows.values()) else 1


def _before(out: Path) -> dict[str, Any]:
    """The rows that stand in the table already: those run now take their places."""
    path = out.with_suffix(".json")
    rows: dict[str, Any] = json.loads(path.read_text())["rows"] if path.exists() else {}
    return rows


def sum_of(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """One row of two runs with different seeds: counts are added, other figures are the later's."""
    added = {name: before[name] + after[name] for name in ("tries", "held", "broken")}
    figures = _sum(before["figures"], after["figures"])
    return {
        **after,
        **added,
        "figures": figures,
        "command": f"{before['command']}; --add {after['command']}",
    }


def _sum(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    told = {}
    for name, value in after.items():
        if isinstance(value, dict):
            told[name] = _sum(before[name], value)
        else:
            added = name in ("tries", "took_s")
            told[name] = round(before[name] + value, 1) if added else value
    return told


def run(name: str, seed: int, minutes: float, share: float) -> Row:
    """One row, in a folder of its own."""
    tries, test = ROWS[name]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        asked = Asked(
            folder=Path(folder).resolve(), seed=seed, tries=max(1, round(tries * share)),
            seconds=60 * minutes,
        )  # fmt: skip
        row = test(asked)
    row.command = f"--only {name} --seed {seed} --minutes {minutes:g}"
    row.command += f" --share {share:g}" if share != 1 else ""
    row.figures["took_s"] = round(time.monotonic() - began, 1)
    return row


def table(rows: dict[str, Any]) -> str:
    """The page of the rows."""
    lines = [
        "# Hostile tests",
        "",
        "`python -m benchmarks.lab.chaos --out benchmarks/results/chaos` writes this page.",
    ]
    lines += ["What each row tries stands in its file of `benchmarks/lab/chaos`.", ""]
    lines += ["| row | promise | tried | held | figures | command |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        figures = "; ".join(_told(key, value) for key, value in row["figures"].items())
        counts = f"{row['tries']} | {row['held']}"
        lines.append(f"| {name} | {row['promise']} | {counts} | {figures} | `{row['command']}` |")
    for name, row in rows.items():
        lines += ["", f"Broken in {name}:", ""] if row["broken"] else []
        lines += [f"- {' '.join(problem.split())[:300]}" for problem in row["broken"][:20]]
    return "\n".join(lines) + "\n"


def _told(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{key}: " + ", ".join(_told(name, one) for name, one in value.items())
    return f"{key.replace('_', ' ')} {value}"


if __name__ == "__main__":
    sys.exit(main())
