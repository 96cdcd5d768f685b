"""What each result is of, in words: results with equal words differ in their seed alone.

Tables, figures and comparisons all group by these words, so that no mean and no test mixes what was
asked differently. A part of the question that is the same in all results stays unsaid.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

Result = dict[str, Any]
SHOWN_OF_HASH = 8  # hexadecimal digits


@dataclass(frozen=True, order=True)
class Case:
    """The words of one result; `group` is "" where no group is left out."""

    dataset: str
    group: str
    protocol: str
    model: str


def cases(results: Sequence[Result]) -> list[Case]:
    """The case of each result, told apart from the others it stands beside."""
    found = [_plain(result) for result in results]
    for part, beside, facts in _PARTS:
        told = [facts(result) for result in results]
        differ = _differing([beside(case) for case in found], told)
        found = [
            replace(case, **{part: getattr(case, part) + _marks(own, differ[beside(case)])})
            for case, own in zip(found, told, strict=True)
        ]
    return found


def by_case(results: Sequence[Result]) -> dict[Case, list[Result]]:
    """The results of each case, in order."""
    found: dict[Case, list[Result]] = {}
    for case, result in zip(cases(results), results, strict=True):
        found.setdefault(case, []).append(result)
    return found


def group_column(result: Result) -> str:
    """The column whose values were left out in turn, as a word."""
    return str(result.get("group_column") or "group")


def unseen(result: Result) -> str:
    """Marks results whose test clusters no training row of any group has shown."""
    return f", unseen {result['cluster_column']}" if result.get("cluster_column") else ""


def _plain(result: Result) -> Case:
    group = ""
    if result.get("group"):
        group = f"{group_column(result)}={result['group']}{unseen(result)}"
    shots = _settings(result).get("shots")
    protocol = result["protocol"] + (f" ({shots} shots)" if shots else "")
    marks = "" if result.get("labels") != "all" else " (all labels)"
    if result.get("task", "single") in ("dominant", "polarity"):
        marks += f" ({result['task']})"
    view = f" ({result['view']} view)" if result.get("view") else ""
    return Case(f"{result['dataset']}{marks}", group, protocol + view, result["model"])


def _settings(result: Result) -> dict[str, Any]:
    return dict(result.get("settings") or {})


def _of_rows(result: Result) -> dict[str, Any]:
    column = None if result.get("group") else result.get("cluster_column")
    return {"without": result.get("leave_out"), "cluster": column}


def _hash_of_rows(result: Result) -> dict[str, Any]:
    """Tables of answers hash their rows differently, so theirs differ among themselves only."""
    kind = "answered rows" if result["protocol"] == "answers" else "rows"
    return {kind: _short(result.get("dataset_sha256"))}


def _of_protocol(result: Result) -> dict[str, Any]:
    asked = {k: v for k, v in _settings(result).items() if k not in ("shots", "rule_sha256")}
    return {"split": result.get("split"), **asked, "crop": result.get("person_crop")}


def _of_model(result: Result) -> dict[str, Any]:
    """Weights that come from the seed, and answers, are one model whatever their hash."""
    own = not result["model"].startswith("random:")
    return {"weights": _short(result.get("model_sha256"))} if own else {}


def _short(digest: str | None) -> str | None:
    return None if digest is None else digest[:SHOWN_OF_HASH]


# Which part of a case is told more exactly, among which cases, by which facts; in this order.
_PARTS: tuple[tuple[str, Callable[[Case], Any], Callable[[Result], dict[str, Any]]], ...] = (
    ("dataset", lambda case: case.dataset, _of_rows),
    ("dataset", lambda case: case.dataset, _hash_of_rows),
    ("protocol", lambda case: (case.dataset, case.protocol), _of_protocol),
    ("model", lambda case: case.model, _of_model),
)


def _differing(
    beside: Sequence[Any], told: Sequence[dict[str, Any]]
) -> dict[Any, dict[str, set[str]]]:
    """Per group of cases the facts that have several values in it; an absent fact is no value."""
    seen: dict[Any, dict[str, set[str]]] = {}
    for key, facts in zip(beside, told, strict=True):
        own = seen.setdefault(key, {})
        for name, value in facts.items():
            own.setdefault(name, set()).add(_text(value))
    return {
        key: {name: values for name, values in own.items() if len(values) > 1}
        for key, own in seen.items()
    }


def _marks(facts: dict[str, Any], differ: dict[str, set[str]]) -> str:
    said = [f"{name} {_text(value)}" for name, value in facts.items() if name in differ]
    return f" ({', '.join(said)})" if said else ""


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value)) or "none"
    return json.dumps(value, ensure_ascii=False).strip('"')
