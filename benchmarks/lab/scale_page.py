"""`benchmarks/SCALE.md` as text: the plan's numbers, and where the present design ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from benchmarks.lab.speed.page import machine

if TYPE_CHECKING:
    from benchmarks.lab.scale import Assumption, Plan, Stage

HEAD = """\
# Scale: 10 million and a billion links

Written by `python -m benchmarks.scale` from the measured files in
[results/speed](results/speed/README.md), so it cannot drift from them. No pictures in such numbers
were built by us: the largest measured runs are named in the tables, everything beyond is
extrapolated.
"""

STOPS = """\
## Where the present design stops

Steps over parts (fetch, measure, embed, label) hold one part in memory and spread over a cluster:
they need more machines and nothing new. Steps over the whole dataset (verdicts, clusters, splits)
are SQL over the parts, in one process{memory}.

Copies are searched in tasks, on the workers of either engine: hashes by bands and shards, vectors
by pieces of rows in an index that is trained once and lies in files. What they find is merged on
disk; memory holds only the pairs that may be copies. The views that they compare are files of
{view_kb:.1f} KB a row, {views}.

The next limits:

- **One machine for what joins all rows.** A billion rows ask this process for {hours} core hours
  of SQL and a disk for what it spills. DuckDB uses the cores of one machine and no others.
- **Views** are written by the one process that plans the search, and every node reads them from
  the shared file system.
- **Near copies beyond a million** were not timed as a whole: the numbers in the plan are
  extrapolated from
  {wide}, which a graph in memory took; beyond 300,000
  vectors it is lists in files. How many of them are probed decides how many copies are found:
  measure the recall on planted copies of your own before you trust it.
- **Files.** Parts of {part_rows} rows would make {parts} files per step. They grow with a
  source up to 4,096 rows, some 2,500 files per step for ten million; opening them is a third of the
  time of the steps over all rows where they are small.
- **The list** is planned by one process that reads all of it, and what has arrived is kept in a
  folder until it is ingested: fetch in several recipes, one per slice of the list, and join the
  builds as table sources.
