"""What the App shows of a row: the fields of a sample, their types, and a row as their values.

Final labels carry `was`, the label as it was shown: where a curator edits the label in the App,
the two differ, and `emo8 review --import` takes the edit for a vote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emo8.browse.rows import DETAILS
from emo8.core import label_set
from emo8.core.schema import PUBLISHED
from emo8.engine.files import fingerprint
from emo8.labels.clip.domain import says_something

VERSION = 1  # raise when a field changes: samples made by another version are made anew
# Sidebar groups and the fields that are no published columns, by kind (`documents`).
_OWN: dict[str, dict[str, str]] = {
    "labels": {"emotion_clip": "label", "votes": "labels", "style_clip": "label"},
    "review": {
        "verdict": "text", "reason": "text", "review_value": "number", "label_issue": "bool",
        "disagree": "bool", "assigned": "texts", "mistakenness": "number", "hardness": "number",
        "uniqueness": "number", "label_quality": "number", "cell": "text", "cell_rows": "int",
    },
    "where from": {
        "split": "text", "cluster_rows": "int", "leak_of": "text", "source_path": "text",
    },
    "attributes": {},
    "bookkeeping": {
        "row_id": "text", "key": "text", "mark": "text", "sha256": "text", "has_picture": "bool",
        "selected": "bool", "reason_value": "number", "reason_detail": "text",
        "embedding": "vector",
    },
}  # fmt: skip
GROUPS = {
    group: {name: c.shown[1] for name, c in PUBLISHED.items() if c.shown and c.shown[0] == group}
    | own
    for group, own in _OWN.items()
}
FIELDS = {name: kind for group in GROUPS.values() for name, kind in group.items()}
_NESTED = ("label", "labels", "boxes")
LABELS = tuple(name for name, kind in FIELDS.items() if kind in _NESTED)
# Labels with attributes beyond FiftyOne's own: rule and was, or annotator and kind.
ATTRIBUTED = ("emotion", "style", "votes")
EMOTION_FIELDS = ("emotion", "emotion_clip", "emotion_source", "votes")
_PLAIN = [name for name, kind in FIELDS.items() if kind in ("text", "number", "int", "bool")]


def declare(dataset: Any) -> None:
    """Give a FiftyOne dataset every field, also those no row fills: views and filters need them.

    One sample that fills every field declares them at once, many times faster than one by one.
    """
    import fiftyone as fo

    if set(FIELDS) <= set(dataset.get_field_schema()):
        return
    label = {"label": "x", "confidence": 0.5, "rule": "x", "was": "x", "annotator": "x"}
    filled: dict[str, Any] = {
        "text": "x", "number": 0.5, "int": 1, "bool": True, "texts": ["x"],
        "vector": np.zeros(2, np.float32), "label": label, "labels": [{**label, "kind": "x"}],
        "boxes": [{"x0": 0.0, "y0": 0.0, "x1": 1.0, "y1": 1.0, "score": 1.0}],
    }  # fmt: skip
    found = {name: filled[kind] for name, kind in FIELDS.items()}
    plain = {"label": "x", "confidence": 0.5}
    for name, kind in FIELDS.items():
        if kind in ("label", "labels") and name not in ATTRIBUTED:
            found[name] = plain if kind == "label" else [plain]
    template = fo.Sample(filepath="template.png", **documents(found))
    dataset.delete_samples([dataset.add_sample(template, dynamic=True, validate=False)])


def values(row: Mapping[Any, Any], detail: dict[str, Any]) -> dict[str, Any]:
    """The fields of one row as plain Python values; labels are dictionaries.

    `row` is a line of the table, `detail` what the reader brings.
    """
    told = {**row, **detail}
    found = {name: _plain(told.get(name)) for name in _PLAIN}
    found |= {name: _detail(name, detail) for name in DETAILS if FIELDS.get(name) in _NESTED}
    found |= {
        "row_id": _plain(row["id"]),
        "verdict": "kept" if row["kept"] else "rejected",
        "reason_value": _plain(row.get("value")),
        "reason_detail": _plain(row.get("detail")),
        "label_issue": bool(_plain(row.get("is_issue"))),
        "assigned": list(row["assigned"]),
        "embedding": None,
        "has_picture": False,
        "selected": True,
    }
    found |= _claims(row)
    lasting = {name: value for name, value in found.items() if name not in ("mark", "uniqueness")}
    return {**found, "mark": fingerprint(VERSION, lasting)[:16]}


def _detail(name: str, detail: dict[str, Any]) -> Any:
    """A label, labels or boxes of the details; labels with their probabilities."""
    value, prob = detail.get(name), detail.get(f"{name}_prob")
    if FIELDS[name] == "label":
        return _label(value, prob)
    if FIELDS[name] == "labels":
        return [_label(one, sure) for one, sure in zip(value or [], prob or [])]
    return value


def _claims(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The final labels and every claim behind them."""
    emotion, style = _plain(row["emotion"]), _plain(row["style"])
    prob, style_prob = row["emotion_prob"], row["style_prob"]
    own = (
        label_set.emotions().index(emotion)
        if emotion in label_set.emotions() and prob is not None
        else None
    )
    return {
        "emotion": _label(
            emotion,
            None if own is None else prob[own],
            rule=_plain(row["emotion_rule"]),
            was=emotion,
        ),
        "style": _label(style, None, rule=_plain(row["style_rule"]), was=style),
        "emotion_source": _label(_plain(row["emotion_source"]), None),
        "emotion_clip": _most_likely(prob, label_set.emotions()),
        "style_clip": _most_likely(style_prob, label_set.styles()),
        "votes": [_vote(ballot) for ballot in row["ballots"]],
    }


