"""Fetches one link as the recipe's `[fetch]` says: consent, pace, guard, redirects, caps, retries.

One agent serves all threads of a process; all agents of one fetch share a folder of state. Nothing
here knows img2dataset, builds or tables.
"""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from emo8.core.networks import Network
from emo8.core.version import __version__
from emo8.web import body
from emo8.web.consent import MAX_TEXT_BYTES, Consent, SiteFiles, site_file_text
from emo8.web.http import Clock, GuardedHttp, LookUp, Reply
from emo8.web.links import Target, parse
from emo8.web.outcome import FetchFailed, LinkOutcome, failed
from emo8.web.pacing import Pacing

DEFAULT_AGENT = f"emo8/{__version__} (+https://pypi.org/project/emo8/)"
REDIRECTS = (301, 302, 303, 307, 308)
THROTTLES = (429, 503)
PASSING = (500, 502, 504)
PASSING_CAUSES = ("reset", "closed", "connect_reset", "dns")
# The host itself is not there, in whatever way; enough of these in a row and it is left alone.
UNREACHED = (
    "dns", "dns_timeout", "connect_refused", "connect_timeout", "connect_error", "connect_reset",
    "tls", "tls_timeout", "timeout", "total_timeout", "closed", "reset", "not_http",
)  # fmt: skip

STALLED = ("timeout", "total_timeout")  # its answer began


@dataclass(frozen=True, kw_only=True)
class FetchPolicy:
    """Everything that decides how a link is fetched; JSON values, so that workers can be told."""

    user_agent: str
    robots_txt: bool = True
    x_robots_tag: bool = True
    x_robots_directives: tuple[str, ...] = ()
    tdm_reservation: bool = True
    use_proxies: bool = False
    max_bytes: int = 50_000_000
    max_redirects: int = 5
    timeout_s: float = 10.0
    total_timeout_s: float = 60.0
    retries: int = 2
    host_connections: int = 2
    host_delay_s: float = 0.1
    max_rest_s: float = 60.0
    give_up_after: int = 8


