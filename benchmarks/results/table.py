"""Result lines as a table: rows model x protocol, with intervals, for README and model card."""

from __future__ import annotations

import html
import json
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.problem.tasks import CLASS_TASKS
from benchmarks.results.cases import Case, by_case, cases, group_column, unseen
from emo8.core.errors import SourceError

HEADER = (
    "dataset", "group", "protocol", "model", "accuracy [95%]", "macro F1 [95%]",
    "majority", "chance", "n", "seeds",
)  # fmt: skip
PUBLISHED = ("dataset", "protocol", "model", "metric", "value", "source", "notes")
PUBLISHED_FILE = Path(__file__).with_name("published.toml")
_NEEDED = ("model", "dataset", "protocol", "n", "metrics", "interval95", "seed", "config_hash")
_LATEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}"})


def read_results(files: Iterable[Path]) -> list[dict[str, Any]]:
    """All results of some JSON lines files; of lines with one config_hash, the last."""
    found: dict[str, dict[str, Any]] = {}
    for path in files:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{path} is no text: give a FILE.jsonl that `emo8-bench run --out` wrote."
            ) from error
        for number, line in enumerate(lines, start=1):
            if line.strip():
                result = _parse(line, f"{path}, line {number}")
                found[result["config_hash"]] = result
    if not found:
        raise SourceError(f"no results in {', '.join(map(str, files)) or 'no files'}.")
    return list(found.values())


def _parse(line: str, where: str) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError as error:
        raise SourceError(f"{where} is not JSON: {error}. Was a run cut off?") from error
    missing = [key for key in _NEEDED if key not in result]
    if missing:
        raise SourceError(f"{where} is not a result of emo8-bench: no {', '.join(missing)}.")
    return result


def tables(results: Sequence[dict[str, Any]]) -> list[Table]:
    """One table of the tasks with one label a row, one for each other task, one of others' numbers.

    Published numbers come from `published.toml` and stand apart, with their source and protocol.
    """
    labelled = [r for r in results if r.get("task", "single") in CLASS_TASKS]
    found = [_main(labelled)] if labelled else []
    for task in sorted({r["task"] for r in results if r not in labelled}):
        mine = [r for r in results if r.get("task") == task]
        names = list(mine[0]["metrics"])
        lines = [_number_line(c, r, names) for c, r in zip(cases(mine), mine, strict=True)]
        header = ("dataset", "group", "protocol", "model", *(f"{n} [95%]" for n in names),
                  "constant", "n", "seed")  # fmt: skip
        if any(map(trained_on, mine)):
            header = (*header, "trained on")
            lines = [(*line, trained_on(r)) for line, r in zip(lines, mine, strict=True)]
        found.append(Table(title=task.replace("_", " "), header=header, lines=lines))
    return found + published({r["dataset"] for r in results})


@dataclass(frozen=True, kw_only=True)
class Table:
    """Lines of texts under a header."""

    title: str  # "" = the main table
    header: tuple[str, ...]
    lines: list[tuple[str, ...]]


def published(datasets: set[str], path: Path = PUBLISHED_FILE) -> list[Table]:
    """What others have published about these datasets, marked as theirs; empty where nothing is."""
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("result", [])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}.") from error
    lines = []
    for entry in entries:
        missing = [key for key in PUBLISHED if not entry.get(key)]
        if missing:
            raise SourceError(f"{path}: an entry lacks {', '.join(missing)}: {entry}.")
        if entry["dataset"] in datasets:
            unread = " (not read in the source itself)" if entry.get("read") == "secondary" else ""
            lines.append((*(str(entry[key]) for key in PUBLISHED[:-1]), entry["notes"] + unread))
    title = "published by others, not measured here; never to be ranked with ours"
    return [Table(title=title, header=PUBLISHED, lines=lines)] if lines else []


def _number_line(case: Case, result: dict[str, Any], names: list[str]) -> tuple[str, ...]:
    cells = []
    for name in names:
        cells.append(_with_interval(result["metrics"].get(name), result["interval95"].get(name)))
    constant = next(iter(result.get("baselines", {}).values()), None)
    shown = "" if constant is None else f"{constant:.3f}"
    return (*astuple(case), *cells, shown, str(result["n"]), str(result["seed"]))


def _with_interval(value: float | None, ends: Sequence[float | None] | None) -> str:
    """A number and its interval; – where it is not defined."""
    if value is None:
        return "–"
    if ends is None or ends[0] is None or ends[1] is None:
        return f"{value:.3f}"
    return f"{value:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"


def _main(results: Sequence[dict[str, Any]]) -> Table:
    """The table of the tasks with one label a row; what people reach stands beside, where known."""
    more = [name for name in MORE if any(MORE[name](result) for result in results)]
    lines = rows(results)
    if more:
        beside = {astuple(case): members[0] for case, members in by_case(results).items()}
        lines = [
            (*line, *(MORE[name](beside.get(line[:4], {})) for name in more)) for line in lines
        ]
    return Table(title="", header=(*HEADER, *more), lines=lines)


