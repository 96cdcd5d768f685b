"""Importing 200,000 votes on 50,000 rows, beside pandas reading the same file.

    python -m benchmarks.speed votes --out benchmarks/results/speed/votes.json

The votes are a table of MTurk-like columns under file names, so that every picture is looked up by
its name, every annotator gets a pseudonym and every time is read. Each side is a process of its
own: seconds of CPU from the start of Python, and the peak of its memory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.lab.output import tell
from emo8.core.taxonomy import EMOTIONS

_MEASURE = (
    "import json, resource, sys; r = resource.getrusage(resource.RUSAGE_SELF); "
    "print(json.dumps({'cpu_s': round(r.ru_utime + r.ru_stime, 2), "
    "'peak_mb': round(r.ru_maxrss / 1024)}))"
)
_OURS = (
    "from pathlib import Path; from emo8.review.vote_files import import_votes; "
    "found = import_votes(Path(sys.argv[1]), Path(sys.argv[2])); "
    "assert found.num_votes == int(sys.argv[3]), found"
)
_PANDAS = "import pandas as pd; assert len(pd.read_csv(sys.argv[2])) == int(sys.argv[3])"


def write_build(build: Path, rows: int) -> list[str]:
    """The rows of a build without pictures; their file names."""
    names = [f"style/{number // 1000:03d}/picture_{number:06d}.jpg" for number in range(rows)]
    (build / "rows").mkdir(parents=True)
    for start in range(0, rows, 256):
        own = names[start : start + 256]
        table = pa.table(
            {
                "id": [hashlib.sha256(name.encode()).hexdigest() for name in own],
                "source": ["pictures"] * len(own),
                "source_path": own,
                "source_url": pa.nulls(len(own), pa.string()),
            }
        )
        pq.write_table(table, build / "rows" / f"part-{start // 256:05d}.parquet")
    return names


def write_votes(file: Path, names: list[str], votes: int) -> None:
    """The same number of votes on every row, by annotators of whom each votes on many."""
    rng = np.random.default_rng(0)
    each = votes // len(names)
    table = pd.DataFrame(
        {
            "image": np.repeat(names, each),
            "worker_id": [f"A{k:05d}" for k in range(each)] * len(names),
            "emotion": rng.choice(EMOTIONS, each * len(names)),
            "submit_time": pd.date_range("2026-01-01", periods=each * len(names), freq="7s"),
            "comment": "a remark that nobody reads",
        }
    )
    table.to_csv(file, index=False)


def measure(code: str, *arguments: object) -> dict[str, float]:
    """CPU seconds and peak memory of a fresh Python that runs `code`."""
    command = [sys.executable, "-c", f"import sys; {code}; {_MEASURE}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--votes", type=int, default=200_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        build, file = Path(folder) / "BUILD", Path(folder) / "votes.csv"
        write_votes(file, write_build(build, arguments.rows), arguments.votes)
        found: dict[str, Any] = {"rows": arguments.rows, "votes": arguments.votes}
        found["ours"] = measure(_OURS, build, file, arguments.votes)
        found["pandas"] = measure(_PANDAS, build, file, arguments.votes)
    tell(found, arguments.out)


if __name__ == "__main__":
    main()
