"""EMOTIC: 26 labels and valence, arousal, dominance per person; official split.

Three forms circulate: the annotation file for MATLAB, the CSV that the common converter writes,
and the array release of a notebook site. Fields of the first are read by position, which differ
between train and val/test; columns of the others by name. `.mat` files are somebody else's: their
size is capped, and what is not of the expected shape is an error that names the place.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.adapters import files
from benchmarks.adapters.base import Benchmark, Box, LabelledRows, Numbers
from emo8.core.errors import SourceError

INFO = Benchmark(
    name="emotic",
    title="EMOTIC: 23,571 pictures, 34,320 people, 26 labels, valence, arousal, dominance",
    get="by the access form of the project page",
    license="non-commercial research and education",
    layout=(
        "ROOT/Annotations/Annotations.mat and ROOT/emotic/{ade20k,emodb_small,framesdb,mscoco}, "
        "or the converter's ROOT/{train,val,test}.csv, or ROOT/annots_arrs/*.csv with ROOT/img_arrs"
    ),
    tasks=("multi_label", "regression"),
    split="official train, val, test",
    notes=("person counts differ between implementations: those without VAD are dropped",),
)
LABELS = tuple(
    "Affection Anger Annoyance Anticipation Aversion Confidence Disapproval Disconnection "
    "Disquietment Doubt/Confusion Embarrassment Engagement Esteem Excitement Fatigue Fear "
    "Happiness Pain Peace Pleasure Sadness Sensitivity Suffering Surprise Sympathy Yearning".split()
)
SCALES = ("valence", "arousal", "dominance")
SPLITS = ("train", "val", "test")
MAX_MAT_BYTES = 256 * 1024 * 1024  # the released file is under 10 MB
_BY_LOWER = {name.lower(): name for name in LABELS}


@dataclass(frozen=True, kw_only=True)
class Person:
    """One annotated person, whatever the form."""

    file: str
    split: str
    labels: tuple[str, ...]
    scales: tuple[float, float, float]
    box: Box | None
    gender: str | None
    age: str | None
    size: tuple[float, float] | None = None  # of the picture: width, height


def read(root: Path) -> LabelledRows:
    """One row per person; without complete valence, arousal, dominance and box, none."""
    every = list(_people(root))
    rated = [p for p in every if np.isfinite(p.scales).all()]
    people = [p for p in rated if _lies_in_picture(p)]
    if not people:
        raise SourceError(
            f"{root}: no annotated person with valence, arousal, dominance and a box."
        )
    notes = [
        *_lost("people without complete VAD dropped", every, rated),
        *_lost("people whose box has no area or lies outside the picture dropped", rated, people),
    ]
    return files.rows_of(
        INFO.name, root, [p.file for p in people], [None] * len(people),
        split=[p.split for p in people], notes=notes, task="multi_label",
        several=[p.labels for p in people], several_names=LABELS,
        scales=Numbers(names=SCALES, values=np.array([p.scales for p in people])),
        boxes=[p.box for p in people],
        columns={"gender": [p.gender for p in people], "age": [p.age for p in people]},
    )  # fmt: skip


def _lies_in_picture(person: Person) -> bool:
    """Whether a box has an area inside the picture, as far as the picture's size is known."""
    if person.box is None:
        return False
    left, top, right, bottom = person.box
    width, height = person.size or (np.inf, np.inf)
    return min(right, width) > max(left, 0.0) and min(bottom, height) > max(top, 0.0)


def _lost(what: str, before: Sequence[Person], after: Sequence[Person]) -> list[str]:
    lost = Counter(p.split for p in before) - Counter(p.split for p in after)
    named = ", ".join(f"{count} of {split}" for split, count in sorted(lost.items()))
    return [f"{what}: {named}"] if lost else []


def _people(root: Path) -> Iterator[Person]:
    mats = [root / "Annotations" / "Annotations.mat", root / "Annotations.mat"]
    for path in mats:
        if path.is_file():
            return _from_mat(path, root)
    if (root / "annots_arrs").is_dir():
        return _from_arrays(root)
    if any((root / f"{split}.csv").is_file() for split in SPLITS):
        return _from_csv(root)
    raise SourceError(f"{root}: no annotations of EMOTIC found. Expected {INFO.layout}.")


