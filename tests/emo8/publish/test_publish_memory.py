"""Publishing many rows in bounded memory: the release is made in a process of its own."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.core import schema
from emo8.core.read_recipe import parse_recipe
from emo8.core.taxonomy import EMOTIONS
from emo8.dataset import write
from emo8.dataset.removal import list_fingerprint
from emo8.engine.plan import Plan
from tests.conftest import encoded, picture

ROWS_PER_SHARD = 4096
MEASURE = """
import resource, sys
from pathlib import Path
from emo8.publish import to_folder
outcome = to_folder(Path(sys.argv[1]), Path(sys.argv[2]))
assert outcome.sent
print(outcome.release.num_rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def fake_build(folder: Path, num_rows: int) -> Path:
    """A finished build of small pictures, each with its number drawn into it."""
    base, ids = picture(3, (48, 48)), []
    for group, start in enumerate(range(0, num_rows, ROWS_PER_SHARD)):
        path = write.shard_path(folder, "natural", "train", group)
        writer = write._ShardWriter(path, f"group {group}")
        for number in range(start, min(start + ROWS_PER_SHARD, num_rows)):
            own = base.copy()
            for bit in range(18):  # the row's number, drawn into the picture
                x, y = bit % 6 * 8, bit // 6 * 8
                if number >> bit & 1:
                    own.paste((255, 255, 255), (x, y, x + 8, y + 8))
            data = encoded(own, quality=80)
            key = hashlib.sha256(str(number).encode()).hexdigest()
            ids.append(key)
            writer.add({
                **dict.fromkeys(schema.PUBLISHED), "id": key,
                "image": {"bytes": data, "path": f"{key}.jpg"}, "emotion": number % len(EMOTIONS),
                "emotion_prob": [0.125] * 8, "emotion_rule": "clip", "style": 1,
                "style_rule": "source", "caption": f"picture {number}", "width": 48, "height": 48,
                "license": "CC0-1.0", "source": "many", "also_from": [], "cluster": key,
                "pixel_sha256": key[::-1], "published_sha256": hashlib.sha256(data).hexdigest(),
            })  # fmt: skip
        writer.close()
    (folder / "tables").mkdir()
    verdicts = {
        "id": ids,
        "shard": [number // ROWS_PER_SHARD for number in range(num_rows)],
        "rank": list(range(num_rows)),
        "reason": pa.nulls(num_rows, pa.string()),
    }
    pq.write_table(pa.table(verdicts), folder / "tables" / "verdicts.parquet")
    source = {"kind": "folder", "path": "p", "style": "natural"}
    recipe = parse_recipe({"source": [source]}, where="test")
    (folder / "report").mkdir()
    (folder / "resolved.json").write_text(json.dumps({"recipe": dataclasses.asdict(recipe)}))
    funnel = {"inputs": num_rows, "kept": num_rows, "rejected": {}}
    (folder / "report" / "stats.json").write_text(json.dumps({"funnel": funnel, "models": ["m"]}))
    mark = write.dataset_fingerprint(folder)
    Plan(fingerprints={}, removals=list_fingerprint([]), dataset=mark).save(folder)
    return folder


def peak_mb(folder: Path, num_rows: int) -> float:
    """Peak memory of publishing this many rows, in megabytes."""
    build = fake_build(folder / f"B{num_rows}", num_rows)
    reply = subprocess.run(
        [sys.executable, "-c", MEASURE, str(build), str(folder / f"D{num_rows}")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert reply.returncode == 0, reply.stderr[-3000:]
    rows, kilobytes = map(int, reply.stdout.split()[-2:])
    assert rows == num_rows
    return kilobytes / 1024


def check_growth(folder: Path, few: int, many: int) -> None:
    """At most 1 KB a row: narrow columns stay in memory, pictures do not."""
    small, large = peak_mb(folder, few), peak_mb(folder, many)
    assert large - small < (many - few) / 1024 + 150, (small, large)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_publish__two_hundred_thousand_rows_in_bounded_memory(tmp_path: Path) -> None:
    check_growth(tmp_path, 10_000, 200_000)