def _vote(ballot: dict[str, Any]) -> dict[str, Any]:
    said = {
        "choice": ballot["emotion"],
        "yes_no": f"{'yes' if ballot['answer'] else 'no'}: {ballot['emotion']}",
        "style": ballot["style"],
        "reject": f"reject: {_plain(ballot['reason']) or 'no reason'}",
    }
    return {
        "label": said[ballot["kind"]],
        "annotator": ballot["annotator"],
        "kind": ballot["kind"],
    }


def _label(name: str | None, confidence: float | None, **more: Any) -> dict[str, Any] | None:
    if name is None:
        return None
    sure = None if confidence is None else round(float(confidence), 4)
    return {"label": name, "confidence": sure, **more}


def _most_likely(prob: Any, names: tuple[str, ...]) -> dict[str, Any] | None:
    """The most likely name, if any is; the whole distribution goes along as logits."""
    if prob is None:
        return None
    shares = np.asarray(prob, float)
    if not says_something(shares[None])[0]:
        return None
    top = int(shares.argmax())
    logits = np.log(np.maximum(shares, 1e-6)).round(3).tolist()
    return {"label": names[top], "confidence": round(float(shares[top]), 4), "logits": logits}


def _plain(value: Any) -> Any:
    """A numpy or pandas value as Python's own; NaN and NA become None."""
    if value is None or isinstance(value, (str, bool, int, list)):
        return value
    if value != value:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return round(value, 4) if isinstance(value, float) else value


def documents(found: dict[str, Any]) -> dict[str, Any]:
    """The same values with labels as FiftyOne's own types."""
    import fiftyone as fo

    made = dict(found)
    for name, kind in FIELDS.items():
        value = made.get(name)
        if value is None:
            continue
        if kind == "label":
            made[name] = fo.Classification(**value)
        elif kind == "labels":
            labels = [fo.Classification(**label) for label in value]
            made[name] = fo.Classifications(classifications=labels)
        elif kind == "boxes":
            boxes = [
                fo.Detection(
                    label="person",
                    bounding_box=[p["x0"], p["y0"], p["x1"] - p["x0"], p["y1"] - p["y0"]],
                    confidence=p["score"],
                )
                for p in value
            ]
            made[name] = fo.Detections(detections=boxes)
    return made
