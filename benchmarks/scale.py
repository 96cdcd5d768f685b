"""`python -m benchmarks.scale`: the door to the plan of scale, which lives in `lab/scale.py`."""

import sys

from benchmarks.lab.scale import main

if __name__ == "__main__":
    sys.exit(main())
