"""The steps over all rows in a hostile world: killed, short of memory or of room on the disk."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.lab.speed.synthetic import columns_of, make
from tests.emo8.pipeline.test_run import tree_hash

ROWS, MANY = 2_000, 200_000
RUN = (sys.executable, "-m", "benchmarks.lab.speed.global_steps", "--run")
RUN_S = 120


@pytest.fixture(scope="module")
def columns(small: Path) -> dict[str, pa.Table]:
    return columns_of(small / "BUILD")


@pytest.fixture
def build(columns: dict[str, pa.Table], tmp_path: Path) -> Path:
    make(tmp_path / "BUILD", columns, ROWS, 500)
    return tmp_path / "BUILD"


def steps(build: Path, memory: str = "1GB") -> subprocess.CompletedProcess[str]:
    """Run them in a process whose temporary folder must stay empty."""
    command = [*RUN, str(build), "--memory", memory]
    temporary = build.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_S, cwd=Path.cwd(),
        env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    assert not list(temporary.iterdir())
    return done


def results(build: Path) -> dict[str, str]:
    """Hashes of what the steps wrote; nothing else may lie beside it."""
    assert not [path for path in build.rglob(".*") if path.name != ".lock"]
    written = tree_hash(build / "report") | tree_hash(build / "tables")
    del written["splits.json"]  # says how many rows a run before had placed
    return written


def killed(build: Path, times: int, longest_s: float) -> None:
    """Start the steps and kill them at a random moment, so many times."""
    rng = random.Random(0)
    for _ in range(times):
        with subprocess.Popen(
            [*RUN, str(build), "--memory", "1GB"], stdout=subprocess.DEVNULL
        ) as process:
            time.sleep(rng.uniform(0.3, longest_s))
            process.kill()


def test_global_steps__killed_runs_leave_nothing_and_the_next_ends_alike(build: Path) -> None:
    started = time.perf_counter()
    assert steps(build).returncode == 0
    whole = results(build)
    killed(build, 3, time.perf_counter() - started)
    assert steps(build).returncode == 0
    assert results(build) == whole


@pytest.mark.slow
def test_global_steps__25_kills_at_200_000_rows(
    columns: dict[str, pa.Table], tmp_path: Path
) -> None:
    build = tmp_path / "BUILD"
    make(build, columns, MANY, 4096)
    started = time.perf_counter()
    assert steps(build).returncode == 0
    whole, longest_s = results(build), time.perf_counter() - started
    killed(build, 25, longest_s)
    assert steps(build).returncode == 0
    assert results(build) == whole


@pytest.mark.slow
def test_global_steps__200_mb_end_as_many_do(columns: dict[str, pa.Table], tmp_path: Path) -> None:
    build = tmp_path / "BUILD"
    make(build, columns, MANY, 4096)
    assert steps(build, "2GB").returncode == 0
    whole = results(build)
    assert steps(build, "200MB").returncode == 0
    assert results(build) == whole


def test_global_steps__little_memory_gives_the_same_or_names_the_setting(build: Path) -> None:
    assert steps(build).returncode == 0
    whole = results(build)
    assert steps(build, "200MB").returncode == 0
    assert results(build) == whole
    starved = steps(build, "2MB")
    assert starved.returncode and "raise [engine] memory" in starved.stderr
    assert results(build) == whole


@pytest.fixture
def full_disk(build: Path) -> Iterator[Path]:
    """The build's tables on a disk of 400 KB; skipped where nobody may make one."""
    tables = build / "tables"
    tables.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tables)],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("no right to mount a small disk")
    yield build
    subprocess.run(["umount", "-l", str(tables)], check=True)


def test_global_steps__a_full_disk_is_one_clear_error(full_disk: Path) -> None:
    done = steps(full_disk)
    assert done.returncode and "no space left" in done.stderr.lower()
    assert "make room and run the same command again" in done.stderr
    left = {path.name for path in (full_disk / "tables").iterdir()}
    assert left <= {"leaks.parquet"}, "room that is not given back"


def test_global_steps__a_damaged_part_is_named(build: Path) -> None:
    part = build / "columns" / "measure" / "part-00002.parquet"
    part.write_bytes(part.read_bytes()[:-2000])
    done = steps(build)
    assert done.returncode and str(part) in done.stderr and "remove the file" in done.stderr
    assert not (build / "tables" / "verdicts.parquet").exists()


def test_global_steps__two_builds_share_a_temporary_folder(
    columns: dict[str, pa.Table], build: Path
) -> None:
    other = build.parent / "OTHER"
    make(other, columns, ROWS, 500)
    command = [*RUN, str(other), "--memory", "1GB"]
    environment = {**os.environ, "TMPDIR": str(build.parent / "temporary")}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as beside:
        assert steps(build).returncode == 0
        assert beside.wait(RUN_S) == 0
    assert results(other) == results(build)
