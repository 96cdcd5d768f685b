"""Links as lists hold them, and the address of a page that one is: http or https, nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from emo8.web.outcome import FetchFailed, failed

SCHEMES = ("http", "https")
MAX_LINK_CHARS = 8192  # longer ones are pictures in disguise (data:) or mistakes
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SAFE_PATH = "%/:@!$&'()*+,;=~-._"


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where one request goes."""

    url: str  # normalised, without fragment
    scheme: str
    host: str  # lower case, ASCII; without brackets
    port: int
    path: str  # path and query, as sent

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def parse(link: str | None) -> Target:
    """The target of a link; LostError for what is empty, no URL, or of another scheme."""
    text = (link or "").strip()
    if not text:
        raise failed("empty_link")
    if _CONTROL.search(text):
        raise failed("not_a_url")
    scheme, colon, _ = text.partition(":")
    named = colon and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme)
    if named and scheme.lower() not in SCHEMES:
        raise FetchFailed("refused_address", f"scheme {scheme.lower()[:20]}")
    if len(text) > MAX_LINK_CHARS:
        raise failed("not_a_url", len(text))
    return _target(text)


def _target(text: str) -> Target:
    try:
        parts = urlsplit(text)
        port = parts.port
        host = _ascii_host(parts.hostname or "")
    except ValueError:  # bad port, bad brackets, a name that is no name
        raise failed("not_a_url") from None
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES or not host:
        raise failed("not_a_url")
    if parts.username or parts.password:
        raise failed("credentials_in_url")
    if port == 0:
        raise failed("not_a_url")
    path = quote(parts.path or "/", safe=_SAFE_PATH)
    query = quote(parts.query, safe=_SAFE_PATH + "?[]")
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port in (None, _default_port(scheme)) else f"{shown}:{port}"
    sent = path if path.startswith("/") else f"/{path}"
    return Target(
        url=urlunsplit((scheme, netloc, sent, query, "")),
        scheme=scheme,
        host=host,
        port=port or _default_port(scheme),
        path=f"{sent}?{query}" if query else sent,
    )


def _ascii_host(host: str) -> str:
    """The name as DNS knows it; ValueError for what no name can be."""
    if ":" in host:  # urlsplit has checked what stands in brackets
        return host
    text = host.rstrip(".") if host.isascii() else host.rstrip(".").encode("idna").decode()
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", text):
        raise ValueError(host)
    return text.lower()


def host_of(link: str | None) -> str:
    """The host a link names, for tables; "" where it names none."""
    try:
        return parse(link).host
    except FetchFailed:
        return ""
