"""Removed pictures in FiftyOne's database: samples that show one are deleted, and looked for.

The next `emo8 browse` brings the rows back as what they are: removed, without a picture, a vector
or a claim.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.browse import database
from emo8.browse.rows import dataset_name
from emo8.core.errors import BrowseError
from emo8.engine import build_folder
from emo8.engine.files import fingerprint, write_text
from emo8.engine.verdict_table import VERDICTS

logger = logging.getLogger(__name__)
FOLDER, _DONE = "browse", "forgotten"  # in a build; what was deleted, by a fingerprint of the ids


def forget(build: Path) -> int:
    """Delete the samples of removed rows, where somebody browsed the build; how many."""
    if not (build / FOLDER).is_dir() or not (build / VERDICTS).exists():
        return 0
    rows = pq.read_table(build / VERDICTS, columns=["id", "reason"])
    ids = sorted({*rows.filter(pc.equal(rows["reason"], "removed"))["id"].to_pylist()} - {None})
    mark, done = fingerprint(ids), build / FOLDER / _DONE
    if not ids or (done.exists() and done.read_text() == mark):
        return 0
    try:
        samples = shown(build, set(ids))
    except BrowseError as error:
        logger.warning("the App's database may still show removed pictures: %s", error)
        return 0
    for dataset, found in samples:
        dataset.delete_samples(found)
    write_text(done, mark)
    return sum(len(found) for _, found in samples)


def shown(build: Path, names: set[str]) -> list[tuple[Any, list[str]]]:
    """Of a build's dataset in FiftyOne the samples that show one of these pictures, by sample id.

    BrowseError where the database does not answer.
    """
    fiftyone = database.connect()
    title = build_folder.require_build(build)["recipe"]["name"]
    name = dataset_name(title, build)
    if not fiftyone.dataset_exists(name):
        return []
    dataset = fiftyone.load_dataset(name)
    fields = dataset.get_field_schema()
    if "row_id" not in fields:
        return []
    own = dataset.match(fiftyone.ViewField("row_id").is_in(sorted(names)))
    told = [field for field in ("has_picture", "embedding") if field in fields]
    samples, *values = own.values(["id", *told])
    says = [
        any(value is not None and value is not False for value in line) for line in zip(*values)
    ]
    found = [sample for sample, shows in zip(samples, says, strict=True) if shows]
    return [(dataset, found)] if found else []
