"""Every column of the project: what it holds, its Arrow type, and which file it lives in.

Three kinds of tables use these columns. `ROWS` is what ingest writes, one line per input.
Sidecars under `columns/` are declared by the step that adds them. `PUBLISHED` is what
`load_dataset` shows. The id of a row is the SHA-256 of the image bytes as received.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from emo8.core import label_set
from emo8.core.label_set import LabelSet

if TYPE_CHECKING:
    import datasets

# Rows per row group of a published shard: small enough for the Hub's viewer, which reads one row
# group at a time and refuses groups over 300 MB.
ROW_GROUP_ROWS = 100
# A row group ends where the rows themselves say so, between these sizes and at 92 rows on average:
# rows that come or go then change the groups around them and move few others.
MIN_GROUP_ROWS, MAX_GROUP_ROWS = 32, 200
MAX_GROUP_BYTES = 64_000_000  # of pictures, whatever the number of rows
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

PUBLISHED: dict[str, tuple[pa.DataType, str]] = {
    "id": (pa.string(), "SHA-256 of the image bytes as received; the row's name for ever"),
    "image": (IMAGE, "the picture, upright, without metadata"),
    "emotion": (
        pa.int64(),
        "the final label, null where nobody is sure; which claim won is in emotion_rule",
    ),
    "emotion_prob": (
        pa.list_(pa.float32()),
        "CLIP's distribution over the emotions, the mean over the models, calibrated if "
        "emotion_calibration says so",
    ),
    "emotion_raw_prob": (
        pa.list_(pa.float32()),
        "the same distribution before calibration",
    ),
    "emotion_margin": (pa.float32(), "emotion_prob: the highest less the second highest"),
    "emotion_entropy": (pa.float32(), "entropy of emotion_prob: 0 = certain, 1 = even"),
    "emotion_agreement": (
        pa.float32(),
        "share of the CLIP models whose most likely emotion is that of their mean",
    ),
    "emotion_calibration": (
        pa.string(),
        "which fit calibrated emotion_prob: the style's own, all (styles together) or none; or "
        "out_of_domain: the picture is unlike those the model was made for, emotion_prob and "
        "style_prob are even, and CLIP makes no claim",
    ),
    "positive_prob": (
        pa.float32(),
        "CLIP's probability of a positive rather than negative feeling",
    ),
    "emotion_rule": (
        pa.string(),
        "who made the final label: human, source or clip; abstain = nobody, and emotion is null",
    ),
    "emotion_votes": (
        pa.list_(pa.float32()),
        "shares of people's votes over the emotions, one vote per annotator, spread over "
        "what they ticked; less than 1 in all where some said none or neutral; null without votes",
    ),
    "emotion_ticks": (
        pa.list_(pa.float32()),
        "share of the annotators who named each emotion; more than 1 in all where they ticked "
        "several; null without votes",
    ),
    "vote_result": (
        pa.string(),
        "what people's votes came to: label, tie, no_winner, too_few, none (of these) or neutral; "
        "null without votes",
    ),
    "num_votes": (pa.int32(), "annotators who voted on the row"),
    "valence": (pa.float32(), "mean of people's ratings, 0 unpleasant to 1 pleasant"),
    "arousal": (pa.float32(), "mean of people's ratings, 0 calm to 1 excited"),
    "dominance": (pa.float32(), "mean of people's ratings, 0 controlled to 1 in control"),
    "emotion_source": (pa.string(), "what the source claims, null where it claims nothing"),
    "style": (pa.int64(), "the final style, null where nobody knows it"),
    "style_prob": (pa.list_(pa.float32()), "CLIP's distribution over the styles"),
    "style_rule": (
        pa.string(),
        "who made the final style: human, source or clip; abstain = nobody, and style is null",
    ),
    "caption": (pa.string(), "the source's own caption"),
    "description": (
        pa.string(),
        "a sentence from caption, attributes and colours, without the emotion; it fits the "
        "tokenizer of the first CLIP model",
    ),
    "description_with_emotion": (
        pa.string(),
        "description with the final emotion, for those who want it: it gives the answer away",
    ),
    "scene": (pa.string(), "CLIP's most likely scene; null where none is likely enough"),
    "scene_prob": (pa.float32(), "CLIP's probability that the scene is that one"),
    "objects": (pa.list_(pa.string()), "up to three objects by CLIP, most likely first"),
    "objects_prob": (pa.list_(pa.float32()), "CLIP's probability of each object"),
    "human_action": (pa.string(), "what somebody does, by CLIP; null where none is likely enough"),
    "human_action_prob": (pa.float32(), "CLIP's probability of that action"),
    "facial_expression": (pa.string(), "by CLIP; null where none is likely enough"),
    "facial_expression_prob": (pa.float32(), "CLIP's probability of that expression"),
    "people": (
        pa.list_(PERSON),
        "boxes as fractions of width and height, most prominent (area x score x centrality) "
        "first; null = not looked for",
    ),
    "people_rule": (
        pa.string(),
        "who drew the boxes: source, a detector's name, or not_run (nobody looked)",
    ),
    "brightness": (pa.float32(), "mean HSV value in eleven steps, 0 to 1"),
    "colorfulness": (pa.float32(), "opponent-colour measure in eleven steps, 0 to 1"),
    "width": (pa.int32(), "pixels"),
    "height": (pa.int32(), "pixels"),
    "ground": (
        pa.string(),
        "what transparent parts were laid on: white, or black where the picture is white itself; "
        "null = nothing is transparent",
    ),
    "license": (pa.string(), "licence of this picture"),
    "attribution": (pa.string(), "whom to credit"),
    "source": (pa.string(), "name of the source in the recipe"),
    "source_url": (pa.string(), "where the picture was found, if known"),
    "also_from": (
        pa.list_(DUPLICATE_OF),
        "sources of copies that were left out, and the emotion that each claims",
    ),
    "cluster": (pa.string(), "id of the oldest row among its near copies"),
    "faces_blurred": (
        pa.int32(),
        "regions blurred as faces or heads before publishing; null = not asked for",
    ),
    "pixel_sha256": (
        pa.string(),
        "SHA-256 of the decoded, upright RGB pixels, before any blurring",
    ),
    "published_sha256": (pa.string(), "SHA-256 of image.bytes"),
}


def published_metadata(labels: LabelSet, *, images: bool = True) -> dict[bytes, bytes]:
    """Metadata of a published file: features as `datasets` reads them, and another label set."""
    features = published_features(images=images, labels=labels).arrow_schema.metadata
    return {**features, **labels.metadata()}


def ends_row_group(id: str, num_rows: int, num_bytes: int) -> bool:
    """Whether a row group of this many rows and bytes ends behind the row called `id`."""
    if num_rows >= MAX_GROUP_ROWS or num_bytes >= MAX_GROUP_BYTES:
        return True
    return num_rows >= MIN_GROUP_ROWS and int(id[:8], 16) % 64 == 0


def parquet_options(columns: pa.Schema) -> dict[str, Any]:
    """How published shards are written.

    Pages are cut by content, so that an upload shares most chunks with the one before it, and
    indexed, so that the viewer reads single pages. Beside pictures they are small: larger ones
    would hold several pictures, and an added one would move their borders far behind it. Pictures
    are compressed already, and a second frame around them, or a dictionary of values that never
    repeat, would move with every row.
    """
    unique = {"image", "id", "cluster", "pixel_sha256", "published_sha256"}
    text = {name for name in columns.names if pa.types.is_string(columns.field(name).type)}
    leaves = [leaf for column in columns for leaf in _leaves(column)]
    small, large = (2, 8) if "image" in columns.names else (8, 32)
    return {
        "compression": {leaf: "none" if leaf == "image.bytes" else "zstd" for leaf in leaves},
        "use_dictionary": sorted(text - unique),
        "write_page_index": True,
        "use_content_defined_chunking": {
            "min_chunk_size": small << 10,
            "max_chunk_size": large << 10,
            "norm_level": 0,
        },
    }


def _leaves(column: pa.Field) -> list[str]:
    """Paths of a column's leaves as parquet names them."""
    if pa.types.is_struct(column.type):
        return [f"{column.name}.{leaf}" for field in column.type for leaf in _leaves(field)]
    if pa.types.is_list(column.type):
        item = pa.field("element", column.type.value_type)
        return [f"{column.name}.list.{leaf}" for leaf in _leaves(item)]
    return [column.name]


