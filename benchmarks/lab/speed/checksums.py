"""What the checksums in a build's files cost, beside the build that writes them.

    python -m benchmarks.speed checksums --out benchmarks/results/speed/checksums.json

A build is made by a process of its own, and its CPU time taken. Then what its checksums cost is
done again over the files that it left: the SHA-256 that seals each parquet file, the CRC-32 of
every page, and the SHA-256 of the small files. Reading is part of it; the share is of CPU time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.lab.output import tell
from benchmarks.lab.speed import published
from emo8.engine.files import damage
from emo8.pipeline.integrity import small_files


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=120, help="pictures")
    parser.add_argument("--width", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as work:
        build_s = published.build(Path(work), arguments.count, arguments.width)
        build = Path(work) / "BUILD"
        sealed = sorted(build.rglob("*.parquet"))
        assert not [path for path in sealed if damage(path)]
        seal_s = _cpu(lambda: [damage(path) for path in sealed], arguments.rounds)
        pages_s = _cpu(lambda: [zlib.crc32(path.read_bytes()) for path in sealed], arguments.rounds)
        small_s = _cpu(lambda: small_files(build), arguments.rounds)
        size = sum(path.stat().st_size for path in sealed)
    parts = {"seals": seal_s, "pages": pages_s, "small_files": small_s}
    tell(
        {
            "pictures": arguments.count,
            "width": arguments.width,
            "bytes": size,
            "build_cpu_s": round(build_s, 2),
            "cpu_s": {name: round(value, 4) for name, value in parts.items()},
            "share": round(sum(parts.values()) / build_s, 5),
        },
        arguments.out,
    )


def _cpu(work: Callable[[], object], rounds: int) -> float:
    """The least CPU seconds of some rounds: the machine has other work too."""
    least = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        least = min(least, time.process_time() - started)
    return least


if __name__ == "__main__":
    main()
