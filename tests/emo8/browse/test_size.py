"""Many rows enter FiftyOne in a stream: memory grows with the table of short columns alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# The peak of a process that fills a dataset with N rows, each with a picture of its own.
SCRIPT = """
import hashlib, io, json, resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from PIL import Image
from emo8.browse import app, database, fill
from emo8.browse.rows import BATCH_ROWS, Rows, with_interest
from emo8.core.taxonomy import EMOTIONS, STYLES

number, folder = int(sys.argv[1]), Path(sys.argv[2])
out = io.BytesIO()
Image.new("RGB", (64, 48), "teal").save(out, "JPEG")
rng = np.random.default_rng(0)

class Reader:
    def details(self, chosen):
        for start in range(0, len(chosen), BATCH_ROWS):
            batch = chosen.iloc[start : start + BATCH_ROWS]
            yield [{"caption": "c" * 200, "description": "d" * 200, "width": 64, "height": 48,
                    "objects": ["a", "b"], "objects_prob": [0.4, 0.3]} for _ in range(len(batch))]
    def pictures(self, chosen):
        for place in range(len(chosen)):
            yield place, out.getvalue()
    def vectors(self, chosen):
        return rng.normal(size=(len(chosen), 64)).astype(np.float32)

ids = [hashlib.sha256(str(k).encode()).hexdigest() for k in range(number)]
prob = rng.dirichlet(np.ones(8), number).round(4)
table = pd.DataFrame({
    "id": ids, "sha256": ids, "picture_key": ids, "source": "s", "source_path": ids,
    "emotion": [EMOTIONS[k] for k in prob.argmax(axis=1)], "emotion_rule": "clip",
    "emotion_prob": list(prob), "emotion_entropy": 0.5, "emotion_margin": 0.1,
    "emotion_agreement": 1.0, "style": [STYLES[k % 5] for k in range(number)],
    "style_rule": "source", "num_votes": 0, "cluster": ids, "split": "train",
})
for name in ("emotion_source", "emotion_votes", "style_prob", "reason", "step", "detail", "value",
             "license", "source_url", "leak_of"):
    table[name] = pd.Series([None] * number, dtype=object)
table = with_interest(table)
table["assigned"] = [[] for _ in ids]
table["ballots"] = [[] for _ in ids]
rows = Rows(name="size", title="size", media=folder, table=table, reader=Reader())
dataset = app.open_dataset(database.connect(), f"size-{number}")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = fill.fill(dataset, rows, table, Reader().vectors(table), lambda done: None)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"added": found.num_added, "rows": len(dataset), "before": before, "peak": peak}))
"""


def _fill(number: int, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", SCRIPT, str(number), str(folder)]
    reply = subprocess.run(command, capture_output=True, text=True, check=False)
    assert reply.returncode == 0, reply.stderr[-2000:]
    found: dict[str, Any] = json.loads(reply.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fill__memory_grows_little_with_rows(fiftyone: Any, tmp_path: Path) -> None:
    few, many = (_fill(number, tmp_path / str(number)) for number in (5_000, 50_000))
    for found, number in ((few, 5_000), (many, 50_000)):
        assert found["added"] == found["rows"] == number
    # above the table and the vectors, which were there before: keys, sample ids and file names
    grown = [found["peak"] - found["before"] for found in (few, many)]
    assert (grown[1] - grown[0]) * 1024 / 45_000 < 4_000  # bytes a row
