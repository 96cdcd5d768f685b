"""How the App looks: one fixed colour per emotion and style, what the grid shows, the sidebar."""

from __future__ import annotations

from typing import Any

from emo8.browse.fields import EMOTION_FIELDS, GROUPS
from emo8.core import label_set

_METADATA = ("size_bytes", "mime_type", "width", "height", "num_channels")
_NOT_LISTED = {"embedding", "mark", "key"}  # no use to a curator


def apply(dataset: Any) -> None:
    """Give the dataset our colours and sidebar; what the user set besides stays."""
    import fiftyone as fo

    emotions = [
        {"value": name, "color": color}
        for name, color in label_set.current().emotion_colors.items()
    ]
    styles = [
        {"value": name, "color": color} for name, color in label_set.current().style_colors.items()
    ]
    coloured = [(name, emotions) for name in (*EMOTION_FIELDS, *predicted(dataset))]
    coloured += [("style", styles), ("style_clip", styles)]
    dataset.app_config.color_scheme = fo.ColorScheme(
        color_by="value",
        color_pool=[
            *label_set.current().emotion_colors.values(),
            *label_set.current().style_colors.values(),
        ],
        fields=[
            {"path": name, "colorByAttribute": "label", "valueColors": values}
            for name, values in coloured
        ],
    )
    groups = [fo.SidebarGroupDocument(name="tags", paths=["tags"])]
    for name, members in GROUPS.items():
        paths = [path for path in members if path not in _NOT_LISTED]
        if name == "labels":
            paths += predicted(dataset)
        closed = name in ("attributes", "bookkeeping")
        groups.append(fo.SidebarGroupDocument(name=name, paths=paths, expanded=not closed))
    metadata = ["id", "filepath", "created_at", "last_modified_at"]
    metadata += [f"metadata.{name}" for name in _METADATA]
    groups.append(fo.SidebarGroupDocument(name="file", paths=metadata, expanded=False))
    dataset.app_config.sidebar_groups = groups
    dataset.app_config.active_fields = fo.ActiveFields(paths=["emotion"])
    dataset.save()


def predicted(dataset: Any) -> list[str]:
    """The fields that hold models' predictions."""
    return list(dataset.info.get("predictions", []))
