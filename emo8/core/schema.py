"""Every column of the project: what it holds, its Arrow type, and which file it lives in.

Three kinds of tables use these columns. `ROWS` is what ingest writes, one line per input.
Sidecars under `columns/` are declared by the step that adds them. `PUBLISHED` is what
`load_dataset` shows: shards, card, Croissant, the reference and the App take from it what they
say of a column. The id of a row is the SHA-256 of the image bytes as received.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from emo8.core import label_set
from emo8.core.label_set import LabelSet

if TYPE_CHECKING:
    import datasets

# Decimals kept of every published float, so that builds on different worker counts are equal.
PUBLISHED_DECIMALS = 4

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
# One person: corners as fractions of width and height, and the detector's score (1.0 when the
# source drew the box itself).
PERSON = pa.struct([(name, pa.float32()) for name in ("x0", "y0", "x1", "y1", "score")])
DUPLICATE_OF = pa.struct(
    [
        ("source", pa.string()),
        ("source_url", pa.string()),
        ("emotion", pa.string()),  # the source's claim about this copy
    ]
)

ROWS = pa.schema(
    [
        ("id", pa.string()),  # SHA-256 of the bytes as received; null where nothing arrived
        ("image", IMAGE),  # encoded bytes as received; null where nothing arrived
        ("source", pa.string()),  # name of the recipe's source
        ("source_path", pa.string()),  # path or URL inside the source
        ("source_url", pa.string()),  # where the picture can be found on the web, if known
        ("caption", pa.string()),
        ("style_source", pa.string()),  # the source's claim; null = let CLIP decide
        ("emotion_source", pa.string()),  # the source's claim
        ("license", pa.string()),
        ("attribution", pa.string()),
        ("split_source", pa.string()),  # the source's own split, where the recipe keeps it
        ("people_source", pa.list_(PERSON)),  # boxes the source brings; null = not known
        ("ingest_reason", pa.string()),  # reason code when nothing usable arrived, else null
        ("ingest_value", pa.float64()),  # the number that made it so, for example bytes
        ("ingest_detail", pa.string()),  # the cause in detail, for example "http_404"
    ]
)

# One vote of one annotator on one row; `emo8/review/votes.py` says which votes count.
VOTES = pa.schema(
    [
        ("id", pa.string()),  # of the row
        ("annotator", pa.string()),  # pseudonym, never a name or an address
        ("kind", pa.string()),  # one of emo8/review/votes.py KINDS
        ("emotion", pa.string()),  # chosen, ticked, asked about or rated; null for other kinds
        ("answer", pa.bool_()),  # yes_no: whether it is that emotion; else null
        ("style", pa.string()),  # chosen; null for all kinds but style
        ("value", pa.float64()),  # ratings: 0 = lowest end of the scale, 1 = highest; else null
        ("scale", pa.string()),  # ratings: the scale that was shown, for example "1-9"
        ("word", pa.string()),  # what the annotator said, where `emotion` says it otherwise
        ("reason", pa.string()),  # reject: why, in the annotator's words; null = not said
        ("consent", pa.bool_()),  # may the vote be used and published? null = not asked
        ("time", pa.timestamp("s", tz="UTC")),  # when it was cast, or else imported
        ("batch", pa.string()),  # the import it came with, for undoing
    ]
)


@dataclass(frozen=True)
class Column:
    """All that is said of a published column."""

    type: pa.DataType
    meaning: str
    table: str = ""  # of a build that holds it: rows, verdicts or a step; "" = made for publishing
    _: KW_ONLY
    shown: tuple[str, str] | None = None  # in the App: group of the sidebar, kind of field
    unique: bool = False  # its values hardly ever repeat


PUBLISHED: dict[str, Column] = {
    "id": Column(
        pa.string(),
        "SHA-256 of the image bytes as received; the row's name for ever",
        "rows",
        unique=True,
    ),
    "image": Column(IMAGE, "the picture, upright, without metadata"),
    "emotion": Column(
        pa.int64(),
        "the final label, null where nobody is sure; which claim won is in emotion_rule",
        "verdicts",
        shown=("labels", "label"),
    ),
    "emotion_prob": Column(
        pa.list_(pa.float32()),
        "CLIP's distribution over the emotions, the mean over the models, calibrated if "
        "emotion_calibration says so",
        "calibrate",
    ),
    "emotion_raw_prob": Column(
        pa.list_(pa.float32()), "the same distribution before calibration", "label"
    ),
    "emotion_margin": Column(
        pa.float32(),
        "emotion_prob: the highest less the second highest",
        "calibrate",
        shown=("review", "number"),
    ),
    "emotion_entropy": Column(
        pa.float32(), "entropy of emotion_prob: 0 = certain, 1 = even", "calibrate"
    ),
    "emotion_agreement": Column(
        pa.float32(),
        "share of the CLIP models whose most likely emotion is that of their mean",
        "label",
        shown=("review", "number"),
    ),
    "emotion_calibration": Column(
        pa.string(),
        "which fit calibrated emotion_prob: the style's own, all (styles together) or none; or "
        "out_of_domain: the picture is unlike those the model was made for, emotion_prob and "
        "style_prob are even, and CLIP makes no claim",
        "calibrate",
    ),
    "positive_prob": Column(
        pa.float32(),
        "CLIP's probability of a positive rather than negative feeling",
        "label",
        shown=("attributes", "number"),
    ),
    "emotion_rule": Column(
        pa.string(),
        "who made the final label: human, source or clip; abstain = nobody, and emotion is null",
        "verdicts",
    ),
    "emotion_votes": Column(
        pa.list_(pa.float32()),
        "shares of people's votes over the emotions, one vote per annotator, spread over "
        "what they ticked; less than 1 in all where some said none or neutral; null without votes",
        "verdicts",
    ),
    "emotion_ticks": Column(
        pa.list_(pa.float32()),
        "share of the annotators who named each emotion; more than 1 in all where they ticked "
        "several; null without votes",
        "verdicts",
    ),
    "vote_result": Column(
        pa.string(),
        "what people's votes came to: label, tie, no_winner, too_few, none (of these) or neutral; "
        "null without votes",
        "verdicts",
    ),
    "num_votes": Column(
        pa.int32(), "annotators who voted on the row", "verdicts", shown=("review", "int")
    ),
    "valence": Column(
        pa.float32(), "mean of people's ratings, 0 unpleasant to 1 pleasant", "verdicts"
    ),
    "arousal": Column(pa.float32(), "mean of people's ratings, 0 calm to 1 excited", "verdicts"),
    "dominance": Column(
        pa.float32(), "mean of people's ratings, 0 controlled to 1 in control", "verdicts"
    ),
    "emotion_source": Column(
        pa.string(),
        "what the source claims, in our spelling where it is one of ours; null where nothing",
        "rows",
        shown=("labels", "label"),
    ),
    "style": Column(
        pa.int64(),
        "the final style, null where nobody knows it",
        "verdicts",
        shown=("labels", "label"),
    ),
    "style_prob": Column(pa.list_(pa.float32()), "CLIP's distribution over the styles", "label"),
    "style_rule": Column(
        pa.string(),
        "who made the final style: human, source or clip; abstain = nobody, and style is null",
        "verdicts",
    ),
    "caption": Column(
        pa.string(), "the source's own caption", "rows", shown=("where from", "text")
    ),
    "description": Column(
        pa.string(),
        "a sentence from caption, attributes and colours, without the emotion; it fits the "
        "tokenizer of the first CLIP model",
        "describe",
        shown=("attributes", "text"),
    ),
    "description_with_emotion": Column(
        pa.string(),
        "description with the final emotion, for those who want it: it gives the answer away",
    ),
    "scene": Column(
        pa.string(),
        "CLIP's most likely scene; null where none is likely enough",
        "attributes",
        shown=("attributes", "label"),
    ),
    "scene_prob": Column(
        pa.float32(), "CLIP's probability that the scene is that one", "attributes"
    ),
    "objects": Column(
        pa.list_(pa.string()),
        "up to three objects by CLIP, most likely first",
        "attributes",
        shown=("attributes", "labels"),
    ),
    "objects_prob": Column(
        pa.list_(pa.float32()), "CLIP's probability of each object", "attributes"
    ),
    "human_action": Column(
        pa.string(),
        "what somebody does, by CLIP; null where none is likely enough",
        "attributes",
        shown=("attributes", "label"),
    ),
    "human_action_prob": Column(pa.float32(), "CLIP's probability of that action", "attributes"),
    "facial_expression": Column(
        pa.string(),
        "by CLIP; null where none is likely enough",
        "attributes",
        shown=("attributes", "label"),
    ),
    "facial_expression_prob": Column(
        pa.float32(), "CLIP's probability of that expression", "attributes"
    ),
    "people": Column(
        pa.list_(PERSON),
        "boxes as fractions of width and height, most prominent (area x score x centrality) "
        "first; null = not looked for",
        "people",
        shown=("labels", "boxes"),
    ),
    "people_rule": Column(
        pa.string(),
        "who drew the boxes: source, a detector's name, or not_run (nobody looked)",
        "people",
        shown=("attributes", "text"),
    ),
    "brightness": Column(
        pa.float32(),
        "mean HSV value in eleven steps, 0 to 1",
        "measure",
        shown=("attributes", "number"),
    ),
    "colorfulness": Column(
        pa.float32(),
        "opponent-colour measure in eleven steps, 0 to 1",
        "measure",
        shown=("attributes", "number"),
    ),
    "width": Column(pa.int32(), "pixels", "measure"),
    "height": Column(pa.int32(), "pixels", "measure"),
    "ground": Column(
        pa.string(),
        "what transparent parts were laid on: white, or black where the picture is white itself; "
        "null = nothing is transparent",
        "measure",
    ),
    "license": Column(pa.string(), "licence of this picture", "rows", shown=("where from", "text")),
    "attribution": Column(pa.string(), "whom to credit", "rows", shown=("where from", "text")),
    "source": Column(
        pa.string(), "name of the source in the recipe", "rows", shown=("where from", "text")
    ),
    "source_url": Column(
        pa.string(), "where the picture was found, if known", "rows", shown=("where from", "text")
    ),
    "also_from": Column(
        pa.list_(DUPLICATE_OF),
        "sources of copies that were left out, and the emotion that each claims",
        "verdicts",
    ),
    "cluster": Column(
        pa.string(),
        "id of the oldest row among its near copies",
        "verdicts",
        shown=("where from", "text"),
        unique=True,
    ),
    "faces_blurred": Column(
        pa.int32(), "regions blurred as faces or heads before publishing; null = not asked for"
    ),
    "pixel_sha256": Column(
        pa.string(),
        "SHA-256 of the decoded, upright RGB pixels, before any blurring",
        "measure",
        unique=True,
    ),
    "published_sha256": Column(pa.string(), "SHA-256 of image.bytes", unique=True),
}

PUBLISHED_VOTES: dict[str, Column] = {
    "id": Column(pa.string(), "of the row that was voted on"),
    "annotator": Column(
        pa.string(), "pseudonym, the same for one person in all votes of the dataset"
    ),
    "kind": Column(
        pa.string(),
        "choice (one emotion), select (one of several ticked), none (of these), neutral, "
        "cannot_tell, other (a word outside the emotions), yes_no, intensity, valence, arousal, "
        "dominance, polarity, style or reject",
    ),
    "emotion": Column(pa.string(), "chosen, ticked, asked about (yes_no) or rated (intensity)"),
    "answer": Column(pa.bool_(), "yes_no: whether it is that emotion"),
    "style": Column(pa.string(), "style: the one that was chosen"),
    "value": Column(pa.float64(), "ratings: 0 is the lowest end of the scale, 1 the highest"),
    "scale": Column(pa.string(), "ratings: the scale that was shown, for example 1-9"),
    "word": Column(pa.string(), "what the annotator said, where emotion says it otherwise"),
    "consent": Column(pa.bool_(), "whether the annotator agreed; null = nobody asked"),
    "time": Column(pa.date32(), "the day, in UTC"),
}


def published_metadata(labels: LabelSet, *, images: bool = True) -> dict[bytes, bytes]:
    """Metadata of a published file: features as `datasets` reads them, and another label set."""
    features = published_features(images=images, labels=labels).arrow_schema.metadata
    return {**features, **labels.metadata()}


def published_schema(*, images: bool = True) -> pa.Schema:
    """Arrow schema of a published shard, without the metadata that `datasets` adds."""
    return pa.schema(
        [(name, column.type) for name, column in PUBLISHED.items() if images or name != "image"]
    )


def by_table(columns: Mapping[str, Column] = PUBLISHED) -> dict[str, tuple[str, ...]]:
    """Names of published columns by the table of a build that holds them."""
    tables: dict[str, tuple[str, ...]] = {}
    for name, column in columns.items():
        if column.table:
            tables[column.table] = (*tables.get(column.table, ()), name)
    return tables


def votes_schema() -> pa.Schema:
    """Arrow schema of a published file of votes."""
    return pa.schema([(name, column.type) for name, column in PUBLISHED_VOTES.items()])


def votes_features() -> datasets.Features:
    """The `datasets` features of a published file of votes."""
    import datasets

    return datasets.Features.from_arrow_schema(votes_schema())


def published_features(*, images: bool = True, labels: LabelSet | None = None) -> datasets.Features:
    """The `datasets` features of a published shard; emotion and style become ClassLabels.

    Their names are those of `labels`, by default the set that this process works with.
    """
    import datasets

    labels = labels or label_set.current()

    features = datasets.Features.from_arrow_schema(published_schema(images=images))
    if images:
        features["image"] = datasets.Image()
    features["emotion"] = datasets.ClassLabel(names=list(labels.emotions))
    features["style"] = datasets.ClassLabel(names=list(labels.styles))
    return features
