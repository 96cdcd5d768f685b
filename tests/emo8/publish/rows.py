"""Rows as they are published, whose pictures are noise."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from emo8.core import schema

FEATURES = schema.published_features().arrow_schema.metadata


def row(number: int) -> dict[str, Any]:
    """A published row with 12 to 28 KB of incompressible picture."""
    rng = np.random.default_rng(number)
    data = rng.bytes(int(rng.integers(12_000, 28_000)))
    digest = hashlib.sha256(data).hexdigest()
    record = dict.fromkeys(schema.PUBLISHED)
    prob = rng.random(8).astype(np.float32)
    return record | {
        "id": digest, "image": {"bytes": data, "path": f"{digest}.jpg"}, "emotion": number % 8,
        "emotion_prob": prob.round(4).tolist(), "emotion_rule": "clip", "style": 1,
        "caption": f"picture number {number} of a long walk", "width": 640, "height": 480,
        "license": "CC0-1.0", "source": "walk", "also_from": [], "cluster": digest,
        "pixel_sha256": digest[::-1], "published_sha256": digest,
    }  # fmt: skip
