"""img2dataset with our guard inside: the only importer of it, and only in a process of its own.

img2dataset reads the list, cuts it into shards, spreads them over worker processes (its own pool
or ray) and over threads. Ours are three of its parts: how one link is downloaded (`web/agent.py`),
where a sample is written (`web/packs.py`, so that a kill loses nothing that had arrived), and no
logger process, which would outlive a killed parent. The parts are put in place in every process
that downloads, by the object that img2dataset sends there; a version of img2dataset that lacks one
of them is refused before anything is fetched.
"""

from __future__ import annotations

import functools
import io
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emo8.core.errors import Emo8Error
from emo8.core.networks import parse_networks
from emo8.engine.processes import die_with_parent
from emo8.web.agent import Agent, FetchPolicy
from emo8.web.download_log import SUFFIX, Entry, PackWriter
from emo8.web.outcome import LinkOutcome

# What img2dataset imports and this use of it never touches: half of its start.
_UNUSED = ("torch", "tensorflow", "ray")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of img2dataset: a list of links, where to write, and how to behave."""

    links: str  # parquet with the column `url`: distinct http(s) addresses, hosts spread
    out: str  # folder for img2dataset's own files
    packs: str  # folder for packs
    state: str  # folder that all workers share: robots.txt, hosts
    progress: str  # file that grows by one byte per link
    allow_networks: tuple[str, ...]
    manners: FetchPolicy
    policy: str  # fingerprint that pack records carry
    round: int
    links_per_shard: int
    processes: int
    threads: int
    distributor: str = "multiprocessing"  # or "ray"
    ray_address: str = ""

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def load_job(path: Path) -> Job:
    """The job in a file that `Job.save` wrote."""
    content = json.loads(path.read_text())
    manners = content.pop("manners")
    manners["x_robots_directives"] = tuple(manners["x_robots_directives"])
    networks = tuple(content.pop("allow_networks"))
    return Job(**content, allow_networks=networks, manners=FetchPolicy(**manners))


def run(job: Job) -> None:
    """Run img2dataset over a job's list; call it in the main thread of a process of its own."""
    main, _ = _img2dataset(job)
    main.Downloader = functools.partial(Downloader, job)
    main.LoggerProcess = _NoLogger
    if job.distributor == "ray":
        from emo8.engine import ray

        ray.connect(job.ray_address)
    elif job.processes == 1:  # one worker needs no second process, and no second import
        main.multiprocessing_distributor = _in_this_process
    main.download(
        url_list=job.links,
        input_format="parquet",
        url_col="url",
        output_folder=job.out,
        output_format="dummy",
        processes_count=job.processes,
        thread_count=job.threads,
        number_sample_per_shard=job.links_per_shard,
        distributor=job.distributor,
        disable_all_reencoding=True,
        extract_exif=False,
        compute_hash=None,
        retries=0,
        enable_wandb=False,
    )


def _img2dataset(job: Job) -> tuple[Any, Any]:
    """img2dataset's `main` and `downloader`; Emo8Error when they are not those we can guard."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    for name in _UNUSED[: 2 if job.distributor == "ray" else 3]:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    import img2dataset.downloader
    import img2dataset.main  # noqa: F401

    # the package hides its module `main` behind a function of that name
    main, downloader = (sys.modules[f"img2dataset.{name}"] for name in ("main", "downloader"))
    needed = [(main, "Downloader"), (main, "LoggerProcess"), (main, "multiprocessing_distributor"),
              (downloader, "Downloader"), (downloader, "download_image_with_retry")]  # fmt: skip
    for module, name in needed:
        if not hasattr(module, name):
            raise Emo8Error(
                f"this img2dataset has no {module.__name__}.{name}, where our network guard goes "
                "in: install img2dataset 1.47"
            )
    return main, downloader


class Downloader:
    """What img2dataset sends to its workers: its own downloader with our parts put in there."""

    def __init__(self, job: Job, **options: Any) -> None:
        self.job, self.options = job, options

    def __call__(self, row: tuple[int, str]) -> tuple[bool, tuple[int, str]]:
        """Download one shard; (whether it worked, the shard) come back as img2dataset wants."""
        if self.job.distributor != "ray":  # ray ends the tasks of a driver that died by itself
            die_with_parent()
        _, downloader = _img2dataset(self.job)
        downloader.download_image_with_retry = _download(self.job)
        writer = functools.partial(_Writer, self.job)
        inner = downloader.Downloader(**{**self.options, "sample_writer_class": writer})
        return inner(row)


class _Download:
    """In place of `download_image_with_retry`: one link, through the agent."""

    def __init__(self, agent: Agent, progress: str) -> None:
        self.agent = agent
        self.progress = os.open(progress, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def __call__(self, row: tuple[int, str], **_: Any) -> tuple[int, io.BytesIO | None, str | None]:
        key, url = row
        outcome = self.agent.fetch(url)
        os.write(self.progress, b".")
        if outcome.data is not None:
            return key, io.BytesIO(outcome.data), None
        lost = {"reason": outcome.reason, "cause": outcome.cause, "value": outcome.value}
        return key, None, json.dumps(lost)


@functools.lru_cache(maxsize=1)
def _download(job: Job) -> _Download:
    """This process's agent, kept from shard to shard with its connections."""
    networks = parse_networks(job.allow_networks, "the fetch job")
    return _Download(Agent(job.manners, Path(job.state), allowed=networks), job.progress)


class _Writer:
    """In place of img2dataset's sample writers: a pack per shard and process."""

    def __init__(self, job: Job, shard_id: int, *_: Any) -> None:
        self.job = job
        name = f"{Path(job.out).name}-{shard_id:05d}-{os.getpid()}{SUFFIX}"
        self.pack = PackWriter(Path(job.packs) / name)

    def write(self, image: bytes | None, key: str, caption: Any, meta: dict[str, Any]) -> None:
        lost = (
            LinkOutcome() if image is not None else LinkOutcome(**json.loads(meta["error_message"]))
        )
        entry = Entry(
            url=meta["url"],
            reason=lost.reason,
            cause=lost.cause,
            value=lost.value,
            policy=self.job.policy,
            round=self.job.round,
        )
        self.pack.add(entry, image)

    def close(self) -> None:
        self.pack.close()


class _NoLogger:
    """In place of img2dataset's logger process, which never notices that its parent died."""

    def __init__(self, *_: Any) -> None:
        self.done_shards: set[int] = set()

    def start(self) -> None:
        return None

    def join(self) -> None:
        return None

    def terminate(self) -> None:
        return None


def _in_this_process(
    processes: int, downloader: Downloader, reader: Any, subjob: int, retries: int
) -> None:
    """img2dataset's distributor for one worker: shard after shard, right here."""
    for row in list(reader):
        downloader(row)
