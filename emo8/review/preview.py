"""What an import of votes would change, shown before it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from emo8.core.settings import VotesConfig
from emo8.engine import build_folder
from emo8.engine.verdict_table import VERDICTS
from emo8.review import counting, votes
from emo8.review.parse import ReadVotes

SHOWN = 10  # votes listed; all are counted
_VERDICTS = ("id", "source_path", "emotion", "emotion_rule", "style", "reason")


def diff_lines(build: Path, new: ReadVotes) -> list[str]:
    """The votes one by one, then the labels that would follow from them at the next build."""
    now = _verdicts(build)
    lines = [*_about(new)]
    lines += [_line(vote, now) for vote in _examples(new.votes).to_dict("records")]
    if len(new.votes) > SHOWN:
        lines.append(f"  … and {len(new.votes) - SHOWN} more")
    return lines + _effects(build, new, now)


def _examples(votes: pd.DataFrame) -> pd.DataFrame:
    """Up to SHOWN votes in their order: the first of each kind, and the first of all."""
    first = votes.drop_duplicates("kind").index.tolist()
    rest = [number for number in votes.index[:SHOWN] if number not in first]
    return votes.loc[sorted((first + rest)[:SHOWN])]


def said(vote: dict[Any, Any]) -> str:
    """One vote in a few words."""
    kind, emotion = vote["kind"], vote["emotion"]
    word = f" ({vote['word']!r})" if isinstance(vote.get("word"), str) else ""
    if kind in ("choice", "select"):
        return f"emotion {emotion}{word}" + (", among others" if kind == "select" else "")
    if kind == "yes_no":
        return f"{'yes' if vote['answer'] else 'no'}, {emotion}{word}"
    if kind in votes.RATINGS:
        about = f" of {emotion}" if emotion else ""
        return f"{kind}{about} {vote['value']:.3g} of 1{word}"
    if kind == "style":
        return f"style {vote['style']}"
    if kind == "reject":
        return f"reject, {vote['reason'] or 'no reason given'}"
    return f"{kind.replace('_', ' ')}{word}"


def _verdicts(build: Path) -> pd.DataFrame:
    """Path, final labels and verdict by id; empty before the first decision."""
    path = build / VERDICTS
    if not path.exists():
        return pd.DataFrame(columns=list(_VERDICTS)).set_index("id")
    table = pq.read_table(path, columns=list(_VERDICTS)).to_pandas()
    return table.drop_duplicates("id").set_index("id")


def _line(vote: dict[Any, Any], now: pd.DataFrame) -> str:
    row = now.loc[vote["id"]].to_dict() if vote["id"] in now.index else {}
    emotion = row.get("emotion") or "no emotion"
    now_by = f"(now {emotion} by {row.get('emotion_rule')})"
    before = {"choice": now_by, "select": now_by, "yes_no": f"(now {emotion})",
              "style": f"(now {row.get('style')})"}.get(vote["kind"], "")  # fmt: skip
    place = row.get("source_path") or ""
    return f"  {vote['id'][:12]}  {place}  {vote['annotator']}: {said(vote)} {before}".rstrip()


def _about(new: ReadVotes) -> list[str]:
    """What the file was taken for, which of its columns are used, and what was left out."""
    if not new.about:
        return new.notes
    used = ", ".join(f"{theirs} = {ours}" for theirs, ours in new.used.items())
    kinds = ", ".join(f"{count} {kind}" for kind, count in new.votes["kind"].value_counts().items())
    lines = [f"read as {new.about}: {kinds}", f"  columns used: {used}"]
    if new.unused:
        lines.append(f"  columns not used: {', '.join(new.unused)}")
    return lines + [f"  {note}" for note in new.notes]


def _effects(build: Path, new: ReadVotes, now: pd.DataFrame) -> list[str]:
    """Counts of changed human labels and of pictures that leave, by the build's own rules."""
    resolved = build_folder.read_json(build / build_folder.RESOLVED)
    if resolved is None or now.empty:
        return []
    config = VotesConfig(**resolved["recipe"]["votes"])
    old = votes.read_votes(build)
    ids = pd.Series(new.votes["id"].unique())
    every = pd.concat([old, new.votes], ignore_index=True) if len(old) else new.votes
    cast = votes.counted(every)
    after = counting.human_labels(cast, ids, config)
    after["style"] = counting.human_styles(cast, ids, config)
    lines = []
    for name in ("emotion", "style"):
        was = ids.map(now[name])
        changed = after[name].notna() & (after[name] != was)
        moves = (was[changed].fillna("none") + " -> " + after[name][changed]).value_counts()
        told = ", ".join(f"{count} {move}" for move, count in moves.items())
        lines.append(
            f"  {name}: {int(changed.sum())} labels change" + (f": {told}" if told else "")
        )
    leaving = after["rejected"].gt(config.max_reject_share) & ids.map(now["reason"]).isna()
    lines.append(f"  {int(leaving.sum())} pictures leave (rejected_by_review)")
    return lines
