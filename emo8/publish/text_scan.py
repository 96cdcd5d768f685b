"""What a published text must not say, with where it says so: secrets, and where it was made.

What is found is named by its kind and place, never quoted.
"""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable, Iterator

# Folders in which people keep files. Addresses are taken out before: a web path is no local path.
_LOCAL_PATH = re.compile(
    r"file://|(?<![\w/.:-])(?:/(?:home|Users|root|tmp|mnt|media|srv|Volumes|private|var/folders)/"
    r"|/(?:data\d*|scratch|workspace|work|nfs|gpfs|lustre|opt|kaggle|dbfs)/(?=\w)"
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

_EVERYBODY = frozenset(
    ("root", "user", "admin", "administrator", "ubuntu", "debian", "ec2-user", "runner", "docker",
     "nobody", "jovyan", "data", "test", "guest", "home", "cloud", "emo8", "model", "main")
)  # fmt: skip


class TextScan:
    """Looks for secrets, paths of a machine, and given words."""

    def __init__(self, forbidden: Iterable[str]) -> None:
        self.forbidden = [text for text in forbidden if len(text) > 3]
        self._words = [re.compile(_whole(text)) for text in self.forbidden]

    def __call__(self, text: str) -> Iterator[tuple[str, int]]:
        """Kind and place (character) of everything that must not be in a text."""
        for found in _SECRET.finditer(text):
            yield "secret", found.start()
        bare = _ADDRESS.sub(lambda address: " " * len(address[0]), text)
        for found in _LOCAL_PATH.finditer(bare):
            yield "local_path", found.start()
        for word in self._words:
            if (at := word.search(text)) is not None:
                yield "local_path", at.start()


def _whole(text: str) -> str:
    """A pattern for `text` that does not fit inside a longer word."""
    start = r"(?<!\w)" if text[0].isalnum() else ""
    end = r"(?!\w)" if text[-1].isalnum() else ""
    return start + re.escape(text) + end


def user_names() -> list[str]:
    """Who runs this, where the name is a person's and not one that every machine has."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user without an entry
        return []
    return [] if name.lower() in _EVERYBODY else [name]


def host_names() -> list[str]:
    """This machine's name, where it is one that nothing else would be called."""
    name = socket.gethostname()
    return [name] if len(name) > 5 and re.search(r"[\d.-]", name) else []
