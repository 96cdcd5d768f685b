"""JSON from an API behind the same network guard as pictures: paced, patient, remembered.

Answers are kept in a folder, so that a search that was cut off, or ran into a daily limit, goes on
where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from pathlib import Path
from typing import Any

from emo8.core.json_text import parse_json
from emo8.core.networks import Network
from emo8.engine.files import write_text
from emo8.web import body
from emo8.web.agent import DEFAULT_AGENT, REDIRECTS, THROTTLES, retry_after_s
from emo8.web.http import Clock, GuardedHttp
from emo8.web.links import parse
from emo8.web.outcome import FetchFailed

logger = logging.getLogger(__name__)

MAX_BYTES = 10_000_000  # of one answer
ATTEMPTS = 5
MAX_WAIT_S = 120.0  # a longer Retry-After means: come back another day


class ApiError(OSError):
    """An API that gives no answer now; what was found stays, and a later run goes on."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Asks one API; `delay_s` apart, with answers kept below `folder`."""

    def __init__(
        self,
        *,
        folder: Path,
        delay_s: float,
        user_agent: str = "",
        allowed: tuple[Network, ...] = (),
        max_requests: int | None = None,
    ) -> None:
        self.folder, self.delay_s = folder, delay_s
        self.user_agent = user_agent or DEFAULT_AGENT
        self.wire = GuardedHttp(allowed=allowed)
        self.left, self.num_requests = max_requests, 0
        self.next_start = 0.0

    def get(self, url: str, headers: dict[str, str] | None = None) -> Any:
        """The JSON at an address, asked for once; ApiError when there is none to be had."""
        path = self.folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"
        if path.exists():
            return parse_json(path.read_text(encoding="utf-8"))["answer"]
        if self.left is not None and self.num_requests >= self.left:
            raise ApiError(f"{self.left} requests were made, as many as allowed")
        self.num_requests += 1
        answer = self.ask("GET", url, headers or {})
        write_text(path, json.dumps({"url": url, "answer": answer}, ensure_ascii=False) + "\n")
        return answer

    def ask(self, method: str, url: str, headers: dict[str, str], data: bytes | None = None) -> Any:
        """The JSON of one request; throttling and failures of the server are waited for."""
        wait_s = 1.0
        for attempt in range(ATTEMPTS):
            asked: float | None = None
            try:
                status, reply_headers, text = self._once(method, url, headers, data)
            except FetchFailed as lost:
                if lost.reason == "refused_address":
                    raise ApiError(f"{url} leads to a closed network ({lost.cause})") from None
                problem, status = lost.cause, None
            else:
                if status == 200:
                    return _json(text, url)
                problem = f"status {status}"
                if status not in (*THROTTLES, 500, 502, 504):
                    raise ApiError(f"{url} answers {status}: {text[:200]}", status)
                asked = retry_after_s(reply_headers.get("Retry-After"))
            pause_s = wait_s if asked is None else asked
            if attempt + 1 == ATTEMPTS or pause_s > MAX_WAIT_S:
                raise ApiError(f"{url}: {problem}, wait {pause_s:.0f} s and run it again", status)
            logger.warning("%s: %s; trying again in %g s", url, problem, pause_s)
            time.sleep(pause_s)
            wait_s *= 2
        raise AssertionError("the last attempt returns or raises")

    def _once(
        self, method: str, url: str, headers: dict[str, str], data: bytes | None
    ) -> tuple[int, Any, str]:
        """Status, headers and text of one request, in its turn."""
        now = time.monotonic()
        time.sleep(max(0.0, self.next_start - now))
        self.next_start = max(now, self.next_start) + self.delay_s
        target = parse(url)
        sent = {"User-Agent": self.user_agent, "Accept": "application/json", **headers}
        with Clock(60.0, 20.0) as clock:
            reply = self.wire.request(target, sent, clock, method=method, body=data)
            try:
                text = body.read_text(reply, MAX_BYTES)
            finally:
                self.wire.done(reply)
        if reply.status in REDIRECTS:  # an API that moved: its user should know
            where = reply.headers.get("Location", "")
            raise ApiError(f"{url} has moved to {where}: name it with --endpoint", reply.status)
        return reply.status, reply.headers, text.data.decode("utf-8", errors="replace")


def _json(text: str, url: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        raise ApiError(f"{url} answers with no JSON: {text[:100]!r}") from None
