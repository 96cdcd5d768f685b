"""The page of all speed results, from the JSON files of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.lab.speed import growth
from benchmarks.lab.speed.lines import READERS, Line
from benchmarks.lab.speed.plan import SCRIPTS, Script, result_path
from emo8.core.errors import Emo8Error
from emo8.engine.files import write_text

HEAD = """\
# Speed: measured

Written by `python -m benchmarks.speed`; `--page-only` writes it again from the JSON files beside
it. Our way and its peer take turns in one run on one machine, so ratios compare like with like;
seconds are those of the machine named below each table. `x` = times as fast as what it is measured
against.
"""


def write(folder: Path) -> Path:
    """Write `README.md` and the figures into the folder; the page's path comes back."""
    sections, wanted, missing = [], [], []
    for script in SCRIPTS:
        path = result_path(folder, script.name)
        if not path.exists():
            missing.append(script)
            continue
        found = _read(path)
        lines = _lines(script, found, path)
        wanted += [line for line in lines if line.met is not None]
        sections.append(_section(script, found, lines, folder))
    text = "\n".join([HEAD, _targets(wanted), *sections, *([_missing(missing)] if missing else [])])
    write_text(folder / "README.md", text)
    return folder / "README.md"


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise Emo8Error(f"{path} is no JSON ({error}): run its script again") from error
    return found


def _lines(script: Script, found: Mapping[str, Any], path: Path) -> list[Line]:
    try:
        return list(READERS[script.name](found))
    except (KeyError, TypeError, IndexError) as error:
        raise Emo8Error(
            f"{path} lacks {error}: it is of another version of lab/speed/{script.name}.py; "
            "run that again"
        ) from error


def _targets(lines: list[Line]) -> str:
    """Every number that has a target, in one table."""
    met = sum(line.met is True for line in lines)
    return f"## Targets: {met} of {len(lines)} met\n\n{_table(lines)}\n"


def _section(script: Script, found: Mapping[str, Any], lines: list[Line], folder: Path) -> str:
    parts = [f"## {script.what[0].upper()}{script.what[1:]}", "", f"`{script.shown()}`", ""]
    parts += [_table(lines), ""]
    if growth.draw(script.name, found, folder / f"{script.name}.svg"):
        parts += [f"![{script.what}, growth]({script.name}.svg)", ""]
    parts += [script.note, ""] if script.note else []
    parts += [f"Machine: {machine(found.get('machine'))}.", ""]
    return "\n".join(parts)


def _table(lines: list[Line]) -> str:
    rows = ["| what | measured | against | wanted | met |", "|---|---:|---|---|---|"]
    for line in lines:
        met = {True: "yes", False: "**no**", None: ""}[line.met]
        cells = [line.what, f"{_number(line.value)} {line.unit}", line.peer, line.wanted(), met]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine(found: Mapping[str, Any] | None) -> str:
    """The machine of a result in one line."""
    if not found:
        return "not recorded"
    known = {"cpu", "cores", "gpu", "load_1min"}
    parts = [f"{found['cpu']}, {found['cores']} cores"]
    parts += [str(found["gpu"])] if "gpu" in found else []
    parts += [f"{name} {value}" for name, value in found.items() if name not in known]
    load = found.get("load_1min")
    return "; ".join([*parts, *([f"load {load} at the end"] if load is not None else [])])


def _missing(scripts: list[Script]) -> str:
    rows = [f"- {script.what}: `{script.shown()}`" for script in scripts]
    return "\n".join(["## Not measured yet", "", *rows, ""])
