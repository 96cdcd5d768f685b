"""Names of annotators become pseudonyms, by a secret that stays in the build."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path

from emo8.engine.files import write_text

_PSEUDONYM = re.compile(r"a[0-9a-f]{12}")
_SALT = "annotators.salt"


def pseudonym(name: str, salt: str) -> str:
    """A stable stand-in for an annotator's name; a pseudonym of ours stays what it is."""
    if _PSEUDONYM.fullmatch(name):
        return name
    return "a" + hashlib.sha256(f"{salt}:{name}".encode()).hexdigest()[:12]


def salt_of(build: Path) -> str:
    """The build's secret that makes pseudonyms; it is never published."""
    path = build / "tables" / _SALT
    if not path.exists():
        write_text(path, secrets.token_hex(16))
    return path.read_text(encoding="utf-8").strip()
