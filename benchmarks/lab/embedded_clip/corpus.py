"""The captioned pictures a small CLIP may learn from, decoded once into memory.

A corpus is a folder of `images-*.parquet` (pictures with caption, keywords, style, licence and
perhaps an emotion hint) and one `emotion_faces.parquet` (labelled faces by vendor, all of them
among the pictures too). Only the first is learned from, only the second is scored.
Shapes: N pictures, C cache side in pixels.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.lab.embedded_clip.drawn_faces import portraits
from emo8.core.taxonomy import EMOTIONS, STYLES

DRAWN_PACKAGE = "benchmarks.lab.embedded_clip.drawn_faces"
CACHE_SIDE_PX = 72
# Artist families nobody trains on: three to test, two to choose settings.
TEST_FAMILIES = ("twemoji", "openmoji", "open-peeps")
CHOICE_FAMILIES = ("fxemoji", "dylan")
HELD_OUT = re.compile(r"/(" + "|".join((*TEST_FAMILIES, *CHOICE_FAMILIES)) + r")$")
ALLOWED = re.compile(r"(public-domain(-wikipedia)?|PD|CC0-\d\.\d|MIT|Apache-2\.0|CC-BY-\d\.\d)$")
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)
EMOTION_WORD_SHARE = 0.5  # a word speaks of emotion if more of its pictures have a hint
_KIND_OF_EMOJI = re.compile(r", [a-z0-9 ]*emoji \([^)]*\)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Training rows, aligned lists of N."""

    pixels: np.ndarray  # (N, C, C, 4) uint8, premultiplied alpha
    ids: list[str]
    packages: list[str]
    licenses: list[str]
    names: list[str]  # what is shown, without the kind of picture
    captions: list[str]
    keywords: list[list[str]]
    designs: np.ndarray  # (N,) int64; the same number = the same thing drawn again
    emotions: np.ndarray  # (N,) int64 in taxonomy order, -1 where nothing is known
    styles: np.ndarray  # (N,) int64 in taxonomy order

    def __len__(self) -> int:
        return len(self.ids)

    def manifest(self) -> dict[str, object]:
        """Which rows were learned from: a hash of all ids, and counts per package and licence."""
        digest = hashlib.sha256("\n".join(sorted(self.ids)).encode()).hexdigest()
        counts = Counter(f"{p} | {c}" for p, c in zip(self.packages, self.licenses, strict=True))
        return {
            "rows": len(self),
            "ids_sha256": digest,
            "rows_by_package_and_license": dict(sorted(counts.items())),
            "rows_by_emotion": {
                name: int((self.emotions == k).sum()) for k, name in enumerate(EMOTIONS)
            },
            "rows_by_style": {name: int((self.styles == k).sum()) for k, name in enumerate(STYLES)},
            "held_out_families": [*TEST_FAMILIES, *CHOICE_FAMILIES],
        }


@dataclass(frozen=True, kw_only=True)
class Faces:
    """The labelled faces of one artist family."""

    pictures: list[Image.Image]
    emotions: np.ndarray  # (N,) int64


