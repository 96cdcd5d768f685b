"""Where a CLIP model can be believed, by a plane through its embeddings beside its weights.

A folder's `domain.json` says on which side of the plane the pictures lie that the model was made
for. It is a linear probe of the pictures that the model learned from, the few of other kinds among
them standing for all that lies outside, as in Hendrycks et al. (2019), "Deep anomaly detection
with outlier exposure". The distance to the nearest training pictures (Sun et al. 2022) does not
tell the two apart for the embedded model; `benchmarks.lab.embedded_clip.domain` measures both.
Letters: N pictures, D width of an embedding, K names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from emo8.core.errors import ModelError
from emo8.labels.clip.models import folder_of

NAME = "domain.json"
OUT_OF_DOMAIN = "out_of_domain"  # what `emotion_calibration` says of a row outside


@dataclass(frozen=True, kw_only=True)
class Domain:
    """The half of the space of unit embeddings that a model was made for."""

    direction: tuple[float, ...]  # (D,), away from the domain
    border: float  # the largest product with an embedding that lies inside

    def holds(self, vectors: np.ndarray) -> np.ndarray:
        """(N,) whether each embedding (N, D) lies inside."""
        return np.asarray(vectors @ np.array(self.direction) <= self.border)


def of(model: str) -> Domain | None:
    """The domain of a model of a folder; None where nothing is known of one."""
    folder = folder_of(model)
    if folder is None or not (folder / NAME).is_file():
        return None
    try:
        said = json.loads((folder / NAME).read_text(encoding="utf-8"))
        direction = tuple(float(value) for value in said["direction"])
        return Domain(direction=direction, border=float(said["border"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / NAME} is no domain ({error!r}): remove it") from None


def nothing_said(num_names: int) -> np.ndarray:
    """(K,) the distribution of a model that knows nothing of a picture."""
    return np.full(num_names, 1 / num_names)


def says_something(prob: np.ndarray) -> np.ndarray:
    """(N,) whether each distribution (N, K) prefers any name; that over one name always does."""
    return np.asarray((prob.shape[1] == 1) | (prob.max(axis=1) > prob.min(axis=1)))
