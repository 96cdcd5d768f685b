"""Which addresses may be connected to: the public internet, and what a recipe allows beyond it.

The table follows the special-purpose registries of IANA (RFC 6890) and the metadata services of
the large clouds. It is asked with the address itself, after DNS, immediately before connecting.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from emo8.core.errors import RecipeError

HUB_TIMEOUT_S = 3.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# First match names the kind. Forms of IPv6 that carry an IPv4 address are refused whole: what they
# lead to is decided by a gateway that we cannot ask.
_CLOSED = (
    ("metadata", "169.254.169.254/32 169.254.170.2/32 100.100.100.200/32 168.63.129.16/32 "
                 "192.0.0.192/32 fd00:ec2::254/128 fd20:ce::254/128"),
    ("unspecified", "0.0.0.0/32 ::/128"),
    ("loopback", "127.0.0.0/8 ::1/128"),
    ("private", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7"),
    ("link_local", "169.254.0.0/16 fe80::/10"),
    ("shared", "100.64.0.0/10"),
    ("multicast", "224.0.0.0/4 ff00::/8"),
    ("ipv4_mapped", "::ffff:0:0/96 ::/96 ::ffff:0:0:0/96"),
    ("nat64", "64:ff9b::/96 64:ff9b:1::/48"),
    ("tunnel", "2002::/16 2001::/32 192.88.99.0/24"),
    ("reserved", "0.0.0.0/8 192.0.0.0/24 192.0.2.0/24 198.18.0.0/15 198.51.100.0/24 "
                 "203.0.113.0/24 240.0.0.0/4 100::/64 100:0:0:1::/64 2001::/23 2001:db8::/32 "
                 "3fff::/20 5f00::/16 fec0::/10"),
)  # fmt: skip
CLOSED: tuple[tuple[str, Network], ...] = tuple(
    (kind, ipaddress.ip_network(text)) for kind, texts in _CLOSED for text in texts.split()
)


def refusal(address: str, allowed: Iterable[Network] = ()) -> str | None:
    """The kind of closed network that an address lies in; None where connecting is allowed."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if any(ip in network for network in allowed if network.version == ip.version):
        return None
    for kind, network in CLOSED:
        if network.version == ip.version and ip in network:
            return kind
    return None if ip.is_global else "reserved"


def parse_networks(texts: Iterable[str], where: str) -> tuple[Network, ...]:
    """Networks as a recipe writes them; RecipeError names the one that is none."""
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise RecipeError(
                f"{where}: allow_networks holds {text!r}: {error}; write for example "
                '"127.0.0.0/8" or "10.1.2.3/32"'
            ) from None
    return tuple(networks)


@contextmanager
def hub_or_cache(data: str) -> Iterator[bool]:
    """Within it a Hub id is read from the cache alone where the Hub does not answer; whether it
    may be asked comes back.

    Its clients try a dead line for most of a minute. Behind a proxy only they know the way.
    """
    import datasets
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    local = Path(data).exists()
    online = local or not (any(before) or (not getproxies() and hub_error()))
    if not online:
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield online
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before


def hub_error() -> str:
    """Why the Hub's host accepts no connection; empty where it does."""
    from huggingface_hub import constants

    parts = urlsplit(constants.ENDPOINT)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), HUB_TIMEOUT_S).close()
    except OSError as error:
        return str(error)
    return ""
