"""How the App looks: one fixed colour per emotion and style, what the grid shows, the sidebar."""

from __future__ import annotations

from typing import Any

from emo8.browse.fields import EMOTION_FIELDS, GROUPS
from emo8.core import label_set

# The App writes a label in white on its colour and draws the same colour as a dot on its dark map,
# so all colours have nearly one luminance: at least 4.5:1 against white and 3:1 against the map
# (WCAG 2.2, 1.4.3 and 1.4.11). Within that band they were searched for to differ as far as they
# can: 19 CIEDE2000 for normal eyes, 7 without red, green or blue cones. On pages of ours, where
# text stands beside its colour, `taxonomy.EMOTION_COLORS` differ by 20 for all eyes.
EMOTION_COLORS: dict[str, str] = {
    "amusement": "#966942",
    "anger": "#EA061B",
    "awe": "#0F7E96",
    "contentment": "#5D7B60",
    "disgust": "#787500",
    "excitement": "#DB00AB",
    "fear": "#876C78",
    "sadness": "#1E6CF3",
}
STYLE_COLORS: dict[str, str] = {
    "cartoon": "#E40F5D",
    "natural": "#5D785A",
    "realistic": "#9C3CFF",
    "science_fiction": "#0F7EA8",
    "advertising_cover": "#A26315",
}
LUMINANCE = 0.17  # of colours that are not in these tables
TEXT, MAP = "#FFFFFF", "#262626"  # of the App: letters on labels, the ground of its maps
_METADATA = ("size_bytes", "mime_type", "width", "height", "num_channels")
_NOT_LISTED = {"embedding", "mark", "key"}  # no use to a curator


def apply(dataset: Any) -> None:
    """Give the dataset our colours and sidebar; what the user set besides stays."""
    import fiftyone as fo

    emotions = [{"value": name, "color": color} for name, color in emotion_colors().items()]
    styles = [{"value": name, "color": color} for name, color in style_colors().items()]
    coloured = [(name, emotions) for name in (*EMOTION_FIELDS, *predicted(dataset))]
    coloured += [("style", styles), ("style_clip", styles)]
    dataset.app_config.color_scheme = fo.ColorScheme(
        color_by="value",
        color_pool=[
            *emotion_colors().values(),
            *style_colors().values(),
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


def emotion_colors() -> dict[str, str]:
    """The App's colour of every emotion of the label set in use."""
    ours = label_set.current().emotion_colors
    return {name: EMOTION_COLORS.get(name) or readable(color) for name, color in ours.items()}


def style_colors() -> dict[str, str]:
    """The App's colour of every style of the label set in use."""
    ours = label_set.current().style_colors
    return {name: STYLE_COLORS.get(name) or readable(color) for name, color in ours.items()}


def readable(color: str) -> str:
    """`color` mixed with black or white until letters on it and dots of it can be seen."""
    light = [_linear(int(color[i : i + 2], 16) / 255) for i in (1, 3, 5)]
    luminance = sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), light, strict=True))
    if luminance >= LUMINANCE:
        light = [v * LUMINANCE / luminance for v in light]
    else:
        white = (LUMINANCE - luminance) / (1 - luminance)
        light = [v + white * (1 - v) for v in light]
    return "#" + "".join(f"{round(_encoded(v) * 255):02X}" for v in light)


def _linear(value: float) -> float:
    """A channel of sRGB as light, both 0 to 1 (IEC 61966-2-1)."""
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _encoded(light: float) -> float:
    return light * 12.92 if light <= 0.0031308 else float(1.055 * light ** (1 / 2.4) - 0.055)
