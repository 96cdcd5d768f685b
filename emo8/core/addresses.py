"""One form for all spellings of a web address, to tell whether two name the same picture.

Wider than what a fetch needs: scheme, `www.`, default ports, percent-encoding, dot segments, the
order of a query, fragments and closing slashes make no difference.
"""

from __future__ import annotations

import posixpath
import unicodedata
from contextlib import suppress
from urllib.parse import unquote_to_bytes, urlsplit

_DEFAULT_PORTS = (80, 443)


def comparable(address: str) -> str:
    """The address without what differs between spellings; no address to fetch from."""
    text = address.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # bad port, bad brackets: compared as it is
        return text
    shown = (
        f"{plain_host(host)}:{port}" if port and port not in _DEFAULT_PORTS else plain_host(host)
    )
    path = _decoded(parts.path)
    path = posixpath.normpath(path).lstrip("/") if path.strip("/") else ""
    query = "&".join(sorted(_decoded(item.replace("+", " ")) for item in parts.query.split("&")))
    return f"{shown}/{path}?{query}" if query else f"{shown}/{path}"


def plain_host(host: str) -> str:
    """A host in lower case, as DNS knows it, without `www.` and closing dot."""
    text = host.strip().rstrip(".").lower()
    if not text.isascii():
        with suppress(UnicodeError):
            text = text.encode("idna").decode()
    return text.removeprefix("www.")


def quick_host(address: str) -> str | None:
    """The plain host of an address, found cheaply; None where only `comparable` can tell."""
    pieces = address.split("/", 3)
    host = pieces[2] if len(pieces) > 2 and pieces[0].endswith(":") else ""
    if not host or not host.isascii() or not host[-1].isalnum() or "@" in host or "[" in host:
        return None
    return plain_host(host.partition(":")[0])


def _decoded(text: str) -> str:
    """Percent-encoding undone; composed letters, so that é and e with an accent are one."""
    data = unquote_to_bytes(text)
    try:
        return unicodedata.normalize("NFC", data.decode())
    except UnicodeDecodeError:
        return data.decode("latin-1")
