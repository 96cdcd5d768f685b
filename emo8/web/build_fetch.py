"""The fetch of a build: windows of links through img2dataset, then ingest, then nothing is left.

A window is a run of parts small enough that what it downloads beside `rows/` stays bounded. Within
it links are fetched in an order that spreads hosts; rows keep the order of the list. What has
arrived is never fetched again: not after a kill, not when the list or other options change, and
not when failed links are retried.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from emo8.core.settings import FetchConfig
from emo8.engine.build_folder import read_json
from emo8.engine.files import fingerprint, write_part, write_text
from emo8.engine.steps import ROWS, part_path
from emo8.sources.base import Chunk
from emo8.sources.kinds import urls
from emo8.web.agent import DEFAULT_AGENT, FetchPolicy
from emo8.web.img2dataset_run import FetchError, Rules, Workers, fetch_links
from emo8.web.links import Target, parse
from emo8.web.outcome import FetchFailed
from emo8.web.store import Location, Store, rows_of, table

VERSION = 1
WINDOW_LINKS = 16_384  # links between two starts of img2dataset: disk beside rows/ against seconds
ROUNDS = Path("tables") / "fetch_rounds.json"


def manners(config: FetchConfig, max_bytes: int) -> FetchPolicy:
    """The recipe's `[fetch]` as workers are told it."""
    return FetchPolicy(
        user_agent=config.user_agent or DEFAULT_AGENT,
        robots_txt=config.robots_txt,
        x_robots_tag=config.x_robots_tag,
        x_robots_directives=config.x_robots_directives,
        tdm_reservation=config.tdm_reservation,
        use_proxies=config.use_proxies,
        max_bytes=max_bytes,
        max_redirects=config.max_redirects,
        timeout_s=config.timeout_s,
        total_timeout_s=config.total_timeout_s,
        retries=config.retries,
        host_connections=config.host_connections,
        host_delay_s=config.host_delay_s,
        max_rest_s=config.max_rest_s,
        give_up_after=config.give_up_after,
    )


def policy(config: FetchConfig, max_bytes: int, allow_networks: tuple[str, ...]) -> str:
    """Fingerprint of the rules under which a picture may be had; patience is none of them."""
    wishes = (config.robots_txt, config.x_robots_tag, config.tdm_reservation)
    rules = (*wishes, sorted(config.x_robots_directives), config.user_agent, config.use_proxies)
    caps = (max_bytes, config.max_redirects)
    return fingerprint("fetch", VERSION, rules, caps, sorted(allow_networks))


class Fetch:
    """The fetch of one build: which rounds its chunks are in, and the windows that are fetched."""

    def __init__(
        self, *, build: Path, chunks: list[Chunk], config: FetchConfig, max_bytes: int
    ) -> None:
        self.build, self.chunks, self.config = build, chunks, config
        self.max_bytes = max_bytes
        self.folder = build / "fetch"
        self.rounds: dict[str, int] = (read_json(build / ROUNDS) or {}).get("rounds", {})
        self.num_started = 0

    def policy(self, part: int) -> str:
        return policy(self.config, self.max_bytes, self.chunks[part].source.allow_networks)

    def round(self, part: int) -> int:
        return self.rounds.get(self.chunks[part].fingerprint(), 0)

    def retry_failed(self) -> int:
        """Let the failed links of this build be tried again; how many there are comes back."""
        current = max(self.rounds.values(), default=0) + 1
        num_links = 0
        for part, chunk in enumerate(self.chunks):
            path = part_path(self.build, ROWS, part)
            if chunk.source.kind != "urls" or not path.exists():
                continue
            reasons = pq.read_table(path, columns=["ingest_reason"])["ingest_reason"].to_pylist()
            failed = sum(reason == "fetch_failed" for reason in reasons)
            if failed:
                self.rounds[chunk.fingerprint()] = current
                num_links += failed
        write_text(self.build / ROUNDS, json.dumps({"rounds": self.rounds}) + "\n")
        return num_links

    def windows(self, stale: list[int], crew: Workers) -> Iterator[tuple[list[int], str]]:
        """(parts, "") of each window once its links are fetched; with an error, parts that failed.

        The caller ingests a window's parts before it asks for the next.
        """
        if not stale:
            shutil.rmtree(self.folder, ignore_errors=True)  # of a run that was killed at its end
            return
        store = Store(self.build, self.folder)
        store.index(rows_of(self.build))
        complete = True
        for parts in self._windows(stale):
            error = ""
            try:
                self._fetch_window(parts, store, crew)
            except FetchError as cause:
                error = str(cause)
            yield parts, error
            if not error:
                store.index([part_path(self.build, ROWS, part) for part in parts])
            complete = complete and not error
        if complete:  # else the next run finds what has arrived
            shutil.rmtree(self.folder)

    def found(self, part: int) -> Path:
        """The table of what was found for a part's links."""
        return self.folder / "found" / f"part-{part:05d}.parquet"

    def _windows(self, stale: list[int]) -> Iterator[list[int]]:
        """Runs of stale parts whose links are fetched under one policy."""
        window: list[int] = []
        num_links = 0
        for part in stale:
            num_inputs = self.chunks[part].num_inputs
            full = num_links + num_inputs > WINDOW_LINKS
            if window and (full or self.policy(part) != self.policy(window[0])):
                yield window
                window, num_links = [], 0
            window.append(part)
            num_links += num_inputs
        yield window

    def _fetch_window(self, parts: list[int], store: Store, crew: Workers) -> None:
        targets = {part: [_parsed(line.link) for line in urls.lines(self.chunks[part])]
                   for part in parts}  # fmt: skip
        wanted: dict[str, int] = {}
        for part in parts:
            for item in targets[part]:
                if isinstance(item, Target):
                    wanted[item.url] = max(wanted.get(item.url, 0), self.round(part))
        rules = self._rules(parts[0])
        before = set(store.packs.glob("*"))
        found = fetch_links(wanted, rules=rules, folder=self.folder, store=store, crew=crew)
        for part in parts:
            places = [_place(item, found) for item in targets[part]]
            write_part(table(places), self.found(part), rules.policy)
        self.spent = set(store.packs.glob("*")) - before

    def forget(self) -> None:
        """Delete what the last window downloaded; it is in `rows/` now."""
        for pack in self.spent:
            pack.unlink(missing_ok=True)

    def _rules(self, part: int) -> Rules:
        return Rules(
            manners=manners(self.config, self.max_bytes),
            allow_networks=self.chunks[part].source.allow_networks,
            policy=self.policy(part),
            threads=self.config.threads,
        )


def _parsed(link: str) -> Target | FetchFailed:
    try:
        return parse(link)
    except FetchFailed as lost:
        return lost


def _place(item: Target | FetchFailed, found: dict[str, Location]) -> Location:
    if isinstance(item, FetchFailed):
        return Location(reason=item.reason, cause=item.cause, value=item.value)
    return found[item.url]
