"""What a hostile world does to a build: damaged pictures, full disks, kills, locked folders."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from emo8.core.formats import FORMATS
from emo8.core.images import DecodeError, decode
from emo8.core.reasons import REASONS
from emo8.measure.filters import FILTERS
from emo8.measure.filters.base import prepare
from tests.conftest import encoded, picture, write_recipe
from tests.emo8.pipeline.test_run import tree_hash

# Runs a command and prints the peak memory, in KB, of the largest process in it.
PEAK_MEMORY = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
FUZZ_S = 6.0  # the time the default suite gives the fuzzer
# Reasons that fit what the manifest of the bad files asks for; None = the row may stay.
FITTING: dict[str, set[str | None]] = {
    "reject: truncated": {"truncated", "not_an_image"},
    "reject: empty": {"empty"},
    "reject: not an image": {"not_an_image"},
    "reject: nothing visible": {"transparent"},
    "reject: blank": {"blank"},
    "reject from the header": {"too_many_pixels"},
    "reject: corrupt": {"corrupt", "truncated"},
    "reject: too small": {"too_small"},
    "reject: extreme aspect": {"extreme_aspect"},
    "reject where the size floor": {"too_small"},
    "reject: entropy": {"not_an_image"},
    "reject: entity": {"not_an_image"},
    "reject, or render": {"not_an_image"},
    "accept the first": {"animated", None},
    "accept or reject": {"corrupt", None},
    "accept": {None},
    "apply the orientation": {"duplicate_exact", "duplicate_near", None},
    "decodes with visible damage": {"duplicate_near", None},
    "flag": {"blurry", "low_information", "duplicate_near", None},
    "keep": {None},
    "drop as a duplicate": {"duplicate_exact", "duplicate_near", None},
    "report as a possible duplicate": {"duplicate_near", None},
}


def command(recipe: Path, target: Path) -> list[str]:
    return [sys.executable, "-m", "emo8.cli", "build", str(recipe), "-o", str(target)]


def test_build__bad_corpus_ends_as_its_manifest_says(corpus: Path, tmp_path: Path) -> None:
    bad = corpus / "bad"
    recipe = write_recipe(
        tmp_path,
        f'[[source]]\nkind = "folder"\npath = "{bad}"\nname = "files"\nstyle = "natural"\n'
        f'[[source]]\nkind = "archive"\npath = "{bad}/odd_names.tar"\nstyle = "natural"\n'
        "[decide]\nmin_side_px = 33",
    )
    before = {path: path.stat().st_mtime_ns for path in bad.rglob("*")}
    home = set(tmp_path.parent.iterdir())
    measured = [sys.executable, "-c", PEAK_MEMORY, *command(recipe, tmp_path / "BUILD")]
    done = subprocess.run(measured, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 2_000_000, "over 2 GB"
    assert {path: path.stat().st_mtime_ns for path in bad.rglob("*")} == before
    assert set(tmp_path.parent.iterdir()) == home
    verdicts = pq.read_table(tmp_path / "BUILD" / "tables" / "verdicts.parquet").to_pylist()
    reasons = {row["source_path"]: row["reason"] for row in verdicts}
    manifest = json.loads((bad / "manifest.json").read_text())["files"]
    for entry in manifest:
        wish = entry["curator_should"]
        fitting = next(fit for start, fit in FITTING.items() if wish.startswith(start))
        name = entry["file"]
        if fitting == {None}:  # a keeper may still lose against its own copies
            fitting = {None, "duplicate_exact", "duplicate_near"}
        assert name in reasons, name
        assert reasons[name] in fitting, (name, reasons[name], wish)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """The file with bytes changed, cut out, repeated, or its end missing."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8, 40])):
        at = rng.randrange(len(out))
        kind = rng.randrange(5)
        if kind == 0:
            out[at] = rng.randrange(256)
        elif kind == 1:
            out[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
        elif kind == 2:
            del out[at : at + rng.randrange(1, 200)]
        elif kind == 3:
            out[at:at] = out[at : at + rng.randrange(1, 200)]
        else:
            del out[max(at, 8) :]
        if len(out) < 9:
            return bytes(data[:20])
    return bytes(out)


def test_decode__mutated_pictures_give_pixels_or_a_reason() -> None:
    seeds = [encoded(picture(1, (90, 70)), fmt) for fmt in FORMATS if fmt != "AVIF"]
    seeds += [
        encoded(picture(2, (90, 70)), progressive=True),
        encoded(picture(3, (64, 64)).convert("P"), "PNG"),
        encoded(picture(4, (64, 64)).convert("CMYK")),
        encoded(picture(5, (64, 64)), "GIF", save_all=True, append_images=[picture(6, (64, 64))]),
        encoded(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)), "TIFF"),
    ]
    rng, tried, failed = random.Random(0), 0, 0
    end = time.monotonic() + FUZZ_S
    while time.monotonic() < end and tried < 20_000:
        data = mutate(rng.choice(seeds), rng)
        tried += 1
        try:
            decoded = decode(data, max_pixels=1_000_000)
        except DecodeError as error:
            failed += 1
            assert error.reason in REASONS
            continue
        prepared = prepare(data, decoded)
        for item in FILTERS:
            assert set(item.measure(prepared)) == set(item.columns)
    assert tried > 200 and 0 < failed < tried


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_build__full_disk_fails_cleanly_and_goes_on_when_there_is_room(
    small: Path, tmp_path: Path
) -> None:
    target = tmp_path / "mount"
    target.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(target)]
    if subprocess.run(options, capture_output=True).returncode:
        pytest.skip("no mounts allowed here")
    try:
        (target / "filler").write_bytes(b"x" * 700_000)
        full = subprocess.run(
            command(small / "recipe.toml", target / "BUILD"), capture_output=True, text=True
        )
        assert full.returncode == 1, full.stderr
        assert "No space left" in full.stderr
        (target / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=30m", str(target)], check=True)
        again = subprocess.run(command(small / "recipe.toml", target / "BUILD"))
        assert again.returncode == 0
        assert tree_hash(target / "BUILD" / "dataset") == tree_hash(small / "BUILD" / "dataset")
    finally:
        subprocess.run(["umount", str(target)], check=True)


def test_build__second_writer_is_told_who_holds_it(small: Path, tmp_path: Path) -> None:
    target = tmp_path / "BUILD"
    first = subprocess.Popen(command(small / "recipe.toml", target), stderr=subprocess.DEVNULL)
    try:
        while not (target / ".lock-owner.json").exists():
            time.sleep(0.02)
        second = subprocess.run(
            command(small / "recipe.toml", target), capture_output=True, text=True
        )
        assert second.returncode == 2
        assert f"process {first.pid}" in second.stderr
    finally:
        first.wait()
    assert first.returncode == 0


def test_build__unreadable_picture_costs_one_row(small: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(small, tmp_path / "own"))
    (own / "pictures" / "natural" / "0.jpg").unlink()
    (own / "pictures" / "natural" / "0.jpg").symlink_to(own / "nowhere.jpg")
    (own / "pictures" / "natural" / "1.jpg").chmod(0)
    os.mkfifo(own / "pictures" / "natural" / "pipe.jpg")
    shutil.rmtree(own / "BUILD")
    done = subprocess.run(command(own / "recipe.toml", own / "BUILD"), capture_output=True)
    assert done.returncode == 0
    left = pq.read_table(own / "BUILD" / "tables" / "rejected.parquet").to_pylist()
    reasons = {row["source_path"]: row["reason"] for row in left}
    assert reasons["natural/0.jpg"] in ("refused_path", "missing_file")
    assert reasons["natural/pipe.jpg"] == "refused_path"
    if os.geteuid() != 0:
        assert reasons["natural/1.jpg"] == "unreadable"


def test_build__read_only_part_is_replaced(small: Path, tmp_path: Path) -> None:
    target = Path(shutil.copytree(small / "BUILD", tmp_path / "BUILD"))
    part = target / "columns" / "measure" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:300])
    part.chmod(0o444)
    shutil.rmtree(target / "dataset")
    assert subprocess.run(command(small / "recipe.toml", target)).returncode == 0
    assert tree_hash(target / "dataset") == tree_hash(small / "BUILD" / "dataset")


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_build__twenty_five_kills_at_random_moments_change_nothing(
    small: Path, tmp_path: Path, make_inputs: Callable[[Path], Path]
) -> None:
    recipe, rng = small / "recipe.toml", random.Random(0)
    started = time.monotonic()
    subprocess.run(command(recipe, tmp_path / "whole"), check=True, capture_output=True)
    whole_s = time.monotonic() - started
    target, kills, times = tmp_path / "BUILD", 0, {}
    while kills < 25:
        process = subprocess.Popen(
            command(recipe, target), start_new_session=True, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(rng.uniform(0.1, 1.1) * whole_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        else:  # it finished: begin again
            assert process.returncode == 0
            assert tree_hash(target / "dataset") == tree_hash(small / "BUILD" / "dataset")
            shutil.rmtree(target)
            times = {}
            continue
        parts = {path: path.stat().st_mtime_ns for path in target.rglob("part-*.parquet")}
        assert all(parts.get(path) == then for path, then in times.items()), "a part was redone"
        times = parts
    subprocess.run(command(recipe, target), check=True, capture_output=True)
    assert tree_hash(target / "dataset") == tree_hash(small / "BUILD" / "dataset")
