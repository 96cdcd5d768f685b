"""The plan of a run: which parts there must be, which fingerprint each must carry, what happened.

Kept as `BUILD/plan.json`, so that `status` can tell done from stale without redoing anything.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emo8.engine.build_folder import PLAN, read_json
from emo8.engine.files import fingerprint, read_fingerprint, write_text
from emo8.engine.steps import ROWS, part_path

_SUM = "checksum"  # of all else in the file


@dataclass
class Plan:
    """Fingerprints by step and part, and the outcome of the last run."""

    fingerprints: dict[str, list[str]]  # step -> one per part
    reused: dict[str, int] = field(
        default_factory=dict
    )  # parts in which the last run worked on no row
    rows_redone: dict[str, int] = field(default_factory=dict)  # rows the last run worked on
    failed: dict[str, dict[str, str]] = field(default_factory=dict)  # step -> part -> cause
    decision: str = ""  # fingerprint of thresholds, splits and everything they read
    removals: str = ""  # fingerprint of the removal list that the decision honoured
    dataset: str = ""  # fingerprint of dataset/ once it is complete, else empty
    # inputs that could not be read by chunk, None until it is known; and how often each chunk whose
    # inputs could not be read was tried again
    unread: dict[str, int] | None = None
    tries: dict[str, int] = field(default_factory=dict)
    made_of: dict[str, dict[str, Any]] = field(default_factory=dict)  # step -> `Step.made_of`
    why: dict[str, str] = field(default_factory=dict)  # step -> why its parts had to be made anew
    cut: int = 0  # version of the cut into parts; 0: after every 256 rows
    sums: dict[str, str] = field(default_factory=dict)  # small files of the run -> SHA-256

    def stale(self, build: Path, step: str) -> list[int]:
        """Parts of a step that are missing or carry another fingerprint."""
        wanted = enumerate(self.fingerprints[step])
        return [n for n, mark in wanted if read_fingerprint(part_path(build, step, n)) != mark]

    def failed_parts(self) -> dict[int, str]:
        """Part number -> the step that failed on it."""
        return {int(part): step for step, parts in self.failed.items() for part in parts}

    def save(self, build: Path) -> None:
        content = asdict(self)
        write_text(build / PLAN, json.dumps({**content, _SUM: fingerprint(content)}) + "\n")


def changes(before: Plan | None, now: Plan, reads: dict[str, list[str]]) -> dict[str, str]:
    """Per step why its parts are not those of the plan before; `reads` are the tables it reads."""
    found: dict[str, str] = {}
    for step, marks in now.fingerprints.items():
        if before is None or step not in before.fingerprints:
            continue
        old, new = before.made_of.get(step), now.made_of.get(step)
        if before.fingerprints[step] == marks:
            found |= {step: before.why[step]} if step in before.why else {}
        elif step not in now.made_of:
            found[step] = "the sources are others, or are read otherwise"
        elif old is None:
            found[step] = "another version of emo8 made it, and did not write down how"
        elif old != new:
            found[step] = "; ".join(_differences(old, new or {}))
        else:
            changed = [table for table in reads[step] if table in found]
            found[step] = f"made of {', '.join(changed) or ROWS}, which changed"
    return found


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """What differs between two JSON values, each with its name, before and after."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [f"{name}: {_short(old)} before, {_short(new)} now"] if old != new else []
    lines = []
    for key in sorted({*old, *new}):
        inside = f"{name}.{key}" if name else key
        lines += _differences(old.get(key, "nothing"), new.get(key, "nothing"), inside)
    return lines


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


def load_plan(build: Path) -> Plan | None:
    """The plan of the last run; None when there is none or it is damaged."""
    content = read_json(build / PLAN)
    if content is None or content.pop(_SUM, None) != fingerprint(content):
        return None
    return Plan(**content)


def step_status(build: Path, plan: Plan) -> dict[str, dict[str, Any]]:
    """Per step: parts in total, done, reused by the last run, stale, failed, and the causes."""
    status = {}
    for step, wanted in plan.fingerprints.items():
        stale = set(plan.stale(build, step))
        causes = plan.failed.get(step, {})
        present = {n for n in stale if part_path(build, step, n).exists()}
        status[step] = {
            "parts_total": len(wanted),
            "parts_done": len(wanted) - len(stale),
            "parts_reused": plan.reused.get(step, 0),
            "rows_redone": plan.rows_redone.get(step, 0),
            "parts_stale": len(present),
            "parts_failed": len(causes),
            "failures": causes,
            "why": plan.why.get(step, ""),
        }
    return status
