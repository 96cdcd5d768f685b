"""EmoSet-118K as distributed: its split lists and its table of emotions, in both forms of each.

`<split>.json` holds rows [emotion, image, annotation] or [emotion, id, image, annotation];
`info.json` has `label2idx` at its top (inside the zip) or under `emotion` (the repository's file).
Names are the keys; the numbers are only checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emo8.core.errors import SourceError
from emo8.core.json_text import parse_json
from emo8.core.taxonomy import EMOTIONS

SPLITS = ("train", "val", "test")
LAYOUT = "ROOT/{info,train,val,test}.json, ROOT/image/<emotion>/*.jpg, ROOT/annotation/…"
MAX_JSON_BYTES = 512 << 20  # of one file: the largest released one has 10 MB


def read_split(root: Path, split: str) -> list[tuple[str, str, str]]:
    """(emotion, image, annotation) of a split's rows, in order; empty where its list is missing."""
    path = root / f"{split}.json"
    if not path.is_file():
        return []
    raw = read_json(path)
    if not isinstance(raw, list):
        raise SourceError(f"{path}: a list of rows is expected, found a {type(raw).__name__}.")
    found = []
    for place, row in enumerate(raw):
        if not isinstance(row, list) or len(row) not in (3, 4):
            raise SourceError(
                f"{path}, row {place}: 3 columns [emotion, image, annotation] or 4 [emotion, id, "
                f"image, annotation] are expected, found {row!r}."
            )
        found.append((str(row[0]).strip(), str(row[-2]), str(row[-1])))
    return found


def emotion_numbers(root: Path) -> dict[str, int] | None:
    """The numbers that `info.json` gives the emotions; None where the file is missing."""
    path = root / "info.json"
    if not path.is_file():
        return None
    info = read_json(path)
    table = info.get("emotion", info) if isinstance(info, dict) else {}
    order = table.get("label2idx") if isinstance(table, dict) else None
    if not isinstance(order, dict):
        raise SourceError(
            f"{path}: no label2idx, neither at the top (old form) nor under emotion (new form)."
        )
    unknown = sorted(set(order) - set(EMOTIONS))
    if unknown:
        raise SourceError(f"{path}: label2idx names {', '.join(unknown)}, no emotion of EmoSet.")
    if sorted(map(str, order.values())) != [str(i) for i in range(len(order))]:
        raise SourceError(f"{path}: label2idx does not number its labels 0 to {len(order) - 1}.")
    return {name: int(number) for name, number in order.items()}


def read_json(path: Path) -> Any:
    """The content of one of the files; SourceError where it is none."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise SourceError(f"{path}: over {MAX_JSON_BYTES >> 20} MB, no list of EmoSet.")
        return parse_json(path.read_text("utf-8-sig"))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error}.") from error
    except SourceError:
        raise
    except ValueError as error:
        raise SourceError(f"{path} is not JSON: {error}.") from error
