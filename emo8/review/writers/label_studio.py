"""Tasks for Label Studio, and the labelling interface that goes with them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from emo8.core import label_set
from emo8.engine.files import write_text
from emo8.review.writers.tasks import Task

NAME = "label-studio"
SUFFIX = ".json"
_MODEL = "clip"


def interface() -> str:
    """The labelling interface: all that apply, and three ways to name no emotion."""
    names = [*label_set.emotions(), "none of these", "neutral", "cannot tell"]
    choices = "\n".join(f'    <Choice value="{name}"/>' for name in names)
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        '  <Choices name="emotion" toName="image" choice="multiple">\n'
        f"{choices}\n  </Choices>\n</View>\n"
    )


def write(tasks: Iterable[Task], file: Path, *, claims: bool) -> str:
    """Write the tasks and, beside them, the interface."""
    found = [_task(task, claims=claims) for task in tasks]
    write_text(file, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    beside = file.with_suffix(".xml")
    write_text(beside, interface())
    return (
        f"labelling interface in {beside}; pictures are served from {file.parent.resolve()} by "
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"
    )


def _task(task: Task, *, claims: bool) -> dict[str, Any]:
    local = f"/data/local-files/?d={quote(task.picture)}"
    found: dict[str, Any] = {
        "data": {
            "image": task.picture if task.is_link else local,
            "emo8_id": task.id,
            "emo8_style": task.style,
        }
    }
    if claims and task.emotion:
        result = {"from_name": "emotion", "to_name": "image", "type": "choices",
                  "value": {"choices": [task.emotion]}}  # fmt: skip
        found["predictions"] = [{"model_version": _MODEL, "score": task.prob, "result": [result]}]
    return found
