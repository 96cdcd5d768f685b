"""People's votes on the rows of a build: what they can say, where it is kept, and what counts.

`BUILD/tables/votes.parquet` holds every vote that was ever imported and not undone, in the columns
of `schema.VOTES`. Where one annotator answered the same question twice in two imports, the later
answer counts. Annotators are pseudonyms; a vote whose annotator refused consent is kept and never
used.

A question about the emotion has one answer: `choice` (one emotion), `select` (all that apply, one
vote per tick), or no emotion at all, for three reasons that are kept apart: `none` (none of
these), `neutral`, `cannot_tell`; `other` is a word that names none of ours. `yes_no` asks whether
it is one emotion, as EmoSet does. Ratings are `intensity` (of one emotion), `valence`, `arousal`,
`dominance` and `polarity` (0 negative, 0.5 neutral, 1 positive): their `value` runs from 0, the
lowest end of the `scale` that was shown, to 1. `style` chooses a style; `reject` wants the picture
out, for a `reason`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core import schema
from emo8.core.errors import BuildError
from emo8.engine.files import write_part
from emo8.review import journal

NAME = "votes.parquet"
NO_EMOTION = ("none", "neutral", "cannot_tell", "other")  # answers that name no emotion of ours
EMOTION_ANSWERS = ("choice", "select", *NO_EMOTION)  # to one question: which emotion?
RATINGS = ("intensity", "valence", "arousal", "dominance", "polarity")
KINDS = (*EMOTION_ANSWERS, "yes_no", *RATINGS, "style", "reject")
_PER_EMOTION = ("yes_no", "intensity")  # asked anew for every emotion
_SAID = ("id", "annotator", "kind", "emotion", "style", "answer", "value", "word", "reason")


def path_of(build: Path) -> Path:
    """Where a build keeps its votes."""
    return build / "tables" / NAME


def read_votes(build: Path) -> pd.DataFrame:
    """Every vote of a build, in the order of import; empty when nobody voted."""
    return with_journals(stored_votes(build), journal.journals(build))


def with_journals(votes: pd.DataFrame, paths: list[Path]) -> pd.DataFrame:
    """`votes` and those of journals that are not among them yet."""
    fresh = journal.read(paths, set(votes["batch"].unique()))
    if fresh.empty:
        return votes
    tables = [
        pa.Table.from_pandas(frame, schema=schema.VOTES, preserve_index=False)
        for frame in (votes, fresh)
    ]
    return pa.concat_tables([table.replace_schema_metadata(None) for table in tables]).to_pandas()


def stored_votes(build: Path) -> pd.DataFrame:
    """The votes in the table alone, without those that a server is taking."""
    path = path_of(build)
    if not path.exists():
        return schema.VOTES.empty_table().to_pandas()
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise BuildError(f"{path} cannot be read: {error}; restore it from a copy") from error
    for field in schema.VOTES:
        if field.name not in table.column_names:  # written before the column was there
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(schema.VOTES.names).cast(schema.VOTES).to_pandas()


def write_votes(build: Path, votes: pd.DataFrame) -> None:
    """Replace the votes of a build; the file appears whole or not at all."""
    table = pa.Table.from_pandas(votes, schema=schema.VOTES, preserve_index=False)
    table = table.replace_schema_metadata(None).combine_chunks()
    digest, sink = hashlib.sha256(), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    digest.update(sink.getvalue())
    write_part(table, path_of(build), digest.hexdigest())


def stamp(votes: pd.DataFrame) -> str:
    """Hash of the votes that count, which every decision depends on; empty without votes."""
    if votes.empty:
        return ""
    columns = list(_SAID)
    lines = votes[columns].astype(object).where(votes[columns].notna(), None)
    text = "\n".join(sorted(repr(line) for line in lines.itertuples(index=False, name=None)))
    return hashlib.sha256(text.encode()).hexdigest()


def questions(votes: pd.DataFrame) -> pd.Series:
    """The question that each vote answers; an annotator has one answer per row and question."""
    kind = votes["kind"]
    question = kind.where(~kind.isin(EMOTION_ANSWERS), "emotion")
    asked = votes["emotion"].where(kind.isin(_PER_EMOTION), "").fillna("")
    return question.str.cat(asked, sep=":") if len(votes) else question


def counted(votes: pd.DataFrame) -> pd.DataFrame:
    """The votes that count: with no consent refused, and each annotator's last answer only.

    An answer is what one import says about one question: several ticks are one answer.
    """
    keyed = votes.assign(question=questions(votes))
    keys = ["id", "annotator", "question"]
    last = keyed.drop_duplicates(keys, keep="last")[[*keys, "batch"]]
    whole = keyed.reset_index().merge(last, on=[*keys, "batch"]).set_index("index").sort_index()
    return whole[whole["consent"].ne(False)].drop(columns="question").rename_axis(index=None)
