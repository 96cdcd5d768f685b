"""`emo8-bench check`: what lies on the disk, counted and compared with the documented numbers."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.adapters import registry
from benchmarks.adapters.base import LabelledRows

MARKS = {
    "H": "read from the primary source",
    "M": "from a careful secondary source",
    "L": "one weak source: check it yourself",
    "U": "unknown",
}
# What usually lies behind a difference, by benchmark.
REASONS = {
    "fi": "people obtain about 23,185 pictures today, some of them placeholders (left out here)",
    "emotic": "people without complete VAD or with a wrong box are dropped; the 2017 release had "
    "18,313 pictures and 23,788 people",
    "emo8": "the number is from secondary sources; the authors give none that was found",
    "artemis": "80,031 paintings have answers; not all pictures are in every copy of WikiArt",
    "emoset": "some copies hold only val and test, or a few rows",
    "caer_s": "3,000 pictures a class in test and 7,000 in train, less a few in each copy",
    "unbiased_emotion": "the number is commonly quoted and was never confirmed",
    "webemo": "links of stock pictures expire",
    "findingemo": "pictures vanish from the web; of 25,000 annotations about 19,600 are public",
}


@dataclass(frozen=True, kw_only=True)
class CheckLine:
    """One documented number beside what is there."""

    part: str  # all, a split, or pictures
    label: str  # "all" or a label
    found: int
    documented: int | None
    mark: str

    @property
    def differs(self) -> bool:
        return self.documented is not None and self.documented != self.found


@dataclass(frozen=True, kw_only=True)
class Report:
    """Counts of one dataset, and how they compare."""

    name: str
    rows: int
    lines: tuple[CheckLine, ...]
    missing: int  # files that are named and not there
    notes: tuple[str, ...]

    @property
    def differences(self) -> tuple[CheckLine, ...]:
        return tuple(line for line in self.lines if line.differs)


def check(name: str, path: Path, *, split_seed: int = 0) -> tuple[Report, LabelledRows]:
    """The report on a registered benchmark or a TOML's dataset, and its rows."""
    rows = registry.read(name, path, split_seed=split_seed)
    counts = _counts(rows)
    expected = _expected(name)
    lines = []
    for part in ("train", "val", "test"):
        if part in expected:  # a split that is not there is a difference
            counts.setdefault(part, Counter({"all": 0}))
    for part, found in counts.items():
        documented = expected.get(part, {})
        mark = str(documented.get("mark", "U"))
        for label in ["all", *sorted(set(found) - {"all"})]:
            number = documented.get(label)
            lines.append(
                CheckLine(part=part, label=label, found=found[label], documented=number, mark=mark)
            )
        for label in sorted(set(documented) - set(found) - {"mark"}):
            lines.append(
                CheckLine(part=part, label=label, found=0, documented=documented[label], mark=mark)
            )
    report = Report(
        name=name, rows=len(rows), lines=tuple(lines), missing=_missing(rows), notes=rows.notes
    )
    return report, rows


def _counts(rows: LabelledRows) -> dict[str, Counter[str]]:
    labels: list[tuple[str, ...]] = [(e,) if e else () for e in rows.emotion]
    if rows.several is not None:
        labels = [tuple(several or ()) for several in rows.several]
    counts: dict[str, Counter[str]] = {"all": Counter()}
    for split, own in zip(rows.split, labels, strict=True):
        for part in ("all", split):
            if part is not None:
                counts.setdefault(part, Counter())["all"] += 1
                counts[part].update(own)
    if "file" in rows.column_names:
        files = {file for file in rows.column("file") if file}
        if len(files) != len(rows):
            counts["pictures"] = Counter({"all": len(files)})
    return counts


def _missing(rows: LabelledRows) -> int:
    """How many of the named pictures cannot be read; every file is looked at, none decoded."""
    missing = 0
    for start in range(0, len(rows), 64):
        wanted = range(start, min(start + 64, len(rows)))
        missing += sum(data is None for data in rows.images(wanted))
    return missing


def _expected(name: str) -> dict[str, Any]:
    with (Path(__file__).resolve().parents[1] / "results" / "expected.toml").open("rb") as file:
        known = tomllib.load(file)
    if name in known:
        found: dict[str, Any] = known[name]
        return found
    if name in registry.TABLES or name.endswith(".toml"):
        from benchmarks.adapters import described

        return described.load(registry.TABLES.get(name, Path(name))).expected
    return {}


def text(report: Report) -> str:
    """The report for people: counts, what differs, and what that usually means."""
    shown = [f"{report.name}: {report.rows} rows"]
    for line in report.lines:
        if line.documented is None:
            beside = ""
        elif line.differs:
            beside = f"  documented {line.documented} [{line.mark}]: {_gap(line)}"
        else:
            beside = f"  as documented [{line.mark}]"
        shown.append(f"  {line.part:<10} {line.label:<16} {line.found:>7}{beside}")
    if report.missing:
        shown.append(f"  {report.missing} named pictures are missing or unreadable")
    shown += [f"  note: {note}" for note in report.notes]
    marks = sorted({line.mark for line in report.differences})
    if marks:
        shown.append("differences:")
        shown += [f"  [{mark}] = {MARKS.get(mark, 'unknown')}" for mark in marks]
        reason = REASONS.get(report.name, "a copy may be incomplete or of another version")
        shown.append(f"  usual reason: {reason}")
    else:
        shown.append("nothing differs from what is documented")
    return "\n".join(shown)


def _gap(line: CheckLine) -> str:
    assert line.documented is not None
    gap = line.found - line.documented
    return f"{gap:+d}" if line.found else "not there"
