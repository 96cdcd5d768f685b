"""Who is asked: a model of a form that `--model` names, as one function from a picture to a reply.

`hf:NAME` loads a vision-language model with transformers (an extra); any other name is asked of the
OpenAI-compatible server at `--endpoint`, with the key in EMO8_API_KEY or OPENAI_API_KEY.
"""

from __future__ import annotations

import base64
import os
import random
import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol

from emo8.core.errors import Emo8Error, ModelError
from emo8.core.json_text import parse_json

KEYS = ("EMO8_API_KEY", "OPENAI_API_KEY")
TIMEOUT_S = 120.0
TRIES = 6
LONGEST_WAIT_S = 60.0
_AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 529)
MAX_REPLY_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a model said to one question."""

    text: str | None  # None = it said nothing, or the server's filter took it back
    tokens_in: int = 0
    tokens_out: int = 0
    error: str | None = None  # why there is no text; a refusal, and no reason to ask again


class Unanswered(Exception):  # noqa: N818
    """No reply could be had this time; asking again later may help."""


class Asked(Protocol):
    """A model that can be asked."""

    name: str

    def ask(self, picture: bytes, question: str, max_tokens: int) -> Reply:
        """The reply to a question about a JPEG."""
        ...


def load(name: str, endpoint: str | None) -> Asked:
    """The model; ModelError where it cannot be had."""
    if name.startswith("hf:"):
        if endpoint:
            raise Emo8Error(f"--model {name} runs here: drop --endpoint.")
        from benchmarks.asking.local import Local

        return Local(name)
    if not endpoint:
        raise Emo8Error(
            f"--model {name}: write hf:NAME for a model of transformers, or say with --endpoint "
            "which OpenAI-compatible server has it, for example http://127.0.0.1:8000/v1."
        )
    return Endpoint(name, endpoint)


class Endpoint:
    """A model behind an OpenAI-compatible `chat/completions`."""

    def __init__(self, name: str, endpoint: str) -> None:
        import httpx

        if not endpoint.startswith(("http://", "https://")):
            raise Emo8Error(f"--endpoint {endpoint}: an address with http:// or https://.")
        self.name = name
        self._url = endpoint.rstrip("/") + "/chat/completions"
        key = next((os.environ[k] for k in KEYS if os.environ.get(k)), None)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=TIMEOUT_S, follow_redirects=False)

    def ask(self, picture: bytes, question: str, max_tokens: int) -> Reply:
        """The reply; asks again while the server is busy, Unanswered where it stays so."""
        image = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
        content = [
            {"type": "image_url", "image_url": {"url": image}},
            {"type": "text", "text": question},
        ]
        body = {
            "model": self.name,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        why, wait = "", 0.0
        for attempt in range(TRIES):
            if attempt:
                time.sleep(wait)
            status, after, found, why = self._post(body)
            if found is not None:
                return _reply(found)
            if status and status not in _AGAIN:
                return self._final(status, why)
            wait = after if after is not None else min(LONGEST_WAIT_S, 2.0**attempt)
            wait *= 1 + random.random() / 4
        raise Unanswered(why)

    def _post(self, body: dict[str, Any]) -> tuple[int, float | None, dict[str, Any] | None, str]:
        """(status, seconds to wait, JSON where it worked, why it did not)."""
        import httpx

        try:
            with self._client.stream("POST", self._url, json=body) as response:
                raw = b""
                for piece in response.iter_bytes():
                    raw += piece
                    if len(raw) > MAX_REPLY_BYTES:
                        return 413, None, None, "the reply is larger than any answer"
        except httpx.HTTPError as error:
            return 0, None, None, f"{type(error).__name__}: {error}"
        if response.status_code == 200:
            return 200, None, *_json(raw)
        return (
            response.status_code,
            _seconds(response.headers.get("retry-after")),
            None,
            (f"HTTP {response.status_code}: {raw[:300].decode(errors='replace')}"),
        )

    def _final(self, status: int, why: str) -> Reply:
        """A refusal of this question; ModelError where the server would refuse every one."""
        if status in (401, 403, 404):
            raise ModelError(
                f"{self._url} does not take --model {self.name} ({why}). Check the name, the "
                f"address, and the key in {' or '.join(KEYS)}."
            )
        return Reply(text=None, error=why)


def _json(raw: bytes) -> tuple[dict[str, Any] | None, str]:

    try:
        found = parse_json(raw)
    except ValueError:
        return None, f"no JSON came back: {raw[:200].decode(errors='replace')}"
    if not isinstance(found, dict) or not found.get("choices"):
        return None, f"no choices came back: {raw[:200].decode(errors='replace')}"
    return found, ""


def _reply(found: dict[str, Any]) -> Reply:
    choice = found["choices"][0]
    message = choice.get("message") or {}
    text = message.get("content")
    if isinstance(text, list):  # parts, as some servers send them
        text = "".join(str(part.get("text", "")) for part in text)
    error = message.get("refusal")
    if not text and choice.get("finish_reason") == "content_filter":
        error = "content_filter"
    usage = found.get("usage") or {}
    return Reply(
        text=text or None,
        error=error,
        tokens_in=int(usage.get("prompt_tokens") or 0),
        tokens_out=int(usage.get("completion_tokens") or 0),
    )


def _seconds(header: str | None) -> float | None:
    """A Retry-After in seconds; None for dates and nonsense."""
    try:
        return min(LONGEST_WAIT_S, max(0.0, float(header))) if header else None
    except ValueError:
        return None


class Pace:
    """At most so many questions a minute, over all threads."""

    def __init__(self, per_minute: float) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._lock, self._next = threading.Lock(), 0.0

    def wait(self) -> None:
        """Return when the next question may be put."""
        if not self._gap:
            return
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next)
            self._next = at + self._gap
        time.sleep(max(0.0, at - now))
