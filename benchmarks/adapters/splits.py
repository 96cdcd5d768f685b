"""Splits where a dataset has no official one: a rule with a stated seed, and lists as CSV files.

UniEmoX's script cuts without a seed, or depends on the order in which a file system lists names,
so its splits cannot be rebuilt. Here names are sorted first and the seed is part of the result;
`emo8-bench check NAME PATH --write-split LIST.csv` writes the list that was used, with hashes, and
`emo8-bench run --split-list LIST.csv` reads it, or anybody's list of `file,split`.
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.adapters.base import LabelledRows, split_name
from emo8.core.errors import SourceError
from emo8.core.taxonomy import SPLITS


def by_rule(
    names: Sequence[str], strata: Sequence[str], train: float, val: float, seed: int
) -> list[str]:
    """train, val or test for each name: per stratum, `int()` of the shares, the rest to test.

    UniEmoX's rule for HECO, FI and UnbiasedEmotion. Equal names (several people in one picture)
    go to one side together; their first stratum decides.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for name, stratum in sorted(set_of_first(names, strata).items()):
        members[stratum].append(name)
    side: dict[str, str] = {}
    for stratum in sorted(members):
        mine = members[stratum]
        random.Random(f"{seed}:{stratum}").shuffle(mine)
        first, second = int(len(mine) * train), int(len(mine) * train) + int(len(mine) * val)
        for place, name in enumerate(mine):
            side[name] = "train" if place < first else "val" if place < second else "test"
    return [side[name] for name in names]


def emotion6(names: Sequence[str], strata: Sequence[str], seed: int) -> list[str]:
    """UniEmoX's rule for Emotion6: scikit-learn's `train_test_split` twice per class, 70/10/20.

    Its own seed is 42, which `seed` 0 stands for here; names are sorted first.
    """
    from sklearn.model_selection import train_test_split

    side: dict[str, str] = {}
    for stratum in sorted(set(strata)):
        mine = sorted(n for n, s in zip(names, strata, strict=True) if s == stratum)
        if len(mine) < 10:  # too few for two cuts
            side |= dict.fromkeys(mine, "train")
            continue
        train, rest = train_test_split(mine, train_size=0.7, random_state=42 + seed)
        val, test = train_test_split(rest, train_size=1 / 3, random_state=42 + seed)
        side |= dict.fromkeys(train, "train") | dict.fromkeys(val, "val")
        side |= dict.fromkeys(test, "test")
    return [side[name] for name in names]


def set_of_first(names: Sequence[str], strata: Sequence[str]) -> dict[str, str]:
    """{name: its first stratum}."""
    found: dict[str, str] = {}
    for name, stratum in zip(names, strata, strict=True):
        found.setdefault(name, stratum)
    return found


def write_list(rows: LabelledRows, out: Path) -> int:
    """Number of lines written: file, split, SHA-256 of the bytes, sorted by file."""
    files = rows.require("file", "--write-split: column")
    lines: dict[str, tuple[str, str]] = {}
    for row, (file, split) in enumerate(zip(files, rows.split, strict=True)):
        if file is not None and file not in lines:
            data = rows.images([row])[0]
            lines[file] = (split or "", hashlib.sha256(data or b"").hexdigest())
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "split", "sha256"])
        writer.writerows([file, *rest] for file, rest in sorted(lines.items()))
    return len(lines)


def apply_list(rows: LabelledRows, path: Path) -> LabelledRows:
    """The rows with the split of a CSV with the columns file and split; others have none."""
    files = rows.require("file", "--split-list: column")
    side = _read_list(path)
    known = {file for file in files if file in side}
    if not known:
        raise SourceError(
            f"--split-list {path} names none of the files of {rows.origin}; its first is "
            f"{next(iter(side), 'none')!r}, the dataset's first {files[0] if files else 'none'!r}."
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    note = f"split by the list {path.name} (sha256 {digest}…): {len(known)} files"
    if len(side) > len(known):
        note += f", {len(side) - len(known)} of its lines are not in the dataset"
    if unnamed := len({file for file in files if file not in side}):
        note += f", {unnamed} files of the dataset are not in it and are in no split"
    split = [side.get(file) if file else None for file in files]
    return replace(rows, split=split, notes=(*rows.notes, note))


def _read_list(path: Path) -> dict[str, str | None]:
    """{file: split} of a list; SourceError for what is no split, and for a file in two of them."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = [(line["file"], split_name(line["split"])) for line in csv.DictReader(stream)]
    except OSError as error:
        raise SourceError(f"--split-list {path} cannot be read: {error.strerror}.") from error
    except (KeyError, UnicodeDecodeError) as error:
        raise SourceError(
            f"--split-list {path}: a CSV with the columns file and split is needed ({error!r})."
        ) from error
    side: dict[str, str | None] = {}
    for place, (file, split) in enumerate(lines, start=2):
        where = f"--split-list {path}, line {place}: {file}"
        if split not in (*SPLITS, "", None):
            raise SourceError(f"{where} is in {split!r}; known: {', '.join(SPLITS)}, or nothing.")
        if side.setdefault(file, split) != split:
            raise SourceError(f"{where} is in {split!r}, and in {side[file]!r} on a line before.")
    return side
