"""What people should look at, and what their votes come to.

`BUILD/tables/review_queue.parquet` lists the rows where a label is most likely wrong: sources name
different emotions for copies of the picture, or people or the source say one thing and CLIP, with
confidence, another. `chosen_rows` are what a sheet or
another tool's tasks ask about.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core import label_set
from emo8.core.errors import BuildError, Emo8Error
from emo8.core.plain_text import cell
from emo8.engine.files import fingerprint, read_fingerprint, write_part
from emo8.engine.small_pictures import small_pictures
from emo8.engine.verdict_table import VERDICTS
from emo8.review import votes, workbook
from emo8.review.columns import COLUMNS
from emo8.review.final_labels import most_likely
from emo8.review.queue import open_rows, ranked
from emo8.tables.rows import read_inputs

QUEUE_NAME = "review_queue.parquet"
_QUEUE_VERSION = 2
QUEUE = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("source_path", pa.string()),
        ("style", pa.string()),
        ("emotion", pa.string()),  # the final label, by a person or the source
        ("emotion_rule", pa.string()),
        ("emotion_clip", pa.string()),  # CLIP's most likely emotion
        ("clip_prob", pa.float32()),  # and its probability
        ("label_quality", pa.float32()),  # 0 to 1; low = the label is likely wrong
        ("is_issue", pa.bool_()),  # cleanlab counts it among the errors
        ("disputed", pa.bool_()),  # copies of the picture carry different labels
    ]
)


_FROM_NARROW = (
    "emotion_source", "emotion_prob", "emotion_raw_prob", "style_prob", "emotion_agreement",
    "emotion_margin", "emotion_entropy",
)  # fmt: skip
_SHEET = ("id", "source", "source_path", "style", "emotion_now", "rule_now", "emotion_clip")
_ANSWERS = ("answer", "style_vote", "reject", "reason", "consent")
_PICTURE_PX = 128  # longer side in an .xlsx
PICKS = ("queue", "errors", "unsure", "unlabelled", "all")


def claims_table(build: Path) -> pd.DataFrame:
    """Every kept row with its final labels and CLIP's distributions, in the order of the build."""
    path = build / VERDICTS
    if not path.exists():
        raise BuildError(f"{build} has no verdicts yet: finish `emo8 build` first")
    verdicts = pq.read_table(path).to_pandas()
    kept = verdicts[verdicts["reason"].isna()]
    parts = sorted(kept["part"].unique().tolist())
    if not parts:
        raise BuildError(f"{build} kept no row: `emo8 status {build}` says why")
    wide = read_inputs(build, parts, _FROM_NARROW).to_pandas()
    rows = kept.merge(wide, on=["part", "row"], how="left").reset_index(drop=True)
    rows["emotion_clip"] = most_likely(rows["emotion_prob"], label_set.emotions())
    rows["clip_prob"] = rows["emotion_prob"].map(np.max)
    return rows


def queue(build: Path) -> pa.Table:
    """The review queue of a build, disputed rows first, then worst labels; kept till it changes."""
    path = build / "tables" / QUEUE_NAME
    mark = read_fingerprint(build / VERDICTS)
    if mark is not None and read_fingerprint(path) == fingerprint(mark, _QUEUE_VERSION):
        return pq.read_table(path)
    table = pa.Table.from_pandas(
        disagreements(claims_table(build)), schema=QUEUE, preserve_index=False
    )
    write_part(table, path, fingerprint(mark, _QUEUE_VERSION))
    return table


