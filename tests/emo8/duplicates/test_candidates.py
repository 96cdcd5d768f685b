from pathlib import Path

import numpy as np
import pytest

from emo8.core.settings import DecideConfig
from emo8.duplicates import candidates as module
from emo8.duplicates.candidates import candidates, equal_pairs, find, open_prepared, prepare
from emo8.duplicates.views import Views, empty_views

NUM_ROWS = 400


def views(folder: Path) -> Views:
    """Random pictures; of a third a copy one bit away, of some the very hash, some trimmed."""
    rng, made = np.random.default_rng(0), empty_views(NUM_ROWS, 8, folder)
    hashes = np.repeat(rng.integers(0, 2**63, (NUM_ROWS, 2), dtype=np.uint64), 2, axis=1)
    layout = np.repeat(rng.standard_normal((NUM_ROWS, 1, 64)), 2, axis=1)
    third, bits = NUM_ROWS // 3, rng.integers(0, 64, (NUM_ROWS // 3, 1)).astype(np.uint64)
    hashes[third : 2 * third] = hashes[:third] ^ (np.uint64(1) << bits)
    layout[third : 2 * third] = layout[:third]
    hashes[-20:], layout[-20:] = hashes[0], layout[0]
    hashes[:50, 1] ^= np.uint64(5)
    layout[50:90, 1] = rng.standard_normal((40, 64))
    made.hashes[:] = hashes
    made.layout[:] = layout / np.linalg.norm(layout, axis=2, keepdims=True)
    made.embedding[:] = np.eye(8)[np.arange(NUM_ROWS) % 8]
    return made


def test_candidates__pieces_on_their_own_find_what_one_process_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, seen = DecideConfig(), views(tmp_path)
    whole = candidates(seen, config)
    assert NUM_ROWS // 3 + 20 < len(whole) < NUM_ROWS * 2
    monkeypatch.setattr(module, "SHARD_HASHES", 150)
    monkeypatch.setattr(module, "SEARCH_ROWS", 100)
    pieces = prepare(seen, config, tmp_path).pieces()
    assert {piece.shard for piece in pieces} > {0, 1} and pieces[-1].start >= NUM_ROWS
    found = [equal_pairs(seen, open_prepared(tmp_path), config)]
    found += [find(seen, open_prepared(tmp_path), piece, config) for piece in pieces]
    assert (np.unique(np.concatenate(found), axis=0) == whole).all()