- **Publishing** checks and uploads from one machine; shards that did not change are not sent again.
"""


def render(
    plans: Sequence[Plan], assumed: Assumption, found: Mapping[str, Any], *, part_rows: int
) -> str:
    """The page."""
    last = plans[-1]
    stops = STOPS.format(
        memory=_memory(plans, found),
        view_kb=last.views_tb * 1e9 / last.arrived,
        views=" and ".join(f"{plan.views_tb:,.2g} TB for {_rows(plan)}" for plan in plans),
        part_rows=part_rows,
        parts=" and ".join(f"{-(-plan.links // part_rows):,}" for plan in plans),
        hours=_hours(plans[-1], found),
        wide=next(
            (s.basis for s in plans[0].stages if "vectors" in s.name and s.core_h), "nothing"
        ),
    )
    costs = [_amounts(plans), _whole(plans, found)]
    return "\n".join([HEAD, _assumptions(assumed), _plan(plans), *costs, stops, _machines(found)])


def _rows(plan: Plan) -> str:
    return f"{plan.arrived:,} pictures"


def _assumptions(assumed: Assumption) -> str:
    lines = ["## Assumed, not measured", "", "| assumption | value | why |", "|---|---:|---|"]
    for each in fields(assumed):
        value = getattr(assumed, each.name)
        unit, why = each.metadata["unit"], each.metadata["why"]
        lines.append(f"| `{each.name}` | {value:g} {unit} | {why} |")
    return "\n".join([*lines, ""])


def _plan(plans: Sequence[Plan]) -> str:
    sizes = " | ".join(f"{plan.links:,} links" for plan in plans)
    lines = ["## The plan", "", f"| step | which engine does it | {sizes} | rests on |",
             f"|---|---|{'---:|' * len(plans)}---|"]  # fmt: skip
    for stages in zip(*(plan.stages for plan in plans), strict=True):
        cells = " | ".join(_work(stage) for stage in stages)
        one = stages[0]
        basis = (
            one.basis if one.core_h is not None else f"not measured: benchmarks.speed.{one.basis}"
        )
        lines.append(f"| {one.name} | {one.engine} | {cells} | {basis} |")
    return "\n".join([*lines, ""])


def _work(stage: Stage) -> str:
    if stage.core_h is None:
        told = "?"
    else:
        told = f"{stage.gpu_h:,.3g} GPU h" if stage.gpu_h else f"{_round(stage.core_h)} core h"
    return f"{told}; {stage.wall}" if stage.wall else told


def _round(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _amounts(plans: Sequence[Plan]) -> str:
    sizes = " | ".join(f"{plan.links:,} links" for plan in plans)
    lines = ["## What it costs", "", f"| | {sizes} |", "|---|" + "---:|" * len(plans)]
    rows = {
        "arrived, kept": lambda p: f"{p.arrived:,}, {p.kept:,}",
        "core hours C": lambda p: _round(p.core_h),
        "GPU hours G": lambda p: _round(p.gpu_h),
        "stored (as received, columns, published) T": lambda p: f"{p.store_tb:,.3g} TB",
        "sent to the Hub U": lambda p: f"{p.out_tb:,.3g} TB",
        "cores for one week": lambda p: f"{max(1, round(p.core_h / 168)):,}",
        "memory of steps over the whole dataset": lambda p: (
            "not measured" if p.memory_gb is None else f"{p.memory_gb:,.3g} GB"
        ),
    }
    for name, tell in rows.items():
        lines.append(f"| {name} | " + " | ".join(tell(plan) for plan in plans) + " |")
    unknown = sorted({s.name for s in plans[0].stages if s.core_h is None})
    without = f" Without {', '.join(unknown)}: not measured yet." if unknown else ""
    return "\n".join([*lines, "", _formula() + without, ""])


def _whole(plans: Sequence[Plan], found: Mapping[str, Any]) -> str:
    """What whole builds took, as a check on the sum of the steps; empty where none was timed."""
    if "memory" not in found:
        return ""
    told = found["memory"]
    most, exponent = told["sizes"][-1], max(1.0, told["time_exponent"])
    grown = " and ".join(
        f"{_round(most['seconds'] * (plan.arrived / most['rows']) ** exponent / 3600)} h for "
        f"{plan.arrived:,}"
        for plan in plans
    )
    return (
        f"As a check: a whole build of {most['rows']:,} small pictures by one worker, with the "
        f"embedded CLIP, took {most['seconds'] / 3600:.2g} h; at rows^{exponent:.2f} that is "
        f"{grown}.\n"
    )


def _formula() -> str:
    return (
        "Dollars of the first month = C x price of a core hour + G x price of a GPU hour + T x "
        "price of a TB and month + U x price of a TB sent; `python -m benchmarks.scale --prices "
        "core=… gpu=… tb_month=… tb_out=…` computes it. People's time is not in it."
    )


def _memory(plans: Sequence[Plan], found: Mapping[str, Any]) -> str:
    if "global_steps" not in found:
        return "; its memory was not measured yet"
    told = found["global_steps"]
    first, last = told["sizes"][0], told["sizes"][-1]
    needs = " and ".join(f"{plan.memory_gb:,.3g} GB for {plan.links:,}" for plan in plans)
    return (
        f'. With `[engine] memory = "{told["memory"]}"` it takes\n{last["cpu_s"]:.1f} CPU s for '
        f"{last['rows']:,} rows and holds {last['peak_mb']:,.0f} MB at most, "
        f"{told['kb_per_row']:g} KB a row more than for\n{first['rows']:,} rows. "
        f"Without a cap it would grow to {needs};\n"
        f"the database stops at the cap and spills the rest into the build{_largest(found)}"
    )


def _largest(found: Mapping[str, Any]) -> str:
    """The largest run, with its machine and command."""
    if "global_steps_10m" not in found:
        return ""
    told = found["global_steps_10m"]
    return (
        f".\n\n**{told['rows']:,} rows**, pairs of equal pictures included, no search for near "
        f"ones: {told['cpu_s']:,.0f} CPU s,\n{told['seconds'] / 60:.0f} minutes on 2 shared "
        f"cores at a load of {told['machine']['load_1min']:.0f}, "
        f"{told['peak_mb']:,.0f} MB at most, "
        f"{told['spilled_mb'] / 1024:.1f} GB spilled; then\n`emo8 status` takes "
        f"{told['status_cpu_s']:.1f} and `emo8 decide --try` {told['try_cpu_s']:.0f} CPU s. "
        f"{machine(told['machine'])}:\n"
        f"`python -m benchmarks.speed global_steps --rows {told['rows']} --memory {told['memory']} "
        "--out global_steps_10m.json`"
    )


def _hours(plan: Plan, found: Mapping[str, Any]) -> str:
    if "global_steps" not in found:
        return "?"
    last = found.get("global_steps_10m", found["global_steps"])["sizes"][-1]
    return _round(last["cpu_s"] / last["rows"] * plan.links / 3600)


def _machines(found: Mapping[str, Any]) -> str:
    told = sorted({machine({**f["machine"], "load_1min": None}) for f in found.values()
                   if f.get("machine")})  # fmt: skip
    return "\n".join(["Measured on: " + " / ".join(told) + ".", ""]) if told else ""
