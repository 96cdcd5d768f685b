"""One bit flipped in one file of a build, a release or a run: the check of that place must tell."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.lab.chaos import aimed, inputs
from benchmarks.lab.chaos.commands import built, pretrained, published
from benchmarks.lab.chaos.row import Asked, Row, Time

PICTURES = 20
Check = Callable[[], list[str]]  # what is wrong, in words


def run(asked: Asked) -> Row:
    """Flips spread over rows, columns, tables, dataset, release and run; each is undone again."""
    row = Row(name="bit flips", promise="noticed by the check of that place, which names the file")
    rng, clock, seen = asked.rng(), Time(asked.seconds), {}
    places = list(_places(asked.folder))
    for number in range(asked.tries):
        if clock.over():
            break
        name, files, check = places[number % len(places)]
        path = rng.choice(files)
        seen[name] = seen.get(name, 0) + 1
        row.count(_flip(path, rng, check))
    for name, _, check in places:
        if left := check():
            row.count(f"{name}: said of files that are as they were: {left[0]}")
    row.figures = {"flips": seen}
    return row


def _flip(path: Path, rng: random.Random, check: Check) -> str:
    """What did not hold when one bit of a file is another; the file is then as before."""
    before = path.read_bytes()
    at = rng.randrange(8 * len(before))
    after = bytearray(before)
    after[at // 8] ^= 1 << at % 8
    path.write_bytes(after)
    try:
        told = check()
    finally:
        path.write_bytes(before)
    if any(path.name in line or path.parent.name in line for line in told):
        return ""
    return f"bit {at} of {'/'.join(path.parts[-3:])}: told {told or 'nothing'}"


def _places(folder: Path) -> Iterator[tuple[str, list[Path], Check]]:
    build, release, run = folder / "BUILD", folder / "release", folder / "RUN"
    recipe = inputs.write_inputs(folder, inputs.plain(PICTURES))
    words = [built(recipe, build), published(build, release), pretrained(build, run)]
    for command in words:
        ended = aimed.run(command, folder, folder)
        if ended.code:
            raise RuntimeError(ended.output[-600:])

    def in_build() -> list[str]:
        from emo8.engine.plan import load_plan
        from emo8.pipeline import integrity

        plan = load_plan(build)
        assert plan is not None  # as built
        return [f"{one.path} {one.cause}" for one in integrity.find(build, plan)]

    def in_release() -> list[str]:
        from emo8.publish.verify import verify

        return verify(release).problems

    def in_run() -> list[str]:
        from pretrain.train.checkpoints import damage
        from pretrain.weights.encoder import older

        return [
            told for path in (run / "last", *older(run), run / "best") if (told := damage(path))
        ]

    for name in ("rows", "columns", "tables", "dataset"):
        files = [path for path in sorted((build / name).rglob("*")) if path.is_file()]
        yield name, files, in_build
    yield "release", [path for path in sorted(release.rglob("*")) if path.is_file()], in_release
    kept = [run / "last", *sorted((run / "checkpoints").iterdir()), run / "best"]
    yield "run", [path for one in kept for path in sorted(one.iterdir())], in_run