def disagreements(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of QUEUE for rows that are disputed, or whose label CLIP contradicts.

    `label_quality` is the self-confidence score and `is_issue` the verdict of confident learning,
    both from cleanlab: Northcutt et al. (2021), "Confident learning: estimating uncertainty in
    dataset labels".
    """
    found = label_scores(rows)
    contradicted = found["emotion_clip"].notna() & (found["emotion"] != found["emotion_clip"])
    found = found[contradicted | found["disputed"]]
    return (
        found.sort_values(["disputed", "label_quality", "id"], ascending=[False, True, True])
        .reindex(columns=QUEUE.names)
        .reset_index(drop=True)
    )


def label_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that a person or the source labelled, with `label_quality` and `is_issue`."""
    labelled = rows[rows["emotion_rule"].isin(["human", "source"])]
    labelled = labelled[labelled["emotion"].notna()]
    if labelled.empty:
        return labelled.assign(label_quality=np.zeros(0), is_issue=np.zeros(0, bool))
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    prob = np.stack(labelled["emotion_prob"].to_list()).astype(np.float64)
    prob = np.maximum(prob, 1e-6)  # cleanlab takes shares of it
    prob /= prob.sum(axis=1, keepdims=True)
    label = labelled["emotion"].map(label_set.emotions().index).to_numpy(dtype=int)
    issues = np.zeros(len(label), bool)  # of one emotion only: nothing to confuse it with
    if len(np.unique(label)) > 1:
        issues = find_label_issues(label, prob, n_jobs=1)
    return labelled.assign(label_quality=get_label_quality_scores(label, prob), is_issue=issues)


def chosen_rows(
    build: Path, *, pick: str = "queue", limit: int = 0, annotator: str = ""
) -> pd.DataFrame:
    """The rows to vote on, in order, with their claims.

    `pick`: queue = by expected value (queue.py); errors = labels that are likely wrong, worst
    first; unsure = CLIP's labels, least certain first; unlabelled = rows without a human or source
    label; all. With `annotator` only the open rows assigned to that person.
    """
    rows = claims_table(build)
    if annotator:
        rows = rows.set_index("id", drop=False)
        rows = rows.loc[[key for key in open_rows(build, annotator) if key in rows.index]]
    elif pick == "queue":
        rows = ranked(rows)
    elif pick == "errors":
        wanted = queue(build).column("id").to_pylist()
        rows = rows.set_index("id", drop=False).loc[wanted]
    elif pick in ("unsure", "unlabelled"):
        rows = rows[~rows["emotion_rule"].isin(["human", "source"])]
        if pick == "unsure":
            rows = rows.sort_values(["emotion_margin", "id"])
    elif pick != "all":
        raise Emo8Error(f"--pick {pick!r}: use {', '.join(PICKS)}")
    return rows.head(limit) if limit else rows


def write_sheet(
    build: Path, rows: pd.DataFrame, file: Path, *, yes_no: bool, blind: bool, annotator: str
) -> None:
    """Write a sheet of ours to fill in; with `yes_no` it proposes labels and asks for answers.

    A `blind` sheet says nothing that could sway a voter: no label, no claim, and no path either,
    whose folders may be labels; only an address, by which tools show the picture. An .xlsx shows
    the pictures itself.
    """
    if blind and yes_no:
        raise Emo8Error("--blind hides the labels that --yes-no asks about: use one of them")
    rows = rows.assign(emotion_now=rows["emotion"], rule_now=rows["emotion_rule"])
    names = ["id"] if blind else list(_SHEET)
    sheet = rows[names].copy()
    if rows["source_url"].notna().any():  # for tools that show a picture by its address
        place = len(names) if blind else _SHEET.index("style")
        sheet.insert(place, "image_url", rows["source_url"].fillna(""))
    sheet["annotator"] = annotator
    sheet["emotion"] = sheet["emotion_now"].fillna(sheet["emotion_clip"]) if yes_no else ""
    for column in _ANSWERS if yes_no else _ANSWERS[1:]:
        sheet[column] = ""
    if file.suffix != ".xlsx":
        _write(sheet, file)
        return
    places = [(int(part), int(row)) for part, row in zip(rows["part"], rows["row"])]
    small = small_pictures(build, places, _PICTURE_PX)
    columns = {str(name): sheet[name].fillna("").astype(str).tolist() for name in sheet}
    file.parent.mkdir(parents=True, exist_ok=True)
    choices = {} if yes_no else {"emotion": label_set.emotions()}
    workbook.write(file, columns, [small.get(place) for place in places], choices)


def write_votes_file(build: Path, file: Path) -> int:
    """Write the votes that count, under pseudonyms, as a file that can be imported again."""
    cast = votes.counted(votes.read_votes(build))
    if cast.empty:
        raise Emo8Error(f"{build} has no votes to export: import some with --import FILE")
    answer = cast["answer"].map({True: "yes", False: "no"}).fillna("")
    consent = cast["consent"].map({True: "yes", False: "no"}).fillna("")
    reject = cast["kind"].eq("reject").map({True: "yes", False: ""})
    time = cast["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    filled = cast.assign(
        answer=answer, consent=consent, reject=reject, time=time, style_vote=cast["style"]
    )
    _write(filled[[name for name in COLUMNS if name in filled]], file)
    return len(cast)


def _write(table: pd.DataFrame, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".parquet":
        table.to_parquet(file, index=False)
    elif file.suffix == ".csv":
        table.map(cell).to_csv(file, index=False)
    else:
        raise Emo8Error(f"{file}: use .csv or .parquet; .xlsx for a sheet with pictures")
