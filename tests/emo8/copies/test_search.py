import numpy as np
import pytest

from emo8.duplicates import agree, clusters, hash_distance, near_pairs
from emo8.filters.integrity import perceptual_hash
from tests.conftest import picture


def all_pairs(phash: np.ndarray, distance: int) -> set[tuple[int, int]]:
    """The slow plain version."""
    found = np.bitwise_count(phash[:, None] ^ phash[None, :]) <= distance
    return {(int(i), int(j)) for i, j in zip(*np.nonzero(found)) if i < j}


@pytest.mark.parametrize("distance", [0, 1, 2, 3])
def test_near_pairs__clusters_equal_the_slow_version(distance: int) -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2**63, 60, dtype=np.uint64)
    flips = [np.uint64(1) << np.uint64(b) for b in rng.integers(0, 64, 240)]
    near = np.repeat(base, 4) ^ np.array(flips, np.uint64)
    phash = np.concatenate([base, near, base[:5]])
    ours = clusters(len(phash), near_pairs(phash, distance))
    slow = clusters(len(phash), np.array(sorted(all_pairs(phash, distance))).reshape(-1, 2))
    assert (ours == slow).all()


def test_near_pairs__identical_hashes_cost_linear_pairs() -> None:
    phash = np.full(100_000, 7, np.uint64)
    assert len(near_pairs(phash, 3)) == 99_999


def test_near_pairs__beyond_exact_search_is_refused() -> None:
    with pytest.raises(ValueError, match="up to 3"):
        near_pairs(np.zeros(2, np.uint64), 4)


def test_clusters__chains_are_one_cluster_named_by_its_first_row() -> None:
    assert clusters(5, np.array([[1, 3], [3, 4]])).tolist() == [0, 1, 2, 1, 1]


def test_agree__second_witness_can_refuse() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [1, 0.01]], np.float32)
    pairs = np.array([[0, 1], [0, 2]])
    assert agree(vectors, pairs, 0.9).tolist() == [False, True]
    assert hash_distance(np.array([1, 0, 3], np.uint64), pairs).tolist() == [1, 1]


def test_perceptual_hash__survives_scaling_and_tells_pictures_apart() -> None:
    grey = [np.asarray(picture(seed).convert("L")) for seed in range(20)]
    small = [np.asarray(picture(seed).convert("L").resize((80, 60))) for seed in range(20)]
    hashes = [perceptual_hash(image) for image in grey]
    for number, image in enumerate(small):
        assert (hashes[number] ^ perceptual_hash(image)).bit_count() <= 3
    far = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(far) > 10
