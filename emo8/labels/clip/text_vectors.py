"""Text vectors of a build: every text is embedded once with every model, and kept by its hash.

A changed prompt embeds the texts that are new, and nothing of a model is imported for the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emo8.engine.files import appearing, fingerprint

if TYPE_CHECKING:
    from emo8.labels.clip.encoder import Encoder

VERSION = 1
BATCH = 16  # always as many: what a vector comes to then does not depend on what else is new


class TextVectors:
    """Embeds texts as an `Encoder` does, and remembers them in `BUILD/tables`."""

    def __init__(self, build: Path, name: str, weights_sha256: str) -> None:
        key = fingerprint(VERSION, weights_sha256)[:16]
        self.path = build / "tables" / f"text-vectors-{key}.npz"
        self.name, self.num_new = name, 0
        self.known = dict[str, np.ndarray]()
        if self.path.exists():
            with np.load(self.path, allow_pickle=False) as file:
                self.known = dict(zip(file["sha256"].tolist(), file["vectors"], strict=True))

    @cached_property
    def _encoder(self) -> Encoder:
        from emo8.labels.clip.encoder import load

        return load(self.name)

    def embed_texts(self, texts: Iterable[str]) -> np.ndarray:
        """Unit text vectors (N, D) float32."""
        wanted = list(texts)
        keys = {text: sha256(text.encode()).hexdigest() for text in wanted}
        new = [text for text in keys if keys[text] not in self.known]
        if new:
            self._embed(new, keys)
        return np.stack([self.known[keys[text]] for text in wanted])

    def _embed(self, texts: list[str], keys: dict[str, str]) -> None:
        vectors = self._encoder.embed_texts(texts, batch_size=BATCH, filled=True)
        self.known |= {keys[text]: vector for text, vector in zip(texts, vectors, strict=True)}
        self.num_new += len(texts)

    def save(self) -> None:
        """Write the file, if a text was new."""
        if not self.num_new:
            return
        names = np.array(sorted(self.known), "U64")
        vectors = np.stack([self.known[name] for name in names.tolist()])
        with appearing(self.path) as partial, partial.open("wb") as file:
            np.savez(file, sha256=names, vectors=vectors)
