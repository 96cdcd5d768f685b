"""Records for Argilla 2, as `dataset.records.from_json` reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from emo8.engine.files import write_text
from emo8.review.writers.tasks import Task

NAME = "argilla"
SUFFIX = ".json"
_AGENT = "clip"


def write(tasks: Iterable[Task], file: Path, *, claims: bool) -> str:
    """Write the records; CLIP's claims are suggestions."""
    records = [_record(task, claims=claims) for task in tasks]
    write_text(file, json.dumps(records, indent=1, ensure_ascii=False) + "\n")
    return (
        "the dataset needs an ImageField `image` and a MultiLabelQuestion `emotion`; "
        f"dataset.records.from_json({file.name!r}) reads it"
    )


def _record(task: Task, *, claims: bool) -> dict[str, Any]:
    suggestion = {"value": [task.emotion], "score": [task.prob], "agent": _AGENT}
    return {
        "id": task.id,
        "fields": {"image": task.picture},
        "metadata": {"style": task.style},
        "suggestions": {"emotion": suggestion} if claims and task.emotion else {},
        "responses": {},
        "vectors": {},
    }
