"""How a process behaves on a CPU that it shares: it does not spin, and keeps memory it will reuse.

Only the standard library is imported: waiting must be settled before torch is loaded.
"""

from __future__ import annotations

import ctypes
import os
import sys

# parameters of mallopt(3): see there
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def wait_quietly() -> None:
    """Let torch's threads sleep while they wait for each other.

    By default they spin. On a core that something else wants, most of a small step's CPU time is
    then waiting (benchmarks/results/speed has the figures). The user's own setting wins.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def keep_freed() -> None:
    """Reuse the memory of the step before: fetching it anew costs a tenth of one.

    glibc only; elsewhere nothing happens.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is not None and hasattr(libc, "mallopt"):  # it is not in musl
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, -1)
        libc.mallopt(_TOP_PAD, 64 << 20)
