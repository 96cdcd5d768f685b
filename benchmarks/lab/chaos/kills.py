"""Commands killed at their n-th change; the same command again must end as if nothing had been."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.lab.chaos import aimed, inputs
from benchmarks.lab.chaos.commands import built, emo8, pretrained, published
from benchmarks.lab.chaos.row import Asked, Row, Time
from emo8.dataset.removal import LIST_VARIABLE

PICTURES = 24


@dataclass(frozen=True, kw_only=True)
class Victim:
    """A command, and what must be there when it has ended."""

    name: str
    before: Path  # the folder it is run on; the command sees a copy of it
    command: aimed.Command
    state: Callable[[str], str]  # hash of what counts after such a kill
    whole: Callable[[], str]  # what is wrong right after a kill, in words; "" = nothing
    done_already: str = ""  # what the same command may refuse with when all was done; "" = never


def run(asked: Asked) -> Row:
    """As many kills as the time allows, spread over all changes of all commands."""
    aimed.import_all()
    row = Row(name="kills", promise="nothing lost: the same command again ends as if not killed")
    place, clock = asked.folder / "here", Time(asked.seconds)
    rng, counts = asked.rng(), {}
    with _removals(place / "removals.jsonl"):
        runs, ends = [], {}
        for victim in _victims(asked.folder, place):
            _fresh(victim, place)
            ended = aimed.run(victim.command, place, asked.folder)
            if ended.code:
                row.count(f"{victim.name} does not run: {ended.output[-300:]}")
                continue
            ends[victim.name] = {how: victim.state(how) for how in aimed.HOWS}
            runs.append((victim, len(ended.changes)))
            counts[victim.name] = {"changes": len(ended.changes), "tries": 0}
        plan = _plan(runs, asked.tries, rng)
        for victim, at, how in plan:
            if clock.over():
                break
            counts[victim.name]["tries"] += 1
            problem = _try(victim, place, asked.folder, at, how, ends[victim.name][how])
            row.count(problem and f"{victim.name}, {how} at change {at}: {problem}")
    row.figures = {"commands": counts}
    return row


def _plan(runs: list[tuple[Victim, int]], tries: int, rng: Random) -> list[tuple[Victim, int, str]]:
    """Where and how to kill: as many times each command as it allows, spread over its changes."""
    most = [changes * len(aimed.HOWS) for _, changes in runs]
    level = next(
        n for n in range(1, tries + 1) if sum(min(n, m) for m in most) >= min(tries, sum(most))
    )
    plan = []
    for victim, changes in runs:
        hows = [(at, how) for at in range(changes) for how in rng.sample(aimed.HOWS, 3)]
        share, offset = min(level, len(hows)), rng.random()
        plan += [(victim, *hows[int(len(hows) * (n + offset) / share)]) for n in range(share)]
    rng.shuffle(plan)
    return plan


def _try(victim: Victim, place: Path, scratch: Path, at: int, how: str, wanted: str) -> str:
    """What did not hold; "" = all did."""
    _fresh(victim, place)
    ended = aimed.run(victim.command, place, scratch, at, how)
    where = ended.changes[-1] if ended.changes else "nothing"
    if ended.traceback:
        return f"{where}: a traceback, {ended.traceback}"
    if problem := victim.whole():
        return f"{where}: {problem}"
    again = aimed.run(victim.command, place, scratch)
    refused = again.code and not (victim.done_already and victim.done_already in again.output)
    if refused:
        return f"{where}: the same command again ends with {again.code}: {again.output[-300:]}"
    return "" if victim.state(how) == wanted else f"{where}: the end is another one"


def _fresh(victim: Victim, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(victim.before, place, symlinks=True)


@contextmanager
def _removals(path: Path) -> Iterator[None]:
    before = os.environ.get(LIST_VARIABLE)
    os.environ[LIST_VARIABLE] = str(path)
    try:
        yield
    finally:
        os.environ.pop(LIST_VARIABLE)
        if before is not None:
            os.environ[LIST_VARIABLE] = before


def _victims(folder: Path, place: Path) -> Iterator[Victim]:
    """Each command with the state it begins from; the states are made one from another."""
    recipe, build = place / "recipe.toml", place / "BUILD"
    release, sheet = place / "release", place / "votes.csv"
    building, publishing = built(recipe, build), published(build, release)
    voting = emo8("review", build, "--import", sheet)

    def kept(name: str, *commands: aimed.Command) -> Path:
        """The folder as it is after these commands, put aside."""
        for command in commands:
            ended = aimed.run(command, place, folder)
            if ended.code:
                raise RuntimeError(f"{name}: {ended.output[-600:]}")
        return Path(shutil.copytree(place, folder / name, symlinks=True))

    inputs.write_inputs(place, inputs.plain(PICTURES))
    start = kept("start")
    kept("built", building)
    _write_votes(build, sheet)
    with_sheet = kept("sheet")
    with_release = kept("released", publishing, voting, building)
    old_release = inputs.tree_hash(release)
    removed = emo8("remove", _ids(build)[0], "--reason", "asked", "--from", build)
    with_removal = kept("removed", removed)

    def dataset(how: str) -> str:
        return inputs.tree_hash(build / "dataset")

    yield Victim(name="build", before=start, command=building, state=dataset, whole=str)
    yield Victim(
        name="votes", before=with_sheet, command=voting, whole=str,
        done_already="was imported before",
        state=lambda how: _votes(build / "tables" / "votes.parquet"),
    )  # fmt: skip
    yield Victim(
        name="publish", before=with_release, command=publishing,
        state=lambda how: inputs.tree_hash(release),
        whole=lambda: "" if _is_release(release, old_release) else "no whole release is there",
    )  # fmt: skip
    yield Victim(
        name="remove", before=with_release, command=removed, whole=str,
        state=lambda how: (place / "removals.jsonl").read_text(),
    )  # fmt: skip
    yield Victim(
        name="rebuild without a removed picture", before=with_removal, command=building,
        state=dataset, whole=str,
    )  # fmt: skip
    yield _training(place, with_release)


def _ids(build: Path) -> list[str]:
    import pyarrow.parquet as pq

    shards = sorted((build / "dataset").glob("data/*/*.parquet"))
    return [name for shard in shards for name in pq.read_table(shard)["id"].to_pylist()]


def _write_votes(build: Path, sheet: Path) -> None:
    with sheet.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "annotator", "emotion", "time"])
        for name in _ids(build)[:6]:
            out.writerow([name, "ann", "awe", "2026-01-02T03:04:05Z"])


def _votes(path: Path) -> str:
    """The votes; the annotator's pseudonym is as secret as the build's salt, which is random."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    people = len(set(table["annotator"].to_pylist()))
    return f"{people} annotators: {table.drop_columns('annotator').to_pylist()}"


def _is_release(release: Path, before: str) -> bool:
    """The release of before, or another one of which every file is what its manifest says."""
    from emo8.publish.verify import verify

    return inputs.tree_hash(release) == before or (
        release.exists() and not verify(release).problems
    )


def _training(place: Path, before: Path) -> Victim:
    run = place / "RUN"

    def whole() -> str:
        """Once a checkpoint is there, one is always there and whole."""
        from pretrain.train.checkpoints import damage
        from pretrain.weights.encoder import older

        folders = [path for path in (run / "last", *older(run)) if path.exists()]
        problems = [damage(path) for path in folders]
        return "; ".join(filter(None, problems))

    def state(how: str) -> str:
        # a step that a full disk did not take cannot be the best one any more
        names = ("last",) if how == "full" else ("last", "best")
        return "".join(inputs.file_hash(run / name / "model.safetensors") for name in names)

    return Victim(
        name="pretrain",
        before=before,
        command=pretrained(place / "BUILD", run),
        state=state,
        whole=whole,
    )
