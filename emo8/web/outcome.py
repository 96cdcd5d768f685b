"""What became of one link: bytes, or a reason code with its cause."""

from __future__ import annotations

from dataclasses import dataclass


class FetchFailed(Exception):  # noqa: N818
    """A link that gives no picture: a reason of `emo8/core/reasons.py`, its cause, a number."""

    def __init__(self, reason: str, cause: str, value: float | None = None) -> None:
        super().__init__(f"{reason}: {cause}")
        self.reason, self.cause, self.value = reason, cause, value


@dataclass(frozen=True, kw_only=True)
class LinkOutcome:
    """Bytes, or why there are none."""

    data: bytes | None = None
    reason: str | None = None  # a code of emo8/core/reasons.py
    cause: str | None = None  # in detail, for example "http_404" or "loopback 127.0.0.1"
    value: float | None = None  # the number behind it: HTTP status, bytes, redirects


def failed(cause: str, value: float | None = None) -> FetchFailed:
    """The error of a link that could not be fetched; a retry may succeed."""
    return FetchFailed("fetch_failed", cause, value)
