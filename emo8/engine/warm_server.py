"""Imported by nobody but the server of `warm`, first of all: it prepares what its workers inherit.

Thread counts are read by libraries when they are imported, so they are set here and not in a
worker: sums would depend on them. Modules of the current folder are not for the server to import.
"""

import os
import signal
import sys

from emo8.engine import malloc

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PID = os.getpid()

signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process it serves decides when to stop
os.environ.update(dict.fromkeys(THREADS, "1"))
sys.path[:] = [folder for folder in sys.path if folder]
malloc.keep_freed()