def label(text: str, where: str) -> str:
    """The name among the 26 that `text` spells; SourceError else."""
    name = _BY_LOWER.get(text.strip().lower())
    if name is None:
        raise SourceError(f"{where}: {text!r} is none of the 26 labels of EMOTIC.")
    return name


# The MATLAB form -------------------------------------------------------------------------------


def _from_mat(path: Path, root: Path) -> Iterator[Person]:
    import scipy.io

    if path.stat().st_size > MAX_MAT_BYTES:
        raise SourceError(
            f"{path}: {path.stat().st_size >> 20} MB, over the cap of {MAX_MAT_BYTES >> 20} MB; "
            "the released annotations are far smaller."
        )
    try:
        mat = scipy.io.loadmat(path, variable_names=SPLITS)
    except Exception as error:  # scipy's reader raises nearly anything on a damaged file
        raise SourceError(f"{path} cannot be read as a MATLAB file: {error}") from error
    missing = [split for split in SPLITS if split not in mat]
    if missing:
        raise SourceError(f"{path} has no variable {', '.join(missing)}.")
    top = root / "emotic" if (root / "emotic").is_dir() else root
    prefix = "" if top == root else "emotic/"
    for split in SPLITS:
        for number, image in enumerate(np.asarray(mat[split]).ravel()):
            where = f"{path}, {split} image {number}"
            try:
                yield from _mat_image(image, split, prefix, where)
            except (IndexError, TypeError, ValueError) as error:
                if isinstance(error, SourceError):
                    raise
                raise SourceError(f"{where} has not the documented fields: {error!r}") from error


def _mat_image(image: Any, split: str, prefix: str, where: str) -> Iterator[Person]:
    file, folder = _text(image[0]), _text(image[1])
    size = _size(image[2])
    combined = 0 if split == "train" else 1  # val and test have combined fields after the single
    for person in np.asarray(image[4]).ravel():
        corners = np.asarray(person[0], dtype=np.float64).ravel()
        labels = [_text(cell) for cell in _cells(person[1 + combined])]
        scales = _scales(person[2 if split == "train" else 4])
        gender = person[3 if split == "train" else 5]
        age = person[4 if split == "train" else 6]
        yield Person(
            file=f"{prefix}{folder}/{file}",
            split=split,
            labels=tuple(dict.fromkeys(label(name, where) for name in labels)),
            scales=scales,
            box=_box(corners),
            gender=_text(gender) or None,
            age=_text(age) or None,
            size=size,
        )


def _size(cell: Any) -> tuple[float, float] | None:
    """Columns and rows of the picture, from a struct with those fields; None for anything else."""
    found = np.asarray(cell)
    while found.dtype == object and found.size == 1:
        found = np.asarray(found.ravel()[0])
    if not found.dtype.names or not found.size or len(found.dtype.names) < 2:
        return None
    record = found.ravel()[0]
    columns, rows = (np.asarray(record[i], dtype=np.float64).ravel() for i in (0, 1))
    return (float(columns[0]), float(rows[0])) if columns.size and rows.size else None


def _text(cell: Any) -> str:
    """The text in a cell however deep MATLAB has boxed it."""
    found = np.asarray(cell)
    while found.dtype == object or found.dtype.names:
        if not found.size:
            return ""
        found = np.asarray(found.ravel()[0][0] if found.dtype.names else found.ravel()[0])
    return str(found.ravel()[0]) if found.size else ""


def _cells(cell: Any) -> list[Any]:
    """The entries of a cell array of texts, boxed once more in some files."""
    found = np.asarray(cell)
    while found.dtype.names:
        found = np.asarray(found.ravel()[0][0]) if found.size else np.zeros(0, dtype=object)
    while found.size == 1 and found.dtype == object:
        inner = np.asarray(found.ravel()[0])
        if inner.dtype.names:
            inner = np.asarray(inner.ravel()[0][0])
        if inner.dtype != object:
            break
        found = inner
    return list(found.ravel())


