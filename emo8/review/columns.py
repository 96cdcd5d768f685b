"""Which of our columns a column, question or attribute of another tool is, by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from emo8.core import label_set
from emo8.core.errors import Emo8Error

# Columns of a vote file of ours, and every name that is understood for each, the surest first.
NAMES: dict[str, tuple[str, ...]] = {
    "id": (
        "id", "row_id", "sha256", "image_id", "image_url", "url", "image", "picture", "picture_id",
        "img", "img_url", "image_path", "image_name", "image_file", "file_name", "filename",
        "filepath", "file_path", "path", "file", "source_path", "source_url", "photo", "stimulus",
    ),
    "annotator": (
        "annotator", "annotator_id", "annotator_name", "worker", "worker_id", "workerid", "rater",
        "rater_id", "participant", "participant_id", "prolific_pid", "prolific_id", "user",
        "user_id", "username", "completed_by", "coder", "labeler", "labeller", "reviewer",
        "subject", "respondent", "responseid", "response_id",
    ),
    "emotion": (
        "emotion", "emotions", "label", "labels", "emotion_label", "choice", "choices", "feeling",
        "feelings", "category", "class", "sentiment_label", "tag", "tags",
    ),
    "answer": ("answer",),
    "style_vote": ("style_vote", "style_label", "which_style"),
    "valence": ("valence", "pleasure", "pleasantness", "v"),
    "arousal": ("arousal", "activation", "a"),
    "dominance": ("dominance", "control", "d"),
    "polarity": ("polarity", "sentiment"),
    "intensity": ("intensity", "strength"),
    "scale": ("scale",),
    "value": ("value",),
    "word": ("word",),
    "kind": ("kind",),
    "reject": ("reject", "unusable", "exclude"),
    "reason": ("reason", "reject_reason", "why"),
    "consent": ("consent", "agreed", "consented"),
    "time": (
        "time", "timestamp", "submit_time", "submittime", "submitted_at", "updated_at",
        "created_at", "completed_at", "recordeddate", "enddate", "date",
    ),
}  # fmt: skip
COLUMNS = tuple(NAMES)
RATED = ("valence", "arousal", "dominance", "intensity")
_BY_NAME = {name: ours for ours, names in NAMES.items() for name in names}
_NOT_ALONE = ("v", "a", "d")  # letters stand for ratings only where all three are there


def key_of(name: str) -> str:
    """A name as names are compared: `Answer.emotion1` is emotion1, `Image URL` is image_url."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    plain = re.sub(r"^(answer|input|data|fields|attributes)[._]", "", plain.lower())
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def our_column(name: str) -> str:
    """The column of ours that a name means; "" for none. An emotion's own name is itself."""
    key = key_of(name)
    squeezed = key.replace("_", "")
    if key in _NOT_ALONE:
        return ""
    for spelling in (key, squeezed):
        if spelling in _BY_NAME:
            return _BY_NAME[spelling]
    if key in label_set.emotions():
        return key
    for emotion in label_set.emotions():
        if key in (f"{emotion}_intensity", f"intensity_{emotion}"):
            return f"intensity:{emotion}"
    return ""


def unknown(ours: str) -> str:
    """What to say of a name that is no column of ours; "" for one that is."""
    known = ours in NAMES or ours in label_set.emotions()
    return "" if known else _near(ours, COLUMNS)


def map_columns(found: Sequence[str], asked: Mapping[str, str], where: str) -> dict[str, str]:
    """Ours -> theirs for the columns of a table: those the user named, then the surest of each.

    Emo8Error for a name of ours that does not exist, or of theirs that the file lacks.
    """
    mapping: dict[str, str] = {}
    for ours, theirs in asked.items():
        if problem := unknown(ours):
            raise Emo8Error(f"--columns {ours}={theirs}: {problem}")
        if theirs and theirs not in found:
            raise Emo8Error(f"--columns {ours}={theirs}: {where} {_near(theirs, found)}")
        mapping[ours] = theirs
    taken = set(mapping.values())
    lowered = {key_of(name) for name in found}
    three = set(_NOT_ALONE) <= lowered
    ranks: dict[str, tuple[int, str]] = {}
    for name in found:
        key = key_of(name)
        ours = _BY_NAME[key] if three and key in _NOT_ALONE else our_column(name)
        if not ours or ours in mapping or name in taken:
            continue
        names = NAMES.get(ours, (key,))
        rank = names.index(key) if key in names else len(names)
        if ours not in ranks or rank < ranks[ours][0]:
            ranks[ours] = (rank, name)
    mapping |= {ours: name for ours, (_, name) in ranks.items()}
    return {ours: theirs for ours, theirs in mapping.items() if theirs}


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"there is no column {name!r}{hint} There are: {', '.join(known)}"
