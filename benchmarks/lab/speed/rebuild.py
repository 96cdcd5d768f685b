"""Time of building again after one change, against the first build of the same rows.

    python -m benchmarks.speed rebuild --pictures 'corpus/images-*.parquet' --out rebuild.json

Builds with the embedded CLIP and without a detector, then changes one thing at a time: nothing, a
threshold, a word of a prompt, one picture of every hundred, the calibration; each several times, to
another value every time.
Every run is a fresh process of `emo8 build`; wall and CPU seconds (of all its processes, read from
/proc) include its start, medians over the rounds. `pictures_decoded` is false where `emo8 status`
shows that every part of the steps that read pictures was reused and the writer encoded none.
"""

from __future__ import annotations

import argparse
import glob
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from benchmarks.lab.output import tell
from benchmarks.lab.speed.small_build import count_cpu
from emo8.labels.clip.prompts import DEFAULT_PATH

_COLUMNS = ("image", "caption", "style", "license", "emotion_hint")
_RECIPE = """\
name = "rebuild"
[[source]]
kind = "folder"
path = "pictures"
sidecar = "said.parquet"
columns = { emotion = "emotion_hint" }
[people]
detector = "off"
[decide]
min_contrast = 2.0
[labels]
clip = ["embedded"]
prompts = "own.toml"
calibration_min_rows = 10
"""
_MARK = "EMO8_REBUILD"
_BUILD = ("build", "recipe.toml", "-o", "BUILD")
_READ_PICTURES = ("rows", "measure", "people", "embed-embedded")


def prepare(folder: Path, pattern: str, rows: int) -> int:
    """A recipe and up to `rows` of the pictures, drawn evenly from all files; how many."""
    names = sorted(glob.glob(pattern))
    if not names:
        raise SystemExit(f"{pattern}: no such file")
    table = pa.concat_tables(pq.read_table(name, columns=list(_COLUMNS)) for name in names)
    places = np.linspace(0, len(table) - 1, min(rows, len(table))).astype(int)
    table, where = table.take(pa.array(places)), folder / "pictures"
    where.mkdir()
    files = [f"{number:06d}.{_kind(data)}" for number, data in enumerate(table["image"])]
    for file, data in zip(files, table["image"], strict=True):
        (where / file).write_bytes(data.as_py())
    said = table.drop_columns(["image"]).append_column("file", pa.array(files))
    pq.write_table(said, where / "said.parquet")
    (folder / "recipe.toml").write_text(_RECIPE)
    (folder / "own.toml").write_bytes(DEFAULT_PATH.read_bytes())
    return len(places)


def _kind(data: pa.BinaryScalar) -> str:
    with Image.open(io.BytesIO(data.as_py())) as image:
        return str(image.format).lower()


def emo8(folder: Path, *arguments: str) -> tuple[float, float]:
    """Wall and CPU seconds of one command, its workers included; SystemExit where it fails."""
    start, used = time.perf_counter(), dict[int, float]()
    value = str(time.monotonic_ns())
    command = [sys.executable, "-m", "emo8.cli", *arguments]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | {_MARK: value}, stdout=said, stderr=said
        )
        while process.poll() is None:
            count_cpu(f"{_MARK}={value}", used)
            time.sleep(0.02)
        wall = time.perf_counter() - start
        while count_cpu(f"{_MARK}={value}", used):
            time.sleep(0.02)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"emo8 {' '.join(arguments)} failed:\n{said.read().decode()}")
    return wall, sum(used.values())


def steps_run(folder: Path) -> list[str]:
    """The steps of the last run that did not reuse every part."""
    command = [sys.executable, "-m", "emo8.cli", "status", "BUILD", "--json"]
    text = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    steps = json.loads(text)["steps"]
    return [name for name, n in steps.items() if n["parts_reused"] < n["parts_total"]]


def nothing(folder: Path, number: int) -> None:
    """Change nothing."""


def threshold(folder: Path, number: int) -> None:
    """Another least contrast."""
    _set(folder, "min_contrast", str(12.0 + number))


def prompt(folder: Path, number: int) -> None:
    """Another word for anger."""
    word = ("wrath", "ire", "outrage", "frenzy", "fury", "vexation")[number % 6]
    own = DEFAULT_PATH.read_text(encoding="utf-8").replace('"rage"', f'"{word}"', 1)
    (folder / "own.toml").write_text(own, encoding="utf-8")


def pictures(folder: Path, number: int) -> None:
    """One of every hundred pictures mirrored."""
    names = sorted((folder / "pictures").glob("*.*"))
    for path in names[number::100]:
        if path.suffix != ".parquet":
            with Image.open(path) as image:
                mirrored = ImageOps.mirror(image.convert("RGB"))
            mirrored.save(path, quality=90)


def calibration(folder: Path, number: int) -> None:
    """Fit the calibration, after another prompt."""
    prompt(folder, number + 3)
    emo8(folder, *_BUILD)
    emo8(folder, "calibrate", "BUILD")


def measure(folder: Path, workers: int, rounds: int) -> dict[str, Any]:
    """The first build and some rebuilds per change."""
    build = (*_BUILD, "--workers", str(workers))
    first = emo8(folder, *build)
    results: dict[str, Any] = {"first": {"wall_s": round(first[0], 2), "cpu_s": round(first[1], 2)}}
    for change in (nothing, threshold, prompt, pictures, calibration):
        times = []
        for number in range(rounds):
            change(folder, number)
            times.append(emo8(folder, *build))
        wall, cpu = np.median(times, axis=0).tolist()
        redone = [] if change is nothing else steps_run(folder)
        results[change.__name__] = {
            "wall_s": round(wall, 2),
            "cpu_s": round(cpu, 2),
            "times_faster_wall": round(first[0] / wall, 1),
            "times_faster_cpu": round(first[1] / cpu, 1),
            "steps_run": redone,
            "pictures_decoded": bool(set(redone) & set(_READ_PICTURES)),
        }
    return results


def _set(folder: Path, key: str, value: str) -> None:
    """Another value of a key of the recipe."""
    path = folder / "recipe.toml"
    lines = path.read_text().splitlines()
    changed = [f"{key} = {value}" if line.startswith(f"{key} = ") else line for line in lines]
    path.write_text("\n".join(changed) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pictures", required=True, help="parquet files with captions, a glob")
    parser.add_argument("--rows", type=int, default=20_000, help="at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="rebuilds per change")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        num_rows = prepare(Path(name), arguments.pictures, arguments.rows)
        results = measure(Path(name), arguments.workers, arguments.rounds)
    tell({"rows": num_rows, **results}, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
