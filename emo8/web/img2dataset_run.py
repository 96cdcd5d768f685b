"""One fetch: a set of links through img2dataset, until each has a picture or a reason.

Used by builds (`build_fetch.py`) and by `hydrate.py`. What a killed run left in packs counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from emo8.engine.progress import stage
from emo8.web.agent import FetchPolicy
from emo8.web.downloader import Job
from emo8.web.links import host_of
from emo8.web.store import Location, Store

LINKS_PER_PROCESS = 1000  # fewer than this do not pay for another worker's start
ATTEMPTS = 2  # runs of img2dataset, where it dies


class FetchError(OSError):
    """img2dataset did not do its work, and not because of single links."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Who fetches: how many processes, spread by what."""

    processes: int
    distributor: str = "multiprocessing"
    ray_address: str = ""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How the links of one fetch are fetched."""

    manners: FetchPolicy
    allow_networks: tuple[str, ...]
    policy: str  # fingerprint of what decides whether a picture may be had
    threads: int  # per process


def fetch_links(
    wanted: dict[str, int], *, rules: Rules, folder: Path, store: Store, crew: Workers
) -> dict[str, Location]:
    """Where each wanted link's picture lies, or why there is none.

    `wanted` maps addresses to the least round of a failure that still stands; `folder` holds the
    packs of `store`. FetchError when img2dataset dies twice.
    """
    found = store.find(wanted, rules.policy)
    for attempt in range(ATTEMPTS):
        missing = [url for url in wanted if url not in found]
        if not missing:
            break
        links = spread(missing, {url: host_of(url) for url in missing})
        job = _job(links, max(wanted.values()), rules, folder, crew)
        problem = run(job, Path(job.out).parent, len(missing))
        found = store.find(wanted, rules.policy)
        if problem and attempt + 1 == ATTEMPTS and any(url not in found for url in wanted):
            raise FetchError(problem)
    lost = next((url for url in wanted if url not in found), None)
    if lost is not None:
        raise FetchError(f"img2dataset gave no answer for {lost}, twice")
    return found


def _job(links: list[str], round: int, rules: Rules, folder: Path, crew: Workers) -> Job:
    """The files of one run of img2dataset, and the job that names them."""
    existing = [int(path.name.split("-")[1]) for path in folder.glob("job-*")]
    own = folder / f"job-{max(existing, default=-1) + 1}"
    own.mkdir(parents=True)
    (folder / "packs").mkdir(exist_ok=True)
    pq.write_table(pa.table({"url": links}), own / "links.parquet")
    least = LINKS_PER_PROCESS if crew.distributor == "multiprocessing" else 1
    processes = max(1, min(crew.processes, len(links) // least))
    return Job(
        links=str(own / "links.parquet"),
        out=str(own / own.name),
        packs=str(folder / "packs"),
        state=str(folder / "state" / rules.policy[:16]),
        progress=str(own / "progress"),
        allow_networks=rules.allow_networks,
        manners=rules.manners,
        policy=rules.policy,
        round=round,
        links_per_shard=-(-len(links) // processes),
        processes=processes,
        threads=rules.threads,
        distributor=crew.distributor,
        ray_address=crew.ray_address,
    )


def spread(links: list[str], hosts: dict[str, str]) -> list[str]:
    """Links in an order in which every host comes up evenly, the same on every run."""
    total = Counter(hosts[url] for url in links)
    seen: Counter[str] = Counter()
    keyed = []
    for url in links:
        host = hosts[url]
        shift = int.from_bytes(hashlib.blake2b(host.encode(), digest_size=4).digest(), "big")
        keyed.append(((seen[host] + shift / 2**32) / total[host], url))
        seen[host] += 1
    return [url for _, url in sorted(keyed)]


def run(job: Job, folder: Path, num_links: int) -> str:
    """Run img2dataset in a process group of its own to its end; "" or what went wrong."""
    job.save(folder / "job.json")
    command = [sys.executable, "-m", "emo8.web.child", str(folder / "job.json"), str(os.getpid())]
    log, progress = folder / "log.txt", Path(job.progress)
    with log.open("wb") as output, stage("fetch", num_links, "links") as counter:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        done = 0
        try:
            while process.poll() is None:
                time.sleep(0.1)
                size = progress.stat().st_size if progress.exists() else 0
                counter.advance(size - done, size - done)
                done = size
        finally:  # also on Ctrl-C, and for workers that outlive a killed child
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if process.returncode == 0 and done >= num_links:
        return ""
    return f"img2dataset ended with exit code {process.returncode}: {' | '.join(lines[-3:])[-600:]}"
