"""What sites say about this use of their pictures, and whether we may go on.

Honoured: robots.txt (RFC 9309, read by Scrapy's Protego) for our own name, for img2dataset's and
for everybody; `X-Robots-Tag`; the TDM reservation protocol as a header and as
`/.well-known/tdmrep.json` (W3C community report of 2024). A statement that forbids gives the reason
`opt_out`; a robots.txt that cannot be had is no statement, so the link is left for a later try.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emo8.web.links import Target
from emo8.web.opt_outs import product_token, reserved, reserves, robots, robots_tag, text_of
from emo8.web.outcome import FetchFailed, failed

ROBOTS, TDMREP = "/robots.txt", "/.well-known/tdmrep.json"
MAX_TEXT_BYTES = 512 * 1024  # RFC 9309 asks for at least 500 KiB; what follows is not read
MAX_AGE_S = 3600.0  # how long an answer stands; RFC 9309 allows a day
MAX_LOSS_AGE_S = 300.0  # how long a failure stands before the host is asked again
MAX_CRAWL_DELAY_S = 10.0
MAX_KNOWN = 512  # texts kept in the memory of a process; all of them are on disk
PEER_TOKEN = "img2dataset"  # a site that turns this one away means us too

Ask = Callable[[str], str | None]  # address -> text, None where there is no such file


class SiteFiles:
    """Small text files of sites, asked for once per site by all workers together."""

    def __init__(self, folder: Path, ask: Ask) -> None:
        self.folder, self.ask = folder, ask
        self.known: dict[str, tuple[float, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, origin: str, path: str) -> str | None:
        """The text of a file, None where the site has none; LostError when nobody can say."""
        url = origin + path
        entry = self.known.get(url)
        if entry is None or entry[0] < time.time():
            entry = self._shared(url)
            if len(self.known) >= MAX_KNOWN:
                self.known = {}
            self.known[url] = entry
        content = entry[1]
        if isinstance(content, dict):
            raise FetchFailed(content["reason"], content["cause"], content["value"])
        return str(content) if content is not None else None

    def _shared(self, url: str) -> tuple[float, Any]:
        """Until when an answer stands, and the answer: from disk, or asked for under a lock."""
        path = self.folder / hashlib.sha256(url.encode()).hexdigest()[:24]
        with _exclusive(path):
            entry = _read(path)
            if entry is None or entry[0] < time.time():
                entry = self._ask(url)
                path.write_text(json.dumps(entry))
            return entry

    def _ask(self, url: str) -> tuple[float, Any]:
        try:
            return time.time() + MAX_AGE_S, self.ask(url)
        except FetchFailed as lost:
            what = {"reason": lost.reason, "cause": lost.cause, "value": lost.value}
            return time.time() + MAX_LOSS_AGE_S, what


class Consent:
    """Asks before a request and looks at the answer; the switches are the recipe's `[fetch]`."""

    def __init__(
        self,
        files: SiteFiles,
        *,
        user_agent: str,
        robots_txt: bool,
        x_robots_tag: bool,
        directives: Iterable[str],
        tdm_reservation: bool,
    ) -> None:
        self.files = files
        self.tokens = (product_token(user_agent), PEER_TOKEN)
        self.robots_txt, self.tdm_reservation = robots_txt, tdm_reservation
        self.directives = {word.strip().lower() for word in directives} if x_robots_tag else set()

    def before(self, target: Target) -> float:
        """Seconds that robots.txt asks to leave between requests; LostError when it forbids."""
        delay_s = 0.0
        if self.robots_txt:
            text = self.files.get(target.origin, ROBOTS)
            if text is not None:
                rules = robots(text)
                if not all(rules.can_fetch(target.url, token) for token in self.tokens):
                    raise FetchFailed("opt_out", "robots.txt")
                delay_s = min(MAX_CRAWL_DELAY_S, rules.crawl_delay(self.tokens[0]) or 0.0)
        if self.tdm_reservation:
            text = self.files.get(target.origin, TDMREP)
            if text is not None and reserved(text, target.path):
                raise FetchFailed("opt_out", "tdmrep.json")
        return delay_s

    def after(self, headers: http.client.HTTPMessage) -> None:
        """LostError when the head of an answer forbids this use."""
        for value in headers.get_all("X-Robots-Tag", []):
            for word in robots_tag(value, self.tokens):
                if word in self.directives:
                    raise FetchFailed("opt_out", f"x-robots-tag {word}")
        if not self.tdm_reservation:
            return
        for value in headers.get_all("TDM-Reservation", []):
            if any(reserves(word) for word in value.split(",")):
                raise FetchFailed("opt_out", "tdm-reservation")


def site_file_text(status: int, data: bytes, *, cut: bool, what: str) -> str | None:
    """What an answer to a request for a site file means (RFC 9309, section 2.3.1).

    A file that is no text counts as a no: FetchFailed.
    """
    if 200 <= status < 300:
        text = text_of(data)
        if text is None:
            raise FetchFailed("opt_out", f"{what} is no text")
        return text.rpartition("\n")[0] if cut else text  # a rule cut in two is another rule
    if 400 <= status < 500 and status != 429:
        return None
    raise failed(f"{what} http_{status}", status)


def _read(path: Path) -> tuple[float, Any] | None:
    try:
        until, content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return until, content


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    file = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
