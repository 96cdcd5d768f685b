"""Fingerprints of pictures: hashes and embeddings in a parquet file, and no pictures.

`emo8 leaks take` writes them for a benchmark, a build leaves out what matches them, and anything
that trains or measures may ask `match` whether two sets share pictures. One line per picture, with
the columns of `SCHEMA`; the file's metadata says whose they are and how they were made (`About`).
Files of other recipes or another version are refused; embeddings of another CLIP are not compared.
"""

from emo8.duplicates.fingerprints.file import SCHEMA, About, Prints, read, take, write
from emo8.duplicates.fingerprints.hashes import (
    DETAIL_SIDE,
    detail_hash,
    detail_of,
    details_of,
    mirrored_detail,
    window_hashes,
)
from emo8.duplicates.fingerprints.match import Matches, match

__all__ = [
    "DETAIL_SIDE",
    "SCHEMA",
    "About",
    "Matches",
    "Prints",
    "detail_hash",
    "detail_of",
    "details_of",
    "match",
    "mirrored_detail",
    "read",
    "take",
    "window_hashes",
    "write",
]
