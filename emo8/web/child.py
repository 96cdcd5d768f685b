"""`python -m emo8.web.child JOB.json PARENT`: one guarded run of img2dataset, and then gone.

It dies with the process that started it, however that one dies.
"""

from __future__ import annotations

import sys
from pathlib import Path

from emo8.lifeline import die_with_parent

if __name__ == "__main__":
    die_with_parent(int(sys.argv[2]))
    from emo8 import fetch

    fetch.run(fetch.load_job(Path(sys.argv[1])))
