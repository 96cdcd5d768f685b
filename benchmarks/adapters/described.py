"""Datasets that ten lines of TOML describe; strict, an unknown key is an error.

name = "artphoto"
title = "…"
get = "…"                  # how a person gets it
license = "…"
layout = "…"               # what --path must point at
form = "prefix"            # folders | prefix | csv | parquet | hub
root = "testImages_artphoto"   # below --path; names may differ in case
separator = "_"            # prefix: <label>_<n>.jpg
labels = { sad = "sadness" }   # names on disk -> names in results
[columns]                  # csv, parquet, hub: which column is what
image = "Image"
emotion = "Category"       # or votes = ["Amusement", …], or scales = ["valence", …]
[expected.all]             # counts that `check` compares with; mark = H, M, L or U
mark = "H"
all = 806
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.adapters import files, splits, tree
from benchmarks.adapters.base import Benchmark, Box, LabelledRows, Numbers, split_name
from emo8.core.errors import SourceError
from emo8.core.inside import files_below
from emo8.core.suggest import suggest

FORMS = ("folders", "prefix", "csv", "parquet", "hub")
COLUMNS = ("image", "emotion", "split", "votes", "scales", "box")


@dataclass(frozen=True, kw_only=True)
class Description:
    """One TOML file."""

    name: str
    title: str
    get: str
    license: str
    layout: str
    form: str
    root: str = ""  # below --path; for hub the id; for parquet a file
    file: str = ""  # csv: the label file below --path
    separator: str = "_"
    classes: tuple[str, ...] = ()  # names of folders called 0, 1, 2, …, or of numbered labels
    labels: dict[str, str] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    split: tuple[float, float] = (0.0, 0.0)  # shares of train and val by the seed; 0 = none
    expected: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def info(self) -> Benchmark:
        tasks: tuple[str, ...] = () if "votes" in self.columns else ("single", "polarity")
        if "votes" in self.columns:
            tasks = ("dominant", "distribution")
        if "scales" in self.columns:
            tasks = (*tasks, "regression")
        train, val = self.split
        rule = f"convention {train:.0%}/{val:.0%}/rest per label, names sorted, seed"
        return Benchmark(
            name=self.name, title=self.title, get=self.get, license=self.license,
            layout=self.layout, tasks=tasks, notes=self.notes,
            split=rule if train else "its own where folders or a column give one, else folds",
        )  # fmt: skip


def load(path: Path) -> Description:
    """The description in a TOML file; SourceError that names key and file where it is wrong."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not TOML: {error}.") from error
    known = {f.name for f in fields(Description)}
    for key in raw:
        if key not in known:
            raise SourceError(f"{path}: unknown key {key!r}; {suggest(key, known)}")
    for key in ("classes", "split", "notes"):
        if key in raw:
            raw[key] = tuple(raw[key])
    try:
        found = Description(**raw)
    except TypeError as error:
        raise SourceError(
            f"{path}: name, title, get, license, layout and form are needed ({error})."
        ) from error
    if found.form not in FORMS:
        raise SourceError(f"{path}: form = {found.form!r}; choose one of {', '.join(FORMS)}.")
    odd = sorted(set(found.columns) - set(COLUMNS))
    if odd:
        raise SourceError(f"{path}: columns.{odd[0]} is unknown; known: {', '.join(COLUMNS)}.")
    return found


def read(path: Path, d: Description, *, seed: int = 0) -> LabelledRows:
    """The rows of the described dataset at `path`, labels renamed, split as described."""
    if d.form == "hub":
        from benchmarks.adapters import hub
        from emo8.dataset.open import find

        if not any(file.suffix == ".parquet" for file in files_below(path)):
            raise SourceError(
                f"{path}: no parquet files. {d.layout}. How to get it: {d.get}. From the Hub: "
                f"--data {d.root} --emotion-column {d.columns.get('emotion', 'emotion')}."
            )
        return _renamed(hub.read(find(str(path)), name=d.name, **_columns(d)), d)
    root = _below(path, d.root)
    if d.form == "parquet":
        from benchmarks.adapters import parquet

        return _renamed(parquet.read(root, name=d.name, **_columns(d)), d)
    if d.form == "csv":
        rows = _from_csv(path, root, d)
    elif d.form == "folders":
        rows = tree.read(root, name=d.name)
        names = [c or "" for c in rows.column("file")]
        rows = replace(rows, emotion=_numbered(rows.emotion, d), rule=["human"] * len(names))
    else:
        rows = _from_prefixes(root, d)
    return _split(_renamed(rows, d), d, seed)


def _columns(d: Description) -> dict[str, str]:
    return {k: str(v) for k, v in d.columns.items() if k in ("image", "emotion")}


def _below(path: Path, name: str) -> Path:
    """`name` below `path` whatever its case; `path` itself where that is already the folder."""
    if not name or path.name.lower() == name.lower():
        return path
    if (path / name).exists():
        return path / name
    for child in sorted(path.iterdir()) if path.is_dir() else ():
        if child.name.lower() == name.lower():
            return child
    raise SourceError(f"{path / name} is missing (looked for it in {path}).")


