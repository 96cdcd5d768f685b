"""`python -m benchmarks.speed`: the door to the speed scripts, which live in `lab/speed`."""

import sys

from benchmarks.lab.speed.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
