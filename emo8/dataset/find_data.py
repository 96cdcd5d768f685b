"""Which form DATA has, and where its files lie: found, and not read yet.

| form | what it is |
|---|---|
| `parquet` | a BUILD, a dataset folder of parquet shards, or one parquet file |
| `saved` | a folder of `save_to_disk` |
| `pictures` | a folder per label, with or without split folders above |
| `loader` | a Hub id, or a folder of another form that `load_dataset` reads |
| `registered` | `NAME:PATH` of a benchmark whose layout an installed package knows |
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from emo8.core import inside, networks
from emo8.core.errors import SourceError
from emo8.core.formats import SUFFIXES
from emo8.core.json_text import parse_json
from emo8.core.suggest import suggest
from emo8.core.taxonomy import SPLITS, UNLABELLED, split_name

ALL = "all"  # the split of rows that none is named for
READERS = "emo8.data"  # entry points: objects with `names()` and `read_registered(name, path)`
_BUILD = ("dataset", "resolved.json")
_DICT, _STATE = "dataset_dict.json", "state.json"
_TABLES = (".parquet", ".arrow")


@dataclass(frozen=True, kw_only=True)
class FoundData:
    """A dataset that was found and not read yet."""

    form: str
    where: str  # its file, folder or Hub id
    name: str  # what results and pages call it: never a whole path
    splits: Mapping[str, str] = field(default_factory=dict)  # our name -> the dataset's own
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)  # parquet, pictures: by ours
    revision: str = ""  # of a Hub id


def short_name(data: str) -> str:
    """What a dataset is called: its Hub id, or the last part of its path that says something."""
    path = Path(data)
    if not path.exists():
        return data.partition(":")[0]
    parts = [part for part in path.resolve().parts if part not in ("dataset", "data")]
    return Path(parts[-1]).stem if path.is_file() else parts[-1]


def find(data: str, *, revision: str = "") -> FoundData:
    """Which form DATA has and where its files lie; SourceError when there is nothing to read."""
    path = Path(data)
    name = short_name(data)
    if all((path / part).exists() for part in _BUILD):
        path = path / "dataset"
    if path.is_file():
        if path.suffix != ".parquet":
            raise SourceError(f"{data}: of single files only .parquet can be read")
        return _of_files("parquet", str(path), name, {ALL: [str(path)]})
    if path.is_dir():
        return _find_folder(path, name)
    benchmark, colon, _ = data.partition(":")
    if colon and benchmark in registered():
        return FoundData(form="registered", where=data, name=benchmark, splits={ALL: ALL})
    if data.count("/") != 1 or data.startswith((".", "/", "~")):
        raise SourceError(
            f"{data}: no such file or folder, no Hub id (user/name) and no NAME:PATH of a "
            f"registered benchmark; {suggest(benchmark, sorted(registered()))}"
        )
    return _ask_loader(data, name, revision)


def registered() -> dict[str, Any]:
    """Names of benchmarks whose folders an installed package can read, and their readers."""
    readers = [point.load() for point in entry_points(group=READERS)]
    return {name: reader for reader in readers for name in reader.names()}


def _of_files(form: str, where: str, name: str, files: Mapping[str, Sequence[str]]) -> FoundData:
    """Files by split, under our names for splits; files of two spellings of one go together."""
    ours: dict[str, list[str]] = {}
    for split, part in files.items():
        ours.setdefault(split_name(split), []).extend(part)
    splits = {split: split for split in ours}
    return FoundData(form=form, where=where, name=name, splits=splits, files=ours)


def _find_folder(path: Path, name: str) -> FoundData:
    if (path / _DICT).is_file() or (path / _STATE).is_file():
        return FoundData(form="saved", where=str(path), name=name, splits=_saved_splits(path))
    if any(file.suffix in _TABLES for file in inside.files_below(path)):
        return _ask_loader(str(path), name, "")
    files: dict[str, list[str]] = {}
    for file in pictures_below(path):
        files.setdefault(folder_split(file.relative_to(path)), []).append(str(file))
    if not files:
        raise SourceError(f"{path} holds no pictures and no parquet files")
    return _of_files("pictures", str(path), name, files)


def _saved_splits(path: Path) -> dict[str, str]:
    try:
        if (path / _DICT).is_file():
            names = parse_json((path / _DICT).read_text("utf-8"))["splits"]
            for name in names:
                _saved_split(inside.find(name, path))
        else:
            names = [_saved_split(path)]
    except inside.OutsideError as error:
        raise _foreign(str(path), error) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{path} is no folder of save_to_disk: {error}") from error
    return _our_names(names)


def _saved_split(folder: Path) -> str:
    """The name of a saved split, whose files all lie in its folder."""
    state = parse_json(inside.read_plain(folder / _STATE))
    for file in [*state["_data_files"], *(state.get("_indices_data_files") or ())]:
        inside.find_plain(file["filename"], folder)
    return state.get("_split") or ALL


def _foreign(data: str, error: inside.OutsideError) -> SourceError:
    return SourceError(
        f"{data} names a file that is not its own, or no plain file: {error}. Copy the file into "
        "the dataset and name it there"
    )


def _our_names(names: Sequence[str]) -> dict[str, str]:
    """Our name for each split -> its own; a second spelling of one split keeps its own name."""
    ours: dict[str, str] = {}
    for name in map(str, names):
        ours[name if split_name(name) in ours else split_name(name)] = name
    return ours


def _ask_loader(where: str, name: str, revision: str) -> FoundData:
    """What `datasets` finds: its parquet files by split, or the form that it alone can read.

    A folder's files are named one by one: `datasets` caches a folder by its card alone, and would
    go on giving the rows of before when the folder is built again under the same card.
    """
    import datasets

    try:
        with networks.hub_or_cache(where) as online:
            builder = datasets.load_dataset_builder(where, revision=revision or None)
    except Exception as error:  # clients raise anything from OSError to their own kinds
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if not online:
            cause = "it is not in the cache, and the Hub cannot be reached from here"
        raise SourceError(f"{where}: neither a dataset folder nor a Hub id: {cause}") from error
    files = {str(split): list(part) for split, part in (builder.config.data_files or {}).items()}
    names = [str(file) for part in files.values() for file in part]
    try:
        inside.check_own_files(where, names)
    except inside.OutsideError as error:
        raise _foreign(where, error) from error
    if Path(where).is_dir() and names and all(file.endswith(".parquet") for file in names):
        if list(files) == ["train"] and not _say_train(files["train"], where):
            files = {ALL: files["train"]}
        return _of_files("parquet", where, name, files)
    splits = _our_names(list(files) or list(builder.info.splits or ["train"]))
    return FoundData(form="loader", where=where, name=name, splits=splits, revision=revision)


def _say_train(files: Sequence[str], root: str) -> bool:
    """Whether a file or folder is called "train"; `datasets` says so of files of any name."""
    return any("train" in os.path.relpath(file, root).lower() for file in files)


def pictures_below(root: Path) -> list[Path]:
    """Files with a picture's name below a folder, hidden ones left out, sorted."""
    return sorted(
        path
        for path in inside.files_below(root)
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def folder_split(path: Path) -> str:
    """The split that a folder above a picture names; a number after it (`test25`) counts not."""
    for folder in path.parts[:-1]:
        split = split_name(folder.rstrip("0123456789"))
        if split in SPLITS:
            return split
    return ALL


def folder_label(path: Path) -> str | None:
    """The folder that a picture lies in, unless that names its split or says "no label"."""
    parent = path.parent
    if parent.name == UNLABELLED:
        return None
    return None if not parent.name or folder_split(Path(parent.name) / "x") != ALL else parent.name
