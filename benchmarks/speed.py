"""`python -m benchmarks.speed [NAME ARGUMENTS]`: the door to the scripts of `lab/speed`."""

import runpy
import sys

from benchmarks.lab.speed.__main__ import main
from benchmarks.lab.speed.plan import BY_NAME

if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in BY_NAME:
        del sys.argv[0]  # the script sees its own name and its arguments
        runpy.run_module(f"benchmarks.lab.speed.{sys.argv[0]}", run_name="__main__")
    else:
        sys.exit(main())