def _scales(cell: Any) -> tuple[float, float, float]:
    """Valence, arousal, dominance from a struct with those fields, or three numbers."""
    found = np.asarray(cell)
    while found.dtype == object and found.size == 1:
        found = np.asarray(found.ravel()[0])
    if found.dtype.names:
        record = found.ravel()[0] if found.size else [np.zeros(0)] * 3
        values = [np.asarray(part, dtype=np.float64).ravel() for part in record]
        numbers = [float(v[0]) if v.size else float("nan") for v in values]
    else:
        numbers = [float(v) for v in np.asarray(found, dtype=np.float64).ravel()]
    if len(numbers) < 3:
        numbers += [float("nan")] * (3 - len(numbers))
    return numbers[0], numbers[1], numbers[2]


def _box(corners: Sequence[float] | np.ndarray) -> Box | None:
    values = [float(v) for v in corners]
    if len(values) != 4 or not np.isfinite(values).all():
        return None
    return values[0], values[1], values[2], values[3]


# The converter's CSV ---------------------------------------------------------------------------


def _from_csv(root: Path) -> Iterator[Person]:
    needed = ("Folder", "Filename", "BBox", "Categorical_Labels", "Continuous_Labels")
    prefix = "emotic/" if (root / "emotic").is_dir() else ""
    for split in SPLITS:
        path = root / f"{split}.csv"
        if not path.is_file():
            continue
        for place, line in enumerate(files.read_csv(path, needed), start=2):
            where = f"{path}, line {place}"
            names = _literal(line["Categorical_Labels"], where)
            yield Person(
                file=f"{prefix}{line['Folder']}/{line['Filename']}",
                split=split,
                labels=tuple(dict.fromkeys(label(str(name), where) for name in names)),
                scales=_three(_literal(line["Continuous_Labels"], where), where),
                box=_box(_literal(line["BBox"], where)),
                gender=line.get("Gender") or None,
                age=line.get("Age") or None,
                size=_pair(line.get("Image Size"), where),
            )


def _pair(text: str | None, where: str) -> tuple[float, float] | None:
    """Width and height as the converter writes them; None where the column is missing."""
    if not text:
        return None
    numbers = [files.number(str(value), where) for value in _literal(text, where)]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def _literal(text: str, where: str) -> list[Any]:
    """A list written as Python text; never evaluated."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise SourceError(f"{where}: {text[:60]!r} is not a list.") from error
    return list(found) if isinstance(found, list | tuple) else [found]


def _three(values: Sequence[Any], where: str) -> tuple[float, float, float]:
    numbers = [files.number(str(value), where) for value in values]
    numbers += [float("nan")] * (3 - len(numbers))
    return numbers[0], numbers[1], numbers[2]


# The array release -----------------------------------------------------------------------------


def _from_arrays(root: Path) -> Iterator[Person]:
    corners = ("X_min", "Y_min", "X_max", "Y_max")
    parts = [(f"annot_arrs_{split}.csv", split) for split in SPLITS]
    for name, split in [*parts, ("annot_arrs_extra_train.csv", "train")]:
        path = root / "annots_arrs" / name
        if not path.is_file():
            continue
        for place, line in enumerate(files.read_csv(path, ("Arr_name", *corners)), start=2):
            where = f"{path}, line {place}"
            by_lower = {key.lower(): value for key, value in line.items()}
            held = [n for n in LABELS if files.number(by_lower.get(n.lower()), where) > 0.5]
            numbers = [files.number(by_lower.get(scale), where) for scale in SCALES]
            yield Person(
                file=f"img_arrs/{line['Arr_name']}",
                split=split,
                labels=tuple(held),
                scales=(numbers[0], numbers[1], numbers[2]),
                box=_box([files.number(line[c], where) for c in corners]),
                gender=line.get("Gender") or None,
                age=line.get("Age") or None,
            )
