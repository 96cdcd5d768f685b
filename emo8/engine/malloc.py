"""What becomes of memory that is freed: workers keep it for the next picture, builds give it back.

Only glibc lets one choose; elsewhere these functions leave things as they are.
"""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3), both in bytes


def keep_freed() -> None:
    """Reuse the memory of the picture before: fetching it anew costs up to a decode."""
    _mallopt(_MMAP_THRESHOLD, 32 << 20)  # its maximum
    _mallopt(_TRIM_THRESHOLD, 128 << 20)


def give_back_freed() -> None:
    """Return what a step over all rows has freed before the next one asks for as much."""
    _mallopt(_MMAP_THRESHOLD, 256 << 10)
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own pools keep what they had


def trim() -> None:
    """Return what lies free between things still in use."""
    pa.default_memory_pool().release_unused()


def _mallopt(parameter: int, value: int) -> None:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is not None and hasattr(libc, "mallopt"):  # it is not in musl
        libc.mallopt(parameter, value)
