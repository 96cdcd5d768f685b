"""Two of everything at once: the second is told and changes nothing, the first ends as alone.

The first process stands still at one of its changes while the second runs from start to end.
Requests for removal wait for each other instead: many at once, and all are on the list.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.lab.chaos import aimed, inputs
from benchmarks.lab.chaos.commands import built, emo8, pretrained, published
from benchmarks.lab.chaos.row import Asked, Row, Time
from emo8.dataset.removal import LIST_VARIABLE

PICTURES, REQUESTS = 16, 6
# Shares of a command's changes at which it holds its lock for sure.
WHEN = (0.3, 0.8)
TOLD = ("another process", "is being written", "in use")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A command, and the folder that it makes."""

    name: str
    command: aimed.Command
    makes: Path
    result: Callable[[], str]  # hash of what counts


def run(asked: Asked) -> Row:
    """Builds, publishers and runs in pairs, and requests for removal in a crowd."""
    row = Row(name="two at once", promise="the second is told and harms nothing; no request lost")
    aimed.import_all()
    rng, clock, work = asked.rng(), Time(asked.seconds), asked.folder / "work"
    for name in ("first", "second"):
        (asked.folder / name).mkdir()
    pairs = list(_pairs(work))
    alone = {}
    for pair in pairs:
        ended = aimed.run(pair.command, work, asked.folder)
        if ended.code:
            row.count(f"{pair.name} does not run: {ended.output[-300:]}")
            return row
        alone[pair.name] = (len(ended.changes), pair.result())
    tried: Counter[str] = Counter()
    for number in range(asked.tries):
        pair = pairs[-1 - number % len(pairs)]  # the last first: the others' results are needed
        if clock.over():
            break
        changes, wanted = alone[pair.name]
        at = int(changes * rng.uniform(*WHEN))
        tried[pair.name] += 1
        problem = _both(pair, work, asked.folder, at, wanted)
        row.count(problem and f"{pair.name}, the first at change {at}: {problem}")
    row.count(_crowd(work, asked.folder))
    row.figures = {"pairs": dict(tried), "requests_for_removal_at_once": REQUESTS}
    return row


def _pairs(work: Path) -> Iterator[Pair]:
    recipe = inputs.write_inputs(work, inputs.plain(PICTURES))
    build, release, run = (work / name for name in ("BUILD", "release", "RUN"))
    for name, command, makes, counts in (
        ("build", built(recipe, build), build, build / "dataset"),
        ("publish", published(build, release), release, release),
        ("pretrain", pretrained(build, run), run, run / "last" / "model.safetensors"),
    ):
        yield Pair(
            name=name, command=command, makes=makes, result=partial(inputs.tree_hash, counts)
        )  # fmt: skip


def _both(pair: Pair, work: Path, scratch: Path, at: int, wanted: str) -> str:
    """What did not hold when a second one comes while the first is at work; "" = all did."""
    kept = pair.makes.with_name("kept")
    pair.makes.rename(kept)
    first = aimed.start(pair.command, work, scratch / "first", at, "stop")
    if not first.stopped():
        return "the first ended before it was met"
    second = aimed.run(pair.command, work, scratch / "second")
    first.go_on()
    ended = first.wait()
    result = pair.result()
    shutil.rmtree(pair.makes, ignore_errors=True)
    kept.rename(pair.makes)
    if second.code in (0, 137) or second.traceback or not any(w in second.output for w in TOLD):
        return f"the second is not told: it ends with {second.code}, {second.output[-200:]}"
    if ended.code:
        return f"the first ends with {ended.code}: {ended.output[-200:]}"
    return "" if result == wanted else "the first does not end as alone"


def _crowd(work: Path, scratch: Path) -> str:
    """What did not hold when many requests for removal come at once."""
    os.environ[LIST_VARIABLE] = str(work / "removals.jsonl")
    crowd = []
    for number in range(REQUESTS):
        (place := scratch / f"request-{number}").mkdir()
        words = ("remove", f"{number:064x}", "--reason", "asked")
        crowd.append(aimed.start(emo8(*words), work, place))
    codes = [one.wait().code for one in crowd]
    lines = Path(os.environ.pop(LIST_VARIABLE)).read_text().splitlines()
    keys = {json.loads(line)["key"] for line in lines}
    there = all(f"{number:064x}" in keys for number in range(REQUESTS))
    return "" if there and not any(codes) else f"requests: ends {codes}, {len(keys)} on the list"
