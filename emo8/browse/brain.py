"""Maps, similarity and uniqueness from stored embeddings: nothing is downloaded."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pandas as pd

from emo8.engine.files import fingerprint

MAP_PCA, MAP_UMAP, SIMILAR = "map_pca", "map_umap", "similar"
SEARCHED_EXACTLY = 20_000  # rows; beyond, neighbours are searched in cells of an index
_NEIGHBOURS = (0.6, 0.3, 0.1)
MIN_ROWS = 4  # fewer have no three neighbours and no map worth the name


def uniqueness(vectors: np.ndarray) -> np.ndarray:
    """(N,) 0 to 1, how far each row's three nearest neighbours are; NaN without a vector.

    Source: the definition in FiftyOne's brain (`compute_uniqueness`): distances to the three
    nearest weighted 0.6, 0.3, 0.1, over the largest such number.
    """
    found = np.full(len(vectors), np.nan)
    own = np.flatnonzero(vectors.any(axis=1))
    if len(own) < MIN_ROWS:
        return found
    similarity = _nearest(np.ascontiguousarray(vectors[own], np.float32))
    distance = np.sqrt(np.maximum(2 - 2 * similarity, 0))  # of unit vectors
    weighted = distance @ np.array(_NEIGHBOURS)
    found[own] = np.round(weighted / max(float(weighted.max()), 1e-9), 3)
    return found


def _nearest(vectors: np.ndarray) -> np.ndarray:
    """(N, 3) cosines of the nearest other rows, highest first."""
    import faiss

    flat = faiss.IndexFlatIP(vectors.shape[1])
    index: Any = flat
    if len(vectors) > SEARCHED_EXACTLY:
        cells = int(4 * np.sqrt(len(vectors)))
        index = faiss.IndexIVFFlat(flat, vectors.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = 0
        index.train(vectors[:: max(1, len(vectors) // (40 * cells))])
        index.nprobe = 8
    index.add(vectors)
    found, _ = index.search(vectors, len(_NEIGHBOURS) + 1)
    return np.asarray(np.maximum(found[:, 1:], -1))  # the first is the row itself, or its equal


def add_maps(dataset: Any, chosen: pd.DataFrame, vectors: np.ndarray) -> list[str]:
    """Make the embedding maps and the similarity index of the chosen rows; their names come back.

    They are made anew only when other rows or vectors are shown than before.
    """
    import fiftyone.brain as brain

    has = vectors.any(axis=1) if vectors.shape[1] else np.zeros(len(vectors), bool)
    if has.sum() < MIN_ROWS:
        return []
    names = [MAP_PCA, SIMILAR, *([MAP_UMAP] if importlib.util.find_spec("umap") else [])]
    keys = chosen["key"].to_numpy()[has].tolist()
    mark = fingerprint(1, keys, [round(float(v), 2) for v in vectors[has].sum(axis=1)], names)
    if dataset.info.get("maps") == mark and set(names) <= set(dataset.list_brain_runs()):
        return names
    place = {key: number for number, key in enumerate(keys)}
    view = dataset.match({"key": {"$in": keys}}) if len(keys) < len(dataset) else dataset.view()
    order = np.array([place[key] for key in view.values("key")])
    for name, points in _points(vectors[has], names).items():
        _forget(dataset, name)
        brain.compute_visualization(view, points=points[order], brain_key=name)
    _forget(dataset, SIMILAR)
    brain.compute_similarity(view, embeddings="embedding", brain_key=SIMILAR, metric="cosine")
    dataset.info["maps"] = mark
    dataset.save()
    return names


def _forget(dataset: Any, name: str) -> None:
    if dataset.has_brain_run(name):
        dataset.delete_brain_run(name)


def _points(vectors: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """(N, 2) coordinates per map."""
    from sklearn.decomposition import PCA

    found = {MAP_PCA: PCA(2, random_state=0).fit_transform(vectors)}
    if MAP_UMAP in names:
        import umap

        found[MAP_UMAP] = umap.UMAP(random_state=0, n_jobs=1).fit_transform(vectors)
    return found
