"""One hash for all rows of a release, and proofs that a row is in it or is not.

A tree as in RFC 9162 (Certificate Transparency): SHA-256; leaves, nodes and the root are kept apart
by a first byte. Leaves are rows sorted by id; a leaf holds the id and the SHA-256 of everything
the row says. A proof of absence shows the two neighbours between which the id would stand.
docs/verify.md has the format on one page.
"""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

_LEAF, _NODE, _ROOT = b"\x00", b"\x01", b"\x02"
_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_EMPTY = hashlib.sha256(b"").digest()  # the top of a tree without rows


def row_hash(row: dict[str, Any]) -> str:
    """SHA-256 of a row without its picture, which `published_sha256` stands for, as hex.

    JSON with sorted keys and no spaces; numbers as Python writes the published 32-bit values.
    """
    content = {key: value for key, value in row.items() if key != "image"}
    return hashlib.sha256(_json(content).encode("utf-8", "surrogatepass")).hexdigest()


class Tree:
    """The tree over the rows of a release."""

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        """`rows` are ids and row hashes, in any order."""
        self.rows = sorted(rows)
        self.ids = [key for key, _ in self.rows]
        self.levels = [[_leaf(*row) for row in self.rows]]
        while len(self.levels[-1]) > 1:
            self.levels.append(_above(self.levels[-1]))

    @property
    def root(self) -> str:
        """The hash over all rows, as hex."""
        return _root(self.levels[-1][0] if self.rows else _EMPTY, len(self.rows))

    def prove(self, key: str) -> dict[str, Any]:
        """A proof that the row `key` is in the release, or that it is not."""
        place = bisect.bisect_left(self.ids, key)
        head = {"id": key, "root": self.root, "rows": len(self.rows)}
        if place < len(self.ids) and self.ids[place] == key:
            return {**head, "present": True, "leaves": [self._leaf_proof(place)]}
        around = [n for n in (place - 1, place) if 0 <= n < len(self.rows)]
        return {**head, "present": False, "leaves": [self._leaf_proof(n) for n in around]}

    def _leaf_proof(self, place: int) -> dict[str, Any]:
        key, digest = self.rows[place]
        path, at = [], place
        for level in self.levels[:-1]:
            sibling = at ^ 1
            if sibling < len(level):
                path.append(("left" if sibling < at else "right", level[sibling].hex()))
            at //= 2
        return {"place": place, "id": key, "row": digest, "path": path}


def check(proof: dict[str, Any]) -> bool:
    """Whether a proof holds for its root, by its own hashes alone."""
    key, rows, leaves = proof["id"], proof["rows"], proof["leaves"]
    if rows == 0:
        return not proof["present"] and proof["root"] == _root(_EMPTY, 0)
    if not leaves or not all(_holds(leaf, proof["root"], rows) for leaf in leaves):
        return False
    places, ids = [leaf["place"] for leaf in leaves], [leaf["id"] for leaf in leaves]
    if proof["present"]:
        return len(leaves) == 1 and ids == [key]
    if len(leaves) == 2:
        return places[1] == places[0] + 1 and ids[0] < key < ids[1]
    return (places == [0] and key < ids[0]) or (places == [rows - 1] and key > ids[0])


def _holds(leaf: dict[str, Any], root: str, rows: int) -> bool:
    """Whether a leaf at its place leads to the root of a tree of `rows` leaves."""
    at, width, path = leaf["place"], rows, list(leaf["path"])
    if not 0 <= at < rows:
        return False
    found = _leaf(leaf["id"], leaf["row"])
    while width > 1:
        if at ^ 1 < width:
            if not path:
                return False
            side, sibling = path.pop(0)
            if side != ("left" if at % 2 else "right"):
                return False
            other = bytes.fromhex(sibling)
            found = _node(other, found) if at % 2 else _node(found, other)
        at, width = at // 2, (width + 1) // 2
    return not path and _root(found, rows) == root


def _root(top: bytes, rows: int) -> str:
    """The number of rows is part of the root: the last one is known to be the last."""
    return hashlib.sha256(_ROOT + f"{rows}\n".encode() + top).hexdigest()


def _leaf(key: str, digest: str) -> bytes:
    return hashlib.sha256(_LEAF + f"{key}\n{digest}".encode()).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


def _above(level: Sequence[bytes]) -> list[bytes]:
    """The nodes over a level; a last one without a sibling goes up as it is."""
    pairs = [_node(level[n], level[n + 1]) for n in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs
