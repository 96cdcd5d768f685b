"""Annotations for CVAT (for images 1.1), and the labels of the task that they are uploaded to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from emo8.core import label_set
from emo8.engine.files import write_text
from emo8.review.writers.tasks import Task

NAME = "cvat"
SUFFIX = ".xml"
LINKS = False  # CVAT wants the pictures themselves


def labels() -> list[dict[str, object]]:
    """The labels as CVAT's raw editor takes them: image tags."""
    colors = label_set.current().emotion_colors | dict.fromkeys(
        ("neutral", "none of these", "cannot tell"), "#888888"
    )
    return [
        {"name": name, "type": "tag", "color": color, "attributes": []}
        for name, color in colors.items()
    ]


def write(tasks: Iterable[Task], file: Path, *, claims: bool) -> str:
    """Write the annotations (CLIP's claims as tags of a model, or none) and the labels."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    for number, task in enumerate(tasks):
        width, height = map(str, task.size)
        name = Path(task.picture).name
        image = ElementTree.SubElement(
            root, "image", id=str(number), name=name, width=width, height=height
        )
        if claims and task.emotion:
            ElementTree.SubElement(image, "tag", label=task.emotion, source="auto")
    ElementTree.indent(root)
    write_text(file, ElementTree.tostring(root, encoding="unicode") + "\n")
    beside = file.with_name(f"{file.stem}_labels.json")
    write_text(beside, json.dumps(labels(), indent=1) + "\n")
    return f"make a task of {file.stem}_pictures/ with the labels in {beside}, then upload {file}"
