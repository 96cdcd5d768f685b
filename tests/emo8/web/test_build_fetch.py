"""Fetching in a build: order, reuse, retries, kills. One worker; img2dataset runs for real."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from emo8 import sources
from emo8.core.errors import RecipeError
from emo8.core.read_recipe import load_recipe
from emo8.core.settings import FetchConfig
from emo8.engine import placing
from emo8.engine.steps import ROWS, part_path
from emo8.pipeline.ingest import IngestTask
from emo8.web.build_fetch import Fetch, policy
from emo8.web.img2dataset_run import Workers, spread
from emo8.web.store import mark
from tests.emo8.web.conftest import Site, list_recipe

ROOT = Path(__file__).resolve().parents[3]
THREADS = 4


def ingest(recipe_path: Path, out: Path, *, retry: bool = False) -> list[dict[str, Any]]:
    """Fetch and ingest all links of a recipe; the lines of `rows/`, in order."""
    recipe = load_recipe(recipe_path)
    chunks = sources.plan(recipe, recipe_path.parent)
    fetch = Fetch(build=out, chunks=chunks, config=recipe.fetch, max_bytes=recipe.ingest.max_bytes)
    if retry:
        fetch.retry_failed()
    placing.arrange(out, {ROWS: ["none of before"] * len(chunks)}, useful=[ROWS])
    for parts, error in fetch.windows(list(range(len(chunks))), Workers(processes=1)):
        assert not error
        for part in parts:
            notes = mark(fetch.policy(part), fetch.round(part))
            IngestTask(
                chunk=chunks[part], max_bytes=recipe.ingest.max_bytes, build=out, part=part,
                fingerprint=f"{time.time_ns()}", found=fetch.found(part), notes=notes,
            ).run(None)  # fmt: skip
        fetch.forget()
    placing.forget(out)
    rows: list[dict[str, Any]] = []
    for part in range(len(chunks)):
        rows += pq.read_table(part_path(out, ROWS, part)).to_pylist()
    return rows


def test_spread__hosts_take_turns() -> None:
    links = [f"a{k}" for k in range(90)] + [f"b{k}" for k in range(9)] + ["c0"]
    order = spread(links, {link: link[0] for link in links})
    assert sorted(order) == sorted(links) and order == spread(links, {k: k[0] for k in links})
    gaps = [place for place, link in enumerate(order) if link.startswith("b")]
    assert max(b - a for a, b in itertools.pairwise(gaps)) <= 12


def test_policy__patience_is_no_rule() -> None:
    usual = policy(FetchConfig(), 1, ())
    assert usual == policy(FetchConfig(retries=5, timeout_s=1, host_delay_s=9, threads=1), 1, ())
    assert usual != policy(FetchConfig(robots_txt=False), 1, ())
    assert usual != policy(FetchConfig(), 1, ("10.0.0.0/8",)) != policy(FetchConfig(), 2, ())


def test_fetch__reuse_order_and_retries(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "BUILD"
    links = [f"{site.base}/{k}.jpg" for k in range(12)] + [f"{site.base}/late.jpg", "nonsense"]
    first = ingest(list_recipe(tmp_path, links), out)
    assert [row["source_path"] for row in first] == links
    assert [row["ingest_detail"] for row in first[12:]] == ["http_404", "not_a_url"]
    assert set(site.pictures().values()) == {1}

    # the list changes: only what is new is fetched, and a failure stands
    changed = [f"{site.base}/99.jpg", *links[5:], *links[:3]]
    site.pages["/late.jpg"] = site.page("/50.jpg")
    second = ingest(list_recipe(tmp_path, changed), out)
    assert [row["source_path"] for row in second] == changed
    assert [row["id"] for row in second[-3:]] == [row["id"] for row in first[:3]]
    assert second[changed.index(links[12])]["ingest_detail"] == "http_404"
    assert set(site.pictures().values()) == {1}

    # asked to, what failed is fetched again, and only that
    third = ingest(list_recipe(tmp_path, changed), out, retry=True)
    assert third[changed.index(links[12])]["id"]
    assert site.pictures()["/late.jpg"] == 2
    assert sum(site.pictures().values()) == 12 + 1 + 2

    # under other rules nothing that was had before counts
    site.pages["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /\n")
    last = ingest(list_recipe(tmp_path, changed, 'user_agent = "other/1.0"\n'), out)
    assert {row["ingest_reason"] for row in last} == {"opt_out", "fetch_failed"}
    assert sum(site.pictures().values()) == 12 + 1 + 2
    assert not (out / "fetch").exists()


def processes_of(folder: Path) -> list[int]:
    """Processes that fetch into `folder` (zombies have no command line)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if b"emo8.web.child" in command and str(folder).encode() in command:
            found.append(int(entry.name))
    return found


