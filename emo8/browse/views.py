"""Saved views of the interesting corners, and workspaces that show a map beside the grid.

Our views are written anew by every call, so that they fit the rows; other people's views stay.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emo8.browse import app_style, brain
from emo8.browse.rows import Rows
from emo8.core import label_set
from emo8.core.reasons import REASONS

NUM_UNSURE = 500  # rows in "least certain"
GAP_SHARE = 0.5  # a cell with less than this part of the mean cell is a gap
ASKED = "asked for"
WORKSPACE = "embedding map"
# What a person who votes is shown of a row: nobody's label, and no path, which may hold one.
BLIND_FIELDS = ("row_id", "assigned", "caption", "attribution", "license")
_GREY = "#777777"


@dataclass(frozen=True, kw_only=True)
class Corner:
    """One saved view."""

    name: str
    about: str
    view: Any
    color: str = _GREY


def save(dataset: Any, rows: Rows, chosen: pd.DataFrame) -> list[str]:
    """Save every view that has rows; their names come back, in the order shown."""
    corners = [*_claims(dataset), *_copies(dataset, chosen), *_rejected(dataset, chosen)]
    corners += [*_queues(dataset, rows, chosen), *_groups(dataset), *_gaps(dataset, chosen)]
    if len(chosen) < len(dataset):
        asked = dataset.match({"selected": True})
        corners.insert(0, Corner(name=ASKED, about="rows of the last call", view=asked))
    ours = dataset.info.get("views", [])
    for name in ours:
        if name in dataset.list_saved_views():
            dataset.delete_saved_view(name)
    kept = [corner for corner in corners if len(corner.view)]
    for corner in kept:
        dataset.save_view(
            corner.name, corner.view, description=corner.about, color=corner.color, overwrite=True
        )
    dataset.info["views"] = [corner.name for corner in kept]
    dataset.save()
    return list(dataset.info["views"])


def _claims(dataset: Any) -> list[Corner]:
    from fiftyone import ViewField as F  # its documented name

    kept = dataset.match(F("verdict") == "kept")
    unsure = kept.match(F("emotion_margin") >= 0).sort_by("emotion_margin").limit(NUM_UNSURE)
    return [
        Corner(
            name="least certain",
            about="smallest margin between CLIP's two most likely emotions first",
            view=unsure,
        ),
        Corner(
            name="claims disagree",
            about="the source says one emotion and CLIP another; surest contradiction first",
            view=kept.match(F("disagree")).sort_by("mistakenness", reverse=True),
        ),
        Corner(
            name="suspected label errors",
            about="labels of people or the source that cleanlab counts among the errors",
            view=kept.match(F("label_issue")).sort_by("label_quality"),
        ),
        Corner(
            name="leaks",
            about="copies of benchmark pictures, whether they left or were only named",
            view=dataset.match(F("leak_of") != None),  # noqa: E711  # an expression
        ),
    ]


def _copies(dataset: Any, chosen: pd.DataFrame) -> list[Corner]:
    from fiftyone import ViewField as F

    if not (chosen["cluster_rows"] > 1).any():
        return []
    several = dataset.match(F("cluster_rows") > 1)
    return [
        Corner(
            name="near-duplicate groups",
            about="one picture per cluster of copies; open it to see the others",
            view=several.group_by("cluster", order_by="verdict"),
        ),
        Corner(
            name="near duplicates side by side",
            about="all pictures of clusters of copies, cluster by cluster",
            view=several.sort_by([("cluster", 1), ("verdict", 1)]),
        ),
    ]


def _rejected(dataset: Any, chosen: pd.DataFrame) -> list[Corner]:
    from fiftyone import ViewField as F

    reasons = sorted(chosen["reason"].dropna().unique().tolist())
    found = [
        Corner(
            name="rejected",
            about="every row that left, by reason",
            view=dataset.match(F("verdict") == "rejected").sort_by("reason"),
            color="#D55E00",
        )
    ]
    for reason in reasons:
        view = dataset.match(F("reason") == reason).sort_by("reason_value")
        about = REASONS.get(reason, reason)
        found.append(Corner(name=f"rejected: {reason}", about=about, view=view, color="#D55E00"))
    return found


def _queues(dataset: Any, rows: Rows, chosen: pd.DataFrame) -> list[Corner]:
    """What to look at first: for everybody, and for each annotator."""
    from fiftyone import ViewField as F

    open_rows = dataset.match((F("verdict") == "kept") & (F("num_votes") == 0))
    found = [
        Corner(
            name="unreviewed queue",
            about="rows nobody voted on, highest expected value first",
            view=open_rows.sort_by("review_value", reverse=True),
            color="#009E73",
        )
    ]
    for name in sorted(set(itertools.chain.from_iterable(chosen["assigned"]))):
        own = dataset.match((F("verdict") == "kept") & F("assigned").contains([name]))
        view = own.sort_by("review_value", reverse=True).select_fields(BLIND_FIELDS)
        about = f"rows assigned to {name} and still open, labels hidden; tag emotion:NAME@{name}"
        found.append(Corner(name=f"queue of {name}", about=about, view=view, color="#009E73"))
    return found


def _groups(dataset: Any) -> list[Corner]:
    from fiftyone import ViewField as F

    kept = dataset.match(F("verdict") == "kept")
    styles = [
        Corner(
            name=f"style: {style}", about="kept rows", view=kept.match(F("style.label") == style)
        )
        for style in label_set.styles()
    ]
    emotions = [
        Corner(
            name=f"emotion: {emotion}",
            about="kept rows, whoever made the label",
            view=kept.match(F("emotion.label") == emotion),
            color=app_style.emotion_colors()[emotion],
        )
        for emotion in label_set.emotions()
    ]
    nobody = Corner(
        name="emotion: none",
        about="kept rows that nobody was sure about",
        view=kept.match(F("emotion") == None),  # noqa: E711
    )
    return [*styles, *emotions, nobody]


def _gaps(dataset: Any, chosen: pd.DataFrame) -> list[Corner]:
    """Cells of style x emotion with fewer rows than half the mean; empty ones are named."""
    from fiftyone import ViewField as F

    kept = chosen[chosen["kept"] & chosen["cell"].notna()]
    counts = kept["cell"].value_counts()
    every = [
        f"{style} / {emotion}" for style in label_set.styles() for emotion in label_set.emotions()
    ]
    limit = max(GAP_SHARE * len(kept) / len(every), 2)
    empty = [cell for cell in every if cell not in counts.index]
    view = dataset.match((F("verdict") == "kept") & (F("cell_rows") < limit)).sort_by("cell_rows")
    about = f"cells of style x emotion with fewer than {limit:.0f} rows, smallest first"
    if empty:
        about += f"; without any row: {', '.join(empty[:8])}" + (" …" if len(empty) > 8 else "")
    return [Corner(name="balance gaps", about=about, view=view)]


def save_workspace(dataset: Any, maps: list[str]) -> None:
    """A workspace with the grid on the left and the embedding maps on the right.

    Newer Apps open their list of maps and forget the state given here: pick map_pca, then a colour.
    """
    import fiftyone as fo

    if brain.MAP_PCA not in maps:
        return
    state = {"brainResult": brain.MAP_PCA, "colorByField": "emotion.label"}
    panels = [fo.Panel(type="Samples", pinned=True), fo.Panel(type="Embeddings", state=state)]
    halves = [fo.Space(children=[panel], active_child=panel.component_id) for panel in panels]
    space = fo.Space(children=halves, orientation="horizontal")
    dataset.save_workspace(WORKSPACE, space, description="grid and map", overwrite=True)