def _share(name: str) -> Callable[[dict[str, Any]], str]:
    def cell(result: dict[str, Any]) -> str:
        value = result.get("metrics", {}).get(name)
        return "" if value is None else f"{value:.3f}"

    return cell


def _people(name: str) -> Callable[[dict[str, Any]], str]:
    def cell(result: dict[str, Any]) -> str:
        people = result.get("people")
        if people is None:
            return ""
        return _with_interval(people["metrics"][name], people["interval95"][name])

    return cell


def _worth(result: dict[str, Any]) -> str:
    """How many people a model is worth; "12+" where the votes cannot tell more."""
    worth = result.get("metrics", {}).get("n_equivalent")
    if worth is None:
        return ""
    most = len(result["people"]["agreement"]) - 1
    return f"{most}+" if worth >= most else f"{worth:.1f}"


def trained_on(result: dict[str, Any]) -> str:
    """How many of its test pictures the model was trained on; "" where on none, or unknown."""
    count = sum(result.get("seen", {}).values())
    return f"{count} of {result['n']} test pictures" if count else ""


def caveats(results: Iterable[dict[str, Any]]) -> list[str]:
    """A sentence per model and dataset whose result is flattered by pictures it was trained on."""
    lines = (
        f"{result['model']} was trained on {told} of {result['dataset']}: not a measure of "
        "pictures that it has never seen"
        for result in results
        if (told := trained_on(result))
    )
    return list(dict.fromkeys(lines))


# Columns that are shown where any result has something to say in them.
MORE: dict[str, Callable[[dict[str, Any]], str]] = {
    "coverage": _share("coverage"),
    "refused": _share("refused"),
    "off vocabulary": _share("off_vocabulary"),
    "one person [95%]": _people("person"),
    "perfect model [95%]": _people("ceiling"),
    "worth n people": _worth,
    "trained on": trained_on,
}


def show(found: Sequence[Table], form: str) -> str:
    """All tables in one of FORMATS, each under its title."""
    parts = []
    for one in found:
        if one.title:
            parts.append(_TITLES[form].format(one.title))
        parts.append(FORMATS[form](one.lines, one.header))
    return "\n\n".join(parts)


def rows(results: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """One line of texts per case (dataset, group, protocol, model); seeds are averaged.

    With several seeds, the ends of the interval are averaged too: it is the interval over
    pictures of one seed. Where groups were left out, a last line holds the mean over groups.
    """
    cells = {astuple(case): members for case, members in by_case(results).items()}
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for (dataset, group, *rest), members in cells.items():
        if group:
            mean = f"mean of {group_column(members[0])}{unseen(members[0])}"
            groups.setdefault((dataset, mean, *rest), []).extend(members)
    lines = [_line(key, members, with_interval=True) for key, members in cells.items()]
    lines += [_line(key, members, with_interval=False) for key, members in groups.items()]
    return lines


def _line(
    key: tuple[str, ...], members: list[dict[str, Any]], *, with_interval: bool
) -> tuple[str, ...]:
    def measured(name: str) -> str:
        known = [m for m in members if m["metrics"].get(name) is not None]
        if not known:
            return "–"
        mean = fmean(m["metrics"][name] for m in known)
        if not with_interval:
            return f"{mean:.3f}"
        ends = [fmean(m["interval95"][name][end] for m in known) for end in (0, 1)]
        return _with_interval(mean, ends)

    def baseline(name: str) -> str:
        found = [m["baselines"][name] for m in members if "baselines" in m]
        return f"{fmean(found):.3f}" if found else ""

    seeds = {m["seed"] for m in members}
    total = sum(m["n"] for m in members) // len(seeds)
    return (
        *key, measured("accuracy"), measured("macro_f1"), baseline("majority"),
        baseline("chance"), str(total), str(len(seeds)),
    )  # fmt: skip


def markdown(lines: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> str:
    """A table for README and model card."""
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in (header, *lines)]
    rule = ["---"] * 4 + ["---:"] * (len(header) - 4)
    return "\n".join(f"| {' | '.join(line)} |" for line in (escaped[0], rule, *escaped[1:]))


def html_table(lines: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> str:
    """A table element without style."""

    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    body = "\n".join(row(line, "td") for line in lines)
    return f"<table>\n<thead>{row(header, 'th')}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def latex(lines: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> str:
    """A tabular that needs the package booktabs."""

    def row(cells: Sequence[str]) -> str:
        return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"

    columns = "l" * 4 + "r" * (len(header) - 4)
    body = "\n".join(row(line) for line in lines)
    start = f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{row(header)}\n\\midrule\n"
    return f"{start}{body}\n\\bottomrule\n\\end{{tabular}}"


FORMATS: dict[str, Callable[[Sequence[Sequence[str]], Sequence[str]], str]] = {
    "markdown": markdown,
    "html": html_table,
    "latex": latex,
}
_TITLES = {"markdown": "**{}**", "html": "<h3>{}</h3>", "latex": "% {}"}
