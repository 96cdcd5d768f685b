"""Processes that do not outlive the one that started them, even when that one is killed."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading


def die_with_parent(parent: int | None = None) -> None:
    """End this process when the thread that started it ends (Linux; elsewhere this does nothing).

    Also when the parent was gone before this one could say so: its process id is `parent`, or what
    multiprocessing knows.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    starter = multiprocessing.parent_process()
    parent = parent or (starter.pid if starter else None)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def watch_parent() -> None:
    """End this process when the one it works for ends, whoever forked it."""
    starter = multiprocessing.parent_process()
    if starter is None:
        return

    def wait() -> None:
        starter.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def single_thread() -> None:
    """One thread for every library that is loaded: sums then do not depend on the worker count."""
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
