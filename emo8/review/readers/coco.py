"""JSON like COCO's: images, categories, and annotations of whole images.

Annotations with a box or a mask are about a part of a picture, those with a score were made by a
model: both are passed over. `attributes` of an annotation answer further questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from emo8.review.columns import our_column
from emo8.review.readers.base import Answers, Line, VoteFile, text
from emo8.review.readers.label_studio import picture_texts
from emo8.review.readers.questions import Question, put
from emo8.review.readers.table import add_word

NAME = "coco"
ABOUT = "JSON like COCO's, with tags of images"
_WHO = ("annotator", "annotator_id", "user", "worker_id")


def recognises(file: VoteFile) -> bool:
    value = file.json
    return isinstance(value, dict) and isinstance(value.get("images"), list)


def read(file: VoteFile) -> Answers:
    """The tags of all images, from `annotations` and from the images' own `tags`."""
    names = dict.fromkeys(
        name for one in file.json.get("annotations") or [] for name in one.get("attributes") or {}
    )
    used = {name: ours for name in names if (ours := our_column(name))}
    passed: Counter[str] = Counter()
    return Answers(
        lines=_lines(file, used, passed),
        used={"category_id": "emotion", **used},
        unused=[name for name in names if name not in used],
        passed_over=passed,
    )


def _lines(
    file: VoteFile, used: dict[str, str], passed: Counter[str]
) -> Iterator[tuple[str, Line]]:
    names = {one["id"]: text(one.get("name")) for one in file.json.get("categories") or []}
    pictures = {one["id"]: _picture(file, one) for one in file.json["images"]}
    lines: dict[tuple[Any, str], Line] = {}

    def line_of(image: Any, who: str) -> Line:
        own = {"id": pictures.get(image, ""), "annotator": who or file.annotator}
        return lines.setdefault((image, who), own)

    for one in file.json["images"]:
        for tag in one.get("tags") or one.get("image_tags") or []:
            said = tag if isinstance(tag, Mapping) else {"name": tag}
            line = line_of(one["id"], _who(said))
            name = text(said.get("name") or said.get("label"))
            line["emotion"] = add_word(line.get("emotion", ""), name)
    for one in file.json.get("annotations") or []:
        if "score" in one:
            passed["annotations with a model's score"] += 1
        elif any(one.get("bbox") or []) or one.get("segmentation"):
            passed["boxes and masks (only tags of whole images are votes)"] += 1
        else:
            line = line_of(one["image_id"], _who(one))
            name = names.get(one.get("category_id"), text(one.get("category_id")))
            line["emotion"] = add_word(line.get("emotion", ""), name)
            for key, value in (one.get("attributes") or {}).items():
                if used.get(key, "annotator") != "annotator":
                    put(line, Question(used[key]), text(value))
    for (image, _), line in lines.items():
        yield f"image {image}", line


def _picture(file: VoteFile, image: Mapping[str, Any]) -> str:
    texts = picture_texts(file, {k: v for k, v in image.items() if k != "id"})
    return file.pictures.first_known([*texts, text(image.get("id"))])


def _who(said: Mapping[str, Any]) -> str:
    inner = said.get("attributes")
    places = [said, *([inner] if isinstance(inner, Mapping) else [])]
    return next((text(place[name]) for place in places for name in _WHO if place.get(name)), "")
