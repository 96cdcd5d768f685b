"""Small writes under `aimed`, as a program: DEED PLACE AT HOW; it prints how the write ended."""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.lab.chaos import aimed
from emo8.engine import files


def careful(place: Path) -> int:
    files.write_text(place / "file", "after" * 100)
    return 0


def careless(place: Path) -> int:
    (place / "file").write_text("one")
    (place / "other").write_text("two")
    return 0


if __name__ == "__main__":
    deed, place, at, how = sys.argv[1:]
    write = {"write": careful, "careless": careless}[deed]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(place)
        ended = aimed.run(lambda: write(root), root, Path(scratch), int(at), how)
    sys.stdout.write(json.dumps(asdict(ended)))
