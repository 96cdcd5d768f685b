"""The `describe` step: one sentence about the picture, from what is known.

The sentence is what UniEmoX reads. It is composed from the source's caption, the attributes and
the colours; what is not known is left out. It always fits the context of the first model's
tokenizer: the least certain attribute goes first, the end of the caption last. Room is kept for
the emotion, which stands in `description_with_emotion` alone: it would leak the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from emo8.core import label_set
from emo8.engine.steps import ROWS, Batch, Step
from emo8.labels.clip.recorded import Model

_BRIGHTNESS = (
    (0.25, "very dark"),
    (0.45, "dark"),
    (0.75, None),
    (0.9, "bright"),
    (2, "very bright"),
)
_COLORFULNESS = (
    (0.05, "without colour"),
    (0.3, "with muted colours"),
    (0.6, None),
    (2, "colourful"),
)
NO_SUBJECT = "a picture"
_EMOTION = "; it makes the viewer feel {}"
# Brightness and colour are measured from the pixels: surer than any attribute, less than a caption.
_MEASURED = 1.0


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """One thing known about the picture; `order` is its place in the sentence."""

    order: int
    text: str
    certainty: float


@dataclass(frozen=True, kw_only=True)
class Describe(Step):
    """The description without the emotion; null where there was no picture and no caption."""

    model: Model  # whose tokenizer sets the limit
    name: str = field(default="describe", init=False)
    version: ClassVar[int] = 2

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {
            ROWS: ("caption",),
            "measure": ("brightness", "colorfulness"),
            "attributes": (
                "scene", "scene_prob", "objects", "objects_prob", "human_action",
                "human_action_prob", "facial_expression", "facial_expression_prob",
            ),
            "people": ("people",),
        }  # fmt: skip

    @property
    def keyed_by(self) -> dict[str, tuple[str, ...]]:
        return self.reads

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([("description", pa.string())])

    def options(self) -> dict[str, Any]:
        model = {"model": self.model.name, "context_length": self.model.context_length}
        names = label_set.current().stamp()  # the longest name needs the most room
        return {**model, "labels": names} if names else model

    def setup(self) -> Callable[[str], int]:
        from emo8.labels.clip.encoder import token_counter

        return token_counter(self.model.name)

    def run(self, batch: Batch, state: Callable[[str], int]) -> pa.Table:
        reserve = max(state(with_emotion("", emotion)) for emotion in label_set.emotions())
        limit = self.model.context_length - reserve
        columns = zip(*(batch[table].to_pylist() for table in self.reads))
        records = [{key: v for part in parts for key, v in part.items()} for parts in columns]
        texts = [describe(record, state, limit) for record in records]
        return pa.table([pa.array(texts, pa.string())], schema=self.adds)


def with_emotion(description: str, emotion: str) -> str:
    """The description with what the viewer feels."""
    return description + _EMOTION.format(emotion)


def describe(record: dict[str, Any], count: Callable[[str], int], limit: int) -> str | None:
    """A sentence of at most `limit` tokens; None when nothing at all is known."""
    phrases = known(record)
    caption = " ".join((record.get("caption") or "").split()).rstrip(" .;,")
    if not caption and record.get("brightness") is None:
        return None
    while count(compose(caption, phrases)) > limit and phrases:
        phrases.remove(min(phrases, key=lambda phrase: (phrase.certainty, -phrase.order)))
    return compose(_shortened(caption, phrases, count, limit), phrases)


def known(record: dict[str, Any]) -> list[Phrase]:
    """What is known about the picture besides its caption."""
    found = []
    objects = zip(record.get("objects") or [], record.get("objects_prob") or [])
    for text, prob in objects:
        found.append(Phrase(order=0, text=text, certainty=prob))
    singles = [("scene", 1), ("human_action", 2), ("facial_expression", 3)]
    nobody = record.get("people") == []  # somebody looked and found no one
    for name, order in singles[:1] if nobody else singles:
        if record.get(name):
            prob = record[f"{name}_prob"]
            found.append(Phrase(order=order, text=record[name], certainty=prob))
    scales = ((4, _BRIGHTNESS, "brightness"), (5, _COLORFULNESS, "colorfulness"))
    for order, scale, name in scales:
        word = None if record.get(name) is None else _word(scale, record[name])
        if word:
            found.append(Phrase(order=order, text=word, certainty=_MEASURED))
    return found


def compose(caption: str, phrases: list[Phrase]) -> str:
    """The sentence in our wording: subject; what is seen; where; who does what; look."""
    texts = {order: [p.text for p in phrases if p.order == order] for order in range(6)}
    parts = [caption or NO_SUBJECT]
    if texts[0]:
        parts.append("with " + ", ".join(texts[0]))
    if texts[1]:
        parts.append(f"scene: {texts[1][0]}")
    if texts[2]:
        parts.append(f"someone {texts[2][0]}")
    if texts[3]:
        parts.append(f"a face that looks {texts[3][0]}")
    look = [*texts[4], *texts[5]]
    if look:
        parts.append(", ".join(look))
    return "; ".join(parts)


def _shortened(caption: str, phrases: list[Phrase], count: Callable[[str], int], limit: int) -> str:
    """The caption, without as many words (then letters) at its end as the limit asks."""
    if count(compose(caption, phrases)) <= limit:
        return caption
    words = caption.split()
    low, high = 0, len(words)  # the longest run of words that fits
    while low < high:
        middle = (low + high + 1) // 2
        fits = count(compose(" ".join(words[:middle]), phrases)) <= limit
        low, high = (middle, high) if fits else (low, middle - 1)
    if low:
        return " ".join(words[:low]).rstrip(" .;,")
    letters = words[0]
    while letters and count(compose(letters, phrases)) > limit:
        letters = letters[: len(letters) // 2]
    return letters


def _word(scale: tuple[tuple[float, str | None], ...], value: float) -> str | None:
    return next(word for limit, word in scale if value < limit)