def _from_prefixes(root: Path, d: Description) -> LabelledRows:
    names = files.pictures(root, root)
    labels = [Path(name).stem.rpartition(d.separator)[0] or None for name in names]
    if len({label for label in labels if label}) < 2:
        raise SourceError(f"{root}: no pictures called <label>{d.separator}<n>. {d.layout}.")
    return files.rows_of(d.name, root, names, labels)


def _from_csv(path: Path, root: Path, d: Description) -> LabelledRows:
    columns = d.columns
    image = str(columns["image"]) if "image" in columns else None  # None = the first column
    votes, scales = list(columns.get("votes", ())), list(columns.get("scales", ()))
    single = [str(columns[key]) for key in ("emotion", "split") if key in columns]
    box = [str(name) for name in columns.get("box", ())]
    table = _below(path, d.file)
    lines = files.read_csv(table, [*([image] if image else ()), *votes, *scales, *single, *box])
    names = [_file(line[image] if image else next(iter(line.values()))) for line in lines]
    emotion: list[str | None] = [None] * len(lines)
    if "emotion" in columns:
        emotion = _numbered([line[str(columns["emotion"])] or None for line in lines], d)
    split = None
    if "split" in columns:
        split = [split_name(line[str(columns["split"])]) or None for line in lines]
    numbers = {
        kind: np.array(
            [
                [files.number(line[c], f"{table}, line {place}") for c in wanted]
                for place, line in enumerate(lines, start=2)
            ]
        ).reshape(len(lines), len(wanted))
        for kind, wanted in (("votes", votes), ("scales", scales), ("box", box))
        if wanted
    }
    more: dict[str, Any] = {}
    if votes:
        total = numbers["votes"].sum(axis=1, keepdims=True)
        shares = np.divide(
            numbers["votes"], total, out=np.full_like(numbers["votes"], np.nan), where=total > 0
        )
        named = tuple(_name(label, d) for label in votes)
        more |= {"shares": Numbers(names=named, values=shares), "task": "dominant"}
        if _are_counts(numbers["votes"]):
            more["votes"] = Numbers(names=named, values=numbers["votes"])
    if scales:
        named = tuple(s.lower().removesuffix("_mean") for s in scales)
        more["scales"] = Numbers(names=named, values=numbers["scales"])
        if not votes and "emotion" not in columns:
            more["task"] = "regression"
    if box:
        more["boxes"] = [_box(row) for row in numbers["box"]]
    return files.rows_of(d.name, root, names, emotion, split=split, **more)


def _are_counts(votes: np.ndarray) -> bool:
    """Whether numbers are of people rather than shares: whole, and somewhere more than one."""
    known = votes[np.isfinite(votes)]
    return bool(len(known) and (known == known.round()).all() and known.sum() > len(votes))


def _file(cell: str) -> str:
    """The picture a cell names: forward slashes, below the root, .jpg where it says no suffix."""
    name = cell.strip('"').replace("\\", "/").lstrip("/")
    return name if Path(name).suffix else f"{name}.jpg"


def _box(row: np.ndarray) -> Box | None:
    if not np.isfinite(row).all():
        return None
    left, top, right, bottom = (float(v) for v in row)
    return left, top, right, bottom


def _numbered(labels: Sequence[str | None], d: Description) -> list[str | None]:
    """Names in place of the numbers 0, 1, 2, … where the description lists `classes`."""
    if not d.classes:
        return list(labels)
    found: list[str | None] = []
    for label in labels:
        if label is None or not label.strip().isdigit():
            found.append(label)
        elif int(label) < len(d.classes):
            found.append(d.classes[int(label)])
        else:
            raise SourceError(
                f"{d.name}: label {label} on disk, but `classes` names only {len(d.classes)}."
            )
    return found


def _name(label: str, d: Description) -> str:
    from benchmarks.adapters.base import emotion_names

    lower = {key.strip().lower(): value for key, value in d.labels.items()}
    (name,), _ = emotion_names([lower.get(label.strip().lower(), label)])
    return name or label


def _renamed(rows: LabelledRows, d: Description) -> LabelledRows:
    if not d.labels:
        return rows
    return replace(rows, emotion=[None if e is None else _name(e, d) for e in rows.emotion])


def _split(rows: LabelledRows, d: Description, seed: int) -> LabelledRows:
    train, val = d.split
    if not train or any(s in ("train", "test") for s in rows.split):
        return rows
    names = [str(name) for name in rows.column("file")]
    strata = [str(e) for e in rows.emotion]
    note = f"split: {d.info.split.removeprefix('convention ')} {seed}"
    return replace(
        rows,
        split=list(splits.by_rule(names, strata, train, val, seed)),
        notes=(*rows.notes, note),
    )