def wait_for(what: Callable[[], Any], timeout_s: float = 60) -> Any:
    """What `what` gives, once it gives something."""
    end = time.monotonic() + timeout_s
    while not (value := what()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
    return value


def slow_list(site: Site, folder: Path) -> Path:
    site.delay_s = 0.05
    links = [f"{site.base}/{k}.jpg" for k in range(60)]
    return list_recipe(folder, links, f"threads = {THREADS}\nhost_connections = {THREADS}\n")


def assert_only_those_in_flight_came_twice(site: Site) -> None:
    twice = [path for path, times in site.pictures().items() if times > 1]
    assert len(site.pictures()) == 60
    assert max(site.pictures().values()) <= 2
    assert len(twice) <= 2 * THREADS  # asked, or on their way to the pack


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_fetch__killed_img2dataset_is_started_again_and_refetches_nothing(
    site: Site, tmp_path: Path
) -> None:
    recipe, out = slow_list(site, tmp_path), tmp_path / "BUILD"

    def kill() -> None:
        wait_for(lambda: len(site.pictures()) > 30)
        for process in processes_of(out):
            os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    rows = ingest(recipe, out)
    killer.join()
    assert all(row["id"] for row in rows) and len(rows) == 60
    assert_only_those_in_flight_came_twice(site)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_fetch__dies_with_its_parent_and_goes_on_in_the_next_run(
    site: Site, tmp_path: Path
) -> None:
    recipe, out = slow_list(site, tmp_path), tmp_path / "BUILD"
    command = [sys.executable, "-m", "emo8.cli", "build", str(recipe), "-o", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(site.pictures()) > 30)
    assert processes_of(out)
    parent.kill()
    parent.wait()
    wait_for(lambda: not processes_of(out), timeout_s=10)
    asked = sum(site.asked.values())
    time.sleep(0.5)
    assert sum(site.asked.values()) == asked
    rows = ingest(recipe, out)
    assert all(row["id"] for row in rows) and len(rows) == 60
    assert_only_those_in_flight_came_twice(site)


@pytest.mark.slow
def test_fetch__ten_thousand_links_in_bounded_memory(site: Site, tmp_path: Path) -> None:
    body = site.page("/1.jpg")
    padded = (body[0], body[1], body[2] + bytes(30_000))
    site.page = lambda path: padded if path.endswith(".jpg") else (404, {}, b"")  # type: ignore[method-assign]
    links = [f"{site.base}/{k}.jpg" for k in range(10_000)]
    fetch = "host_connections = 32\nrobots_txt = false\ntdm_reservation = false\n"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    rows = ingest(list_recipe(tmp_path, links, fetch), tmp_path / "BUILD")
    assert len(rows) == 10_000 and all(row["id"] for row in rows)
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert peak_mb < max(900, before / 1024 + 1), f"{peak_mb:.0f} MB"  # 300 MB of pictures passed


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("[fetch]\ntimeout_s = 0", "timeout_s"),
        ("[fetch]\nrobot_txt = false", "robots_txt"),
        ('[fetch]\nuser_agent = "Ünicode"', "user_agent"),
    ],
)
def test_recipe__mistakes_in_fetch_are_named(tmp_path: Path, body: str, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(f'[[source]]\nkind = "urls"\npath = "u.csv"\n{body}\n')
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_recipe__allow_networks_must_be_networks_of_links(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('[[source]]\nkind = "urls"\npath = "u"\nallow_networks = ["10.0.0.300"]\n')
    with pytest.raises(RecipeError, match=r"10\.0\.0\.300"):
        load_recipe(path)
    path.write_text('[[source]]\nkind = "folder"\npath = "u"\nallow_networks = ["10.0.0.0/8"]\n')
    with pytest.raises(RecipeError, match="urls"):
        load_recipe(path)
