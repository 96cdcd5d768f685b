"""What a published text must not say, with where it says so: secrets, and paths of a machine.

What is found is named by its kind and place, never quoted.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator

# Folders in which people keep files. Addresses are taken out before: a web path is no local path.
_LOCAL_PATH = re.compile(
    r"file://|(?<![\w/.:-])(?:/(?:home|Users|root|tmp|mnt|media|srv|Volumes|private|var/folders)/"
    r"|~/|[A-Za-z]:\\\w|\\\\\w+\\)[^\s\"')]*"
)
_ADDRESS = re.compile(r"https?://[^\s\"'<>)]+")
_SECRET = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{20,}|\bAKIA[0-9A-Z]{16}\b"
    r"|\bsk-[A-Za-z0-9_-]{20,}|\bxox[abps]-[A-Za-z0-9-]{10,}|\bAIza[0-9A-Za-z_-]{35}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|https?://[^\s/@:]+:[^\s/@]+@"
    r"|[?&](?:X-Amz-Signature|X-Goog-Signature|Signature|sig|token|access_token|api_key|apikey"
    r"|password|secret)=[^\s&\"']{8,}"
    r"|(?i:\b(?:password|passwd|api[_-]?key|secret[_-]?key|auth[_-]?token)\s*[:=]\s*\S{6,})"
)


class TextScan:
    """Looks for secrets, paths of a machine, and given words."""

    def __init__(self, forbidden: Iterable[str]) -> None:
        self.forbidden = [text for text in forbidden if len(text) > 3]

    def __call__(self, text: str) -> Iterator[tuple[str, int]]:
        """Kind and place (character) of everything that must not be in a text."""
        for found in _SECRET.finditer(text):
            yield "secret", found.start()
        bare = _ADDRESS.sub(lambda address: " " * len(address[0]), text)
        for found in _LOCAL_PATH.finditer(bare):
            yield "local_path", found.start()
        for word in self.forbidden:
            if (at := text.find(word)) >= 0:
                yield "local_path", at


def host_names() -> list[str]:
    """This machine's name, where it is one that nothing else would be called."""
    name = socket.gethostname()
    return [name] if len(name) > 5 and re.search(r"[\d.-]", name) else []
