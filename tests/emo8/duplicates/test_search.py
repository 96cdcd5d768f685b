from pathlib import Path

import numpy as np
import pytest

from emo8.duplicates import search
from emo8.duplicates.search import near_pairs, neighbours
from emo8.measure.filters.base import perceptual_hash
from tests.conftest import picture


def all_pairs(phash: np.ndarray, distance: int) -> set[tuple[int, int]]:
    """The slow plain version."""
    found = np.bitwise_count(phash[:, None] ^ phash[None, :]) <= distance
    return {(int(i), int(j)) for i, j in zip(*np.nonzero(found)) if i < j}


def clumped(seed: int) -> np.ndarray:
    """Distinct hashes of which most share all but a dozen bits: blocks that must be split again."""
    rng = np.random.default_rng(seed)
    return np.unique(rng.integers(0, 2**12, 900, dtype=np.uint64) * np.uint64(2**20 + 2**3 + 1))


@pytest.mark.parametrize("distance", [0, 1, 2, 3])
def test_near_pairs__of_distinct_hashes_equal_the_slow_version(distance: int) -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2**63, 60, dtype=np.uint64)
    flips = [np.uint64(1) << np.uint64(b) for b in rng.integers(0, 64, 240)]
    spread = np.unique(np.concatenate([base, np.repeat(base, 4) ^ np.array(flips, np.uint64)]))
    for phash in (spread, clumped(1)):
        found = {tuple(pair) for pair in near_pairs(phash, distance).tolist()}
        assert found == all_pairs(phash, distance)


def test_near_pairs__identical_hashes_cost_linear_pairs() -> None:
    assert len(near_pairs(np.full(100_000, 7, np.uint64), 3)) == 99_999


@pytest.mark.parametrize("rows", [0, 1])
def test_near_pairs__of_nothing_are_none(rows: int) -> None:
    assert near_pairs(np.zeros(rows, np.uint64), 3).shape == (0, 2)


def test_near_pairs__beyond_exact_search_is_refused() -> None:
    with pytest.raises(ValueError, match="up to 3"):
        near_pairs(np.zeros(2, np.uint64), 4)


def test_neighbours__large_index_finds_planted_copies_and_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((6000, 32)).astype(np.float32)
    vectors[3000:] = vectors[:3000] + 0.2 * rng.standard_normal((3000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = neighbours(vectors, vectors, 5)
    assert (found[3000:] == np.arange(3000)[:, None]).any(axis=1).mean() > 0.97
    assert (neighbours(vectors, vectors, 5) == found).all()


def test_nearest__lists_in_files_find_planted_copies_as_those_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MAX_BRUTE_ROWS", 100), ("MAX_GRAPH_ROWS", 1000), ("BLOCK_ROWS", 1500)):
        monkeypatch.setattr(search, name, value)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((4000, 32)).astype(np.float32)
    vectors[2000:] = vectors[:2000] + 0.2 * rng.standard_normal((2000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    there, here = search.Nearest(vectors, 4000, tmp_path), search.Nearest(vectors, 4000)
    for start in range(0, 4000, 500):
        there.add(vectors[start : start + 500])
        here.add(vectors[start : start + 500])
    there.write()
    found = search.Nearest.open(tmp_path).search(vectors, 5)
    assert len(list(tmp_path.iterdir())) == 3
    assert (found == here.search(vectors, 5)).mean() > 0.999  # equal sims may change places
    assert (found[2000:] == np.arange(2000)[:, None]).any(axis=1).mean() > 0.97


def test_neighbours__fewer_rows_than_asked_for_leave_gaps() -> None:
    assert neighbours(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), 4)[0, 2] == -1


def test_perceptual_hash__survives_scaling_and_tells_pictures_apart() -> None:
    grey = [np.asarray(picture(seed).convert("L")) for seed in range(20)]
    small = [np.asarray(picture(seed).convert("L").resize((80, 60))) for seed in range(20)]
    hashes = [perceptual_hash(image) for image in grey]
    for number, image in enumerate(small):
        assert (hashes[number] ^ perceptual_hash(image)).bit_count() <= 3
    far = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(far) > 10
