"""What a build made of its sources' data: formats, labels, splits, boxes, captions, counted.

Every part of `rows/` notes in its footer what was made of its inputs' claims; planning notes what
it saw beside them. Nobody has to read a log to learn that a column was taken for nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.engine.files import read_columns
from emo8.engine.steps import ROWS, part_path

KEY = b"emo8.understood"
MOST_WORDS = 40  # different ones of a topic that a part notes; a shown topic has fewer
SHOWN_WORDS = 8
OTHERS = "others"
# Of the card: topics in which no name of a file can stand.
PUBLIC = (
    "formats", "colours", "numbers", "grounds", "labels", "styles", "splits", "boxes", "captions",
    "licences", "clip",
)  # fmt: skip
# Topics counted from what was measured: topic -> column of the step `measure`.
MEASURED = {"formats": "format", "colours": "colour", "numbers": "numbers", "grounds": "ground"}
Notes = Counter[tuple[str, str]]  # topic and words -> rows
Understood = dict[str, dict[str, int]]  # topic -> words -> rows, most rows first


def metadata(notes: Notes) -> dict[bytes, bytes]:
    """The notes of a part as metadata of its file."""
    lines = [[topic, words, count] for (topic, words), count in sorted(_capped(notes).items())]
    return {KEY: json.dumps(lines).encode()}


def of_build(
    build: Path, parts: Iterable[int], planned: Iterable[tuple[str, str, int]]
) -> Understood:
    """The counts over all parts, and what planning noted."""
    total: Notes = Counter()
    for topic, words, count in planned:
        total[topic, words] += count
    for part in parts:
        found = (pq.read_metadata(part_path(build, ROWS, part)).metadata or {}).get(KEY, b"[]")
        for topic, words, count in json.loads(found):
            total[topic, words] += count
        measured = read_columns(part_path(build, "measure", part), [*MEASURED.values()])
        outside = read_columns(part_path(build, "label", part), ["out_of_domain"])["out_of_domain"]
        if count := pc.sum(outside).as_py():
            total["clip", "outside of the model's domain: no claim"] += count
        for topic, column in MEASURED.items():
            for value in pc.value_counts(measured[column].drop_null()).to_pylist():
                total[topic, value["values"]] += value["counts"]
    found_topics: Understood = {}
    for (topic, words), count in sorted(total.items(), key=lambda item: (-item[1], item[0])):
        found_topics.setdefault(topic, {})[words] = count
    first = list(MEASURED)
    order = sorted(found_topics, key=lambda topic: (topic not in first, topic))
    return {topic: found_topics[topic] for topic in order}


def with_planned(found: Understood, planned: Iterable[tuple[str, str, int]]) -> Understood:
    """The counts of an earlier run with what planning notes now."""
    merged = {topic: dict(words) for topic, words in found.items()}
    for topic, words, count in planned:
        merged.setdefault(topic, {})[words] = count
    return merged


def lines(understood: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The block at the end of a build, one line per topic."""
    if not understood:
        return []
    width = max(len(topic) for topic in understood)
    return ["understood as", *(f"  {topic:<{width}}  {sentence(words)}"
                               for topic, words in understood.items())]  # fmt: skip


def sentence(words: Mapping[str, int]) -> str:
    """`1,180 named by folders; 20 …`: the most frequent first, the rest as a number."""
    shown = [f"{count:,} {text}" for text, count in list(words.items())[:SHOWN_WORDS]]
    rest = list(words.values())[SHOWN_WORDS:]
    return "; ".join(shown) + (f"; {sum(rest):,} in {len(rest)} other ways" if rest else "")


def for_card(understood: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """The topics a reader of the dataset is told of, as sentences."""
    return {topic: sentence(words) for topic, words in understood.items() if topic in PUBLIC}


def _capped(notes: Notes) -> Notes:
    """The notes with the rare words of a topic that has too many of them as one."""
    kept: Notes = Counter()
    per_topic: Counter[str] = Counter()
    for (topic, words), count in sorted(notes.items(), key=lambda item: (-item[1], item[0])):
        per_topic[topic] += 1
        kept[topic, words if per_topic[topic] <= MOST_WORDS else OTHERS] += count
    return kept