class Agent:
    """Fetches links, one call per link and thread."""

    def __init__(
        self,
        manners: FetchPolicy,
        state: Path,
        *,
        allowed: tuple[Network, ...] = (),
        look_up: LookUp | None = None,
    ) -> None:
        self.manners = manners
        self.wire = GuardedHttp(allowed=allowed, use_proxies=manners.use_proxies, look_up=look_up)
        self.pacing = Pacing(
            state / "hosts",
            connections=manners.host_connections,
            delay_s=manners.host_delay_s,
            max_rest_s=manners.max_rest_s,
            give_up_after=manners.give_up_after,
        )
        self.consent = Consent(
            SiteFiles(state / "sites", self._site_file),
            user_agent=manners.user_agent,
            robots_txt=manners.robots_txt,
            x_robots_tag=manners.x_robots_tag,
            directives=manners.x_robots_directives,
            tdm_reservation=manners.tdm_reservation,
        )

    def fetch(self, link: str | None) -> LinkOutcome:
        """The picture behind a link, or why there is none; never an exception."""
        try:
            return LinkOutcome(data=self._fetch(link))
        except FetchFailed as lost:
            return LinkOutcome(reason=lost.reason, cause=lost.cause, value=lost.value)
        except Exception as error:  # one odd link must not cost its neighbours
            return LinkOutcome(reason="fetch_failed", cause=f"error {type(error).__name__}")

    def _fetch(self, link: str | None) -> bytes:
        target, clock = parse(link), self._clock()
        for attempt in range(self.manners.retries + 1):
            try:
                return self._follow(target, clock)
            except _PassingError as error:
                if attempt == self.manners.retries:
                    raise error.lost from None
                time.sleep(error.wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _follow(self, target: Target, clock: Clock) -> bytes:
        """The picture at the end of a link's redirects, every one of them judged anew."""
        for _ in range(self.manners.max_redirects + 1):
            delay_s = self.consent.before(target)
            with self.pacing.turn(target.host, delay_s), clock:
                reply = self._ask(target, clock)
                try:
                    self.consent.after(reply.headers)
                    if reply.status not in REDIRECTS:
                        return self._picture(reply)
                    body.skip(reply)
                finally:
                    self.wire.done(reply)
            target = _next(target, reply)
        raise failed("too_many_redirects", self.manners.max_redirects)

    def _picture(self, reply: Reply) -> bytes:
        host, status = reply.target.host, reply.status
        if status in THROTTLES:
            body.skip(reply)
            rest_s = self.pacing.throttled(host, retry_after_s(reply.headers.get("Retry-After")))
            lost = failed(f"http_{status}", status)
            raise lost if rest_s > self.manners.max_rest_s else _PassingError(lost)
        self.pacing.answered(host)
        if status in PASSING:
            body.skip(reply)
            raise _PassingError(failed(f"http_{status}", status), wait_s=0.5)
        if status != 200:
            body.skip(reply)
            raise failed(f"http_{status}", status)
        try:
            data = body.read_picture(reply, self.manners.max_bytes)
        except FetchFailed as lost:
            if lost.cause in STALLED:
                self.pacing.stalled(host)
            raise
        self.pacing.delivered(host)
        return data

    def _ask(self, target: Target, clock: Clock) -> Reply:
        """The head of the answer; a host that gives none is remembered."""
        headers = {
            "User-Agent": self.manners.user_agent,
            "Accept": "image/*,*/*;q=0.1",
            "Accept-Encoding": "identity",
        }
        try:
            return self.wire.request(target, headers, clock)
        except FetchFailed as lost:
            if lost.cause in UNREACHED:
                self.pacing.unreached(target.host)
            if lost.cause in PASSING_CAUSES:
                raise _PassingError(lost, wait_s=0.2) from None
            raise

    def _clock(self) -> Clock:
        return Clock(self.manners.total_timeout_s, self.manners.timeout_s)

    def _site_file(self, url: str) -> str | None:
        """The text of robots.txt or its kin; redirects are followed, also to other hosts."""
        target, clock = parse(url), self._clock()
        what = target.path.rsplit("/", 1)[-1]
        for _ in range(self.manners.max_redirects + 1):
            with self.pacing.turn(target.host), clock:
                try:
                    reply = self._ask(target, clock)
                except _PassingError as error:
                    raise error.lost from None
                try:
                    if reply.status not in REDIRECTS:
                        found = body.read_text(reply, MAX_TEXT_BYTES)
                        return site_file_text(reply.status, found.data, cut=found.cut, what=what)
                    body.skip(reply)
                finally:
                    self.wire.done(reply)
            target = _next(target, reply)
        return None  # RFC 9309: more redirects than one follows count as no file


class _PassingError(Exception):
    """A loss that another attempt may mend."""

    def __init__(self, lost: FetchFailed, wait_s: float = 0.0) -> None:
        super().__init__(str(lost))
        self.lost, self.wait_s = lost, wait_s


def _next(target: Target, reply: Reply) -> Target:
    """Where a redirect leads; LostError when it leads nowhere or out of the web."""
    location = reply.headers.get("Location")
    if not location:
        raise failed("redirect_to_nowhere", reply.status)
    try:
        absolute = urljoin(target.url, _as_utf8(location.strip()))
    except ValueError:
        raise failed("redirect_to_nowhere", reply.status) from None
    try:
        return parse(absolute)
    except FetchFailed as lost:
        if lost.reason == "refused_address":
            raise
        raise failed("redirect_to_nowhere", reply.status) from None


def _as_utf8(header: str) -> str:
    """A header whose bytes are UTF-8, which the http library has read as Latin-1."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def retry_after_s(value: str | None) -> float | None:
    """Seconds that a Retry-After asks for, in either of its two forms; None without one."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, when.timestamp() - time.time())