def published_schema(*, images: bool = True) -> pa.Schema:
    """Arrow schema of a published shard, without the metadata that `datasets` adds."""
    columns = [(name, dtype) for name, (dtype, _) in PUBLISHED.items()]
    return pa.schema([(name, dtype) for name, dtype in columns if images or name != "image"])


PUBLISHED_VOTES: dict[str, tuple[pa.DataType, str]] = {
    "id": (pa.string(), "of the row that was voted on"),
    "annotator": (pa.string(), "pseudonym, the same for one person in all votes of the dataset"),
    "kind": (
        pa.string(),
        "choice (one emotion), select (one of several ticked), none (of these), neutral, "
        "cannot_tell, other (a word outside the emotions), yes_no, intensity, valence, arousal, "
        "dominance, polarity, style or reject",
    ),
    "emotion": (pa.string(), "chosen, ticked, asked about (yes_no) or rated (intensity)"),
    "answer": (pa.bool_(), "yes_no: whether it is that emotion"),
    "style": (pa.string(), "style: the one that was chosen"),
    "value": (pa.float64(), "ratings: 0 is the lowest end of the scale, 1 the highest"),
    "scale": (pa.string(), "ratings: the scale that was shown, for example 1-9"),
    "word": (pa.string(), "what the annotator said, where emotion says it otherwise"),
    "consent": (pa.bool_(), "whether the annotator agreed; null = nobody asked"),
    "time": (pa.date32(), "the day, in UTC"),
}


def votes_schema() -> pa.Schema:
    """Arrow schema of a published file of votes."""
    return pa.schema([(name, dtype) for name, (dtype, _) in PUBLISHED_VOTES.items()])


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
