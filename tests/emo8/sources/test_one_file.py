"""A kind of source is one file: it is planned, read in worker processes, and built end to end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from emo8.core.check_recipe import source_kinds
from tests.conftest import encoded, picture, write_recipe

ROOT = Path(__file__).resolve().parents[3]
# Pictures one after another in one file, each behind a line with its number of bytes.
KIND = """
from emo8.sources.base import Candidate, Chunk, from_bytes
from emo8.sources.claims import claims_from


def plan(source, recipe_dir, part_rows):
    path = recipe_dir / source.path
    sizes, offset = [], 0
    with path.open("rb") as file:
        while line := file.readline():
            sizes.append((file.tell(), int(line)))
            file.seek(int(line), 1)
    for start in range(0, len(sizes), part_rows):
        items = tuple(sizes[start : start + part_rows])
        yield Chunk(source=source, root=str(path), items=items, num_inputs=len(items), stamp=())


def read(chunk, max_bytes):
    with open(chunk.root, "rb") as file:
        for offset, size in chunk.items:
            file.seek(offset)
            claims = claims_from({}, chunk.source)
            yield from_bytes(f"byte {offset}", file.read(size), max_bytes, claims)
"""


def test_kind__a_file_more_is_a_kind_more(tmp_path: Path) -> None:
    assert {"folder", "archive", "table", "urls", "hub", "webdataset"} <= set(source_kinds())
    code = tmp_path / "code"
    shutil.copytree(ROOT / "emo8", code / "emo8", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "cards", code / "cards")
    (code / "emo8" / "sources" / "kinds" / "pile.py").write_text(KIND)
    pictures = [encoded(picture(n)) for n in range(3)]
    pile = b"".join(f"{len(data)}\n".encode() + data for data in pictures)
    (tmp_path / "pictures.pile").write_bytes(pile)
    body = '[[source]]\nkind = "pile"\npath = "pictures.pile"\nstyle = "natural"'
    recipe = write_recipe(tmp_path, f"{body}\n[ingest]\npart_rows = 2")
    command = ["build", str(recipe), "-o", str(tmp_path / "BUILD"), "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-c", "from emo8.cli import main; raise SystemExit(main())", *command],
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    funnel = json.loads((tmp_path / "BUILD" / "report" / "funnel.json").read_text())
    assert (funnel["inputs"], funnel["kept"]) == (3, 3)