def read_corpus(folder: Path) -> Corpus:
    """All rows of `folder` that licence and family allow."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("images-*.parquet"))]
    kept = [
        row
        for row in pa.concat_tables(tables).to_pylist()
        if ALLOWED.match(row["license"]) and not HELD_OUT.search(row["source_package"])
    ]
    names = [_KIND_OF_EMOJI.sub("", row["caption"]).strip() for row in kept]
    numbers = {name: k for k, name in enumerate(dict.fromkeys(n.lower() for n in names))}
    return Corpus(
        pixels=_decode_all([row["image"] for row in kept]),
        ids=[row["id"] for row in kept],
        packages=[row["source_package"] for row in kept],
        licenses=[row["license"] for row in kept],
        names=names,
        captions=[row["caption"] for row in kept],
        keywords=[list(row["keywords"] or []) for row in kept],
        designs=np.array([numbers[name.lower()] for name in names]),
        emotions=np.array([_index(EMOTIONS, row["emotion_hint"]) for row in kept]),
        styles=np.array([_index(STYLES, row["style"]) for row in kept]),
    )


def with_drawn_faces(corpus: Corpus, count: int, seed: int = 0) -> Corpus:
    """`corpus` and `count` portraits of `drawn_faces` behind it; one design per emotion."""
    if not count:
        return corpus
    pictures, emotions = portraits(count, CACHE_SIDE_PX, seed)
    names = [EMOTIONS[k] for k in emotions]
    first = int(corpus.designs.max()) + 1
    return Corpus(
        pixels=np.concatenate([corpus.pixels, np.stack([_cached(p) for p in pictures])]),
        ids=[*corpus.ids, *(f"drawn-{seed}-{k}" for k in range(count))],
        packages=[*corpus.packages, *[DRAWN_PACKAGE] * count],
        licenses=[*corpus.licenses, *["Apache-2.0"] * count],
        names=[*corpus.names, *(f"person who shows {name}" for name in names)],
        captions=[*corpus.captions, *(f"drawn portrait, {name}" for name in names)],
        keywords=[*corpus.keywords, *(["person", "face", "portrait", name] for name in names)],
        designs=np.concatenate([corpus.designs, first + emotions]),
        emotions=np.concatenate([corpus.emotions, emotions]),
        styles=np.concatenate([corpus.styles, np.full(count, STYLES.index("cartoon"))]),
    )


def without_emotion(corpus: Corpus) -> Corpus:
    """`corpus` without hints, and without the words that more often than not stand beside one.

    What is left of "crying face" is "face"; pictures whose names are equal then are one design.
    """
    pictures, hinted = Counter[str](), Counter[str]()
    for row in range(len(corpus)):
        words = " ".join([corpus.captions[row], *corpus.keywords[row]])
        said = {word.lower() for word in _WORD.findall(words)}
        pictures.update(said)
        hinted.update(said if corpus.emotions[row] >= 0 else ())
    banned = {word for word in hinted if hinted[word] > EMOTION_WORD_SHARE * pictures[word]}

    def told(text: str) -> str:
        kept = _WORD.sub(lambda m: "" if m[0].lower() in banned else m[0], text)
        return " ".join(kept.split())

    names = [told(name) or "picture" for name in corpus.names]
    numbers = {name: k for k, name in enumerate(dict.fromkeys(n.lower() for n in names))}
    return replace(
        corpus,
        names=names,
        captions=[told(caption) or "picture" for caption in corpus.captions],
        keywords=[
            [word for word in words if not banned & {w.lower() for w in _WORD.findall(word)}]
            for words in corpus.keywords
        ],
        designs=np.array([numbers[name.lower()] for name in names]),
        emotions=np.full(len(corpus), -1),
    )


def read_faces(folder: Path, vendors: tuple[str, ...]) -> dict[str, Faces]:
    """The labelled faces of each family in `vendors`."""
    rows = pq.read_table(folder / "emotion_faces.parquet").to_pylist()
    found = {}
    for vendor in vendors:
        mine = [row for row in rows if row["vendor"] == vendor]
        found[vendor] = Faces(
            pictures=[Image.open(io.BytesIO(_bytes(row["image"]))) for row in mine],
            emotions=np.array([EMOTIONS.index(row["emotion"]) for row in mine]),
        )
    return found


def _decode_all(images: list[object]) -> np.ndarray:
    with ThreadPoolExecutor(2) as pool:
        return np.stack(list(pool.map(_decode, images)))


def _decode(image: object) -> np.ndarray:
    return _cached(Image.open(io.BytesIO(_bytes(image))).convert("RGBA"))


def _cached(picture: Image.Image) -> np.ndarray:
    """An RGBA picture as (C, C, 4) uint8, trimmed to what is not transparent, premultiplied."""
    box = picture.getchannel("A").getbbox()
    premultiplied = picture.crop(box).convert("RGBa")
    small = premultiplied.resize((CACHE_SIDE_PX, CACHE_SIDE_PX), Image.Resampling.BICUBIC)
    return np.frombuffer(small.tobytes(), np.uint8).reshape(CACHE_SIDE_PX, CACHE_SIDE_PX, 4)


def _bytes(image: object) -> bytes:
    value = image["bytes"] if isinstance(image, dict) else image
    assert isinstance(value, bytes)
    return value


def _index(names: tuple[str, ...], name: str | None) -> int:
    return -1 if name is None else names.index(name)
