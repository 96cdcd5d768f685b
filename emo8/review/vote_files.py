"""Votes in: the file of any tool, or tags in the App, becomes rows of `schema.VOTES`.

`emo8/review/readers` turns a file into lines of our columns (`columns.NAMES`), `parse` turns lines
into votes. An `emotion` may be several words (select all that apply). With a column `answer` (yes
or no) each line says whether the picture shows that emotion, as EmoSet asks, unless its `kind` is
`choice`. `reject` (yes) wants the picture out, for the `reason`; `consent` (yes or no) says
whether the annotator agreed that the vote is used. A question nobody answered is passed over.
Files with any mistake are refused whole: nothing of them is imported, and nothing that was
imported before is lost.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from emo8.core import label_set
from emo8.core.errors import Emo8Error, RecipeError
from emo8.core.read_recipe import load_recipe
from emo8.core.settings import VotesConfig
from emo8.engine import build_folder
from emo8.review import journal, parse
from emo8.review.annotators import salt_of
from emo8.review.find_rows import pictures_of
from emo8.review.parse import ReadVotes
from emo8.review.readers import read_answers
from emo8.review.readers.base import VoteFile
from emo8.review.vocabularies import meanings
from emo8.review.votes import counted, questions, read_votes, stored_votes, write_votes
from emo8.review.words import Words


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import came to."""

    batch: str  # its name, for undoing
    num_votes: int
    num_rows: int
    num_annotators: int
    num_replaced: int  # earlier answers of the same annotators that these take the place of
    num_unanswered: int  # lines passed over


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user says about a file beside its path; the recipe says the rest."""

    annotator: str = ""  # who voted, where nothing says
    format: str = ""  # name of a reader; "" = recognise it
    columns: Mapping[str, str] = field(default_factory=dict)  # ours -> theirs
    scale: str = ""  # of its ratings
    skip_unknown: bool = False  # leave answers out whose picture is no row of the build


def import_votes(build: Path, file: Path, *, annotator: str = "", **asked: object) -> Imported:
    """Add the votes of a file to a build; Emo8Error names every mistake, and then nothing changes.

    `annotator` stands in where the file names nobody. Names become pseudonyms: a hash with a
    secret that stays in the build, the same for the same name in every import.
    """
    return add(build, read_file(build, file, Asked(annotator=annotator, **asked)))  # type: ignore[arg-type]


def read_file(build: Path, path: Path, asked: Asked = Asked()) -> ReadVotes:
    """The votes of a file, checked against the build; Emo8Error names every mistake."""
    config = votes_config(build)
    file = VoteFile(
        path=path,
        pictures=pictures_of(build),
        words=Words(meanings(config.vocabularies, config.words, label_set.current())),
        annotator=asked.annotator,
        columns={**config.columns, **asked.columns},
    )
    batch = _batch(file, asked)
    if (read_votes(build)["batch"] == batch).any():
        raise Emo8Error(f"{path} was imported before, as batch {batch}: nothing to do")
    about, answers = read_answers(file, asked.format)
    found = parse.parse(
        answers.lines,
        parse.Rules(
            where=f"vote file {path}",
            pictures=file.pictures,
            words=file.words,
            salt=salt_of(build),
            scale=asked.scale or config.scale,
            asks=answers.asks,
            skip_unknown=asked.skip_unknown,
            damaged=tuple(f"line {n + 2}: {why}" for n, why in sorted(file.damaged.items())),
        ),
        batch=batch,
    )
    if found.votes.empty:
        raise Emo8Error(f"{path} holds no vote: every line lacks an emotion or an answer")
    passed = [
        f"{number} {what} passed over" for what, number in answers.passed_over.items() if number
    ]
    return dataclasses.replace(
        found, about=about, used=answers.used, unused=answers.unused, notes=passed + found.notes
    )


def votes_config(build: Path) -> VotesConfig:
    """`[votes]` of the recipe as it is now, or else as the build was made with it."""
    resolved = build_folder.read_json(build / build_folder.RESOLVED)
    if resolved is None:
        return VotesConfig()
    try:
        recipe = load_recipe(Path(resolved.get("recipe_path", "")))
        if recipe.name == resolved["recipe"]["name"]:
            return recipe.votes
    except RecipeError:  # moved, or no longer readable
        pass
    return VotesConfig(**resolved["recipe"]["votes"])


def _batch(file: VoteFile, asked: Asked) -> str:
    """The name of an import: the same file read in the same way has the same."""
    said = asked.annotator + "".join(
        repr(one) for one in (sorted(asked.columns.items()), asked.format, asked.scale) if one
    )
    return hashlib.sha256(file.content + said.encode()).hexdigest()[:12]


def add(build: Path, ballots: ReadVotes) -> Imported:
    """Import votes that were read and checked."""
    old, new = read_votes(build), ballots.votes
    stored = stored_votes(build)
    write_votes(build, pd.concat([stored, new], ignore_index=True) if len(stored) else new)
    keys = ["id", "annotator", "question"]
    asked = new.assign(question=questions(new))[keys].drop_duplicates()
    before = counted(old)
    before = before.assign(question=questions(before))[keys].drop_duplicates()
    return Imported(
        batch=ballots.batch,
        num_votes=len(new),
        num_rows=new["id"].nunique(),
        num_annotators=new["annotator"].nunique(),
        num_replaced=len(before.merge(asked, on=keys)),
        num_unanswered=ballots.num_unanswered,
    )


def news(build: Path, votes: pd.DataFrame) -> pd.DataFrame:
    """The votes that say something else than the same annotator's last word."""
    said = ["id", "annotator", "kind", "emotion", "answer", "style", "reason"]
    known = {_key(line) for line in _plain(counted(read_votes(build))[said])}
    new = [_key(line) not in known for line in _plain(votes[said])]
    return votes[pd.Series(new, index=votes.index, dtype=bool)].reset_index(drop=True)


def _plain(frame: pd.DataFrame) -> list[dict[str, object]]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")  # type: ignore[return-value]


def _key(line: dict[str, object]) -> str:
    return repr(sorted(line.items()))


def undo(build: Path, batch: str) -> int:
    """Take one import back; how many votes that were. Answers it had replaced count again."""
    votes = stored_votes(build)
    if batch in {path.stem for path in journal.journals(build)}:
        raise Emo8Error(f"batch {batch} is still being answered: end its `--serve` first")
    batches = list(dict.fromkeys(votes["batch"]))
    if batch not in batches:
        known = ", ".join(batches) or "none"
        raise Emo8Error(f"no import {batch!r} in {build}; imports: {known}")
    write_votes(build, votes[votes["batch"] != batch])
    return int((votes["batch"] == batch).sum())
