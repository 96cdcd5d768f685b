"""`python -m emo8.web.child JOB.json PARENT`: one guarded run of img2dataset, and then gone.

It dies with the process that started it, however that one dies.
"""

from __future__ import annotations

import sys
from pathlib import Path

from emo8.engine.processes import die_with_parent

if __name__ == "__main__":
    die_with_parent(int(sys.argv[2]))
    from emo8.web import downloader

    downloader.run(downloader.load_job(Path(sys.argv[1])))
