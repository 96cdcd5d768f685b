"""Which datasets `--data` knows by name, and how every other value of it is read."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from emo8.core.errors import SourceError
from emo8.core.suggest import suggest

if TYPE_CHECKING:
    from benchmarks.adapters.base import Benchmark, LabelledRows

FOLDER = Path(__file__).resolve().parent
# name of the benchmark -> module with INFO and read(path); imported only when asked for
MODULES: dict[str, str] = {
    "emotion_faces": "benchmarks.adapters.emotion_faces",
    "emoset": "benchmarks.adapters.emoset",
    "fi": "benchmarks.adapters.fi",
    "emotion6": "benchmarks.adapters.emotion6",
    "unbiased_emotion": "benchmarks.adapters.unbiased_emotion",
    "caer_s": "benchmarks.adapters.caer_s",
    "heco": "benchmarks.adapters.heco",
    "emotic": "benchmarks.adapters.emotic",
    "emo8": "benchmarks.adapters.emo8_tree",
}
# the same for those that a TOML file describes
TABLES: dict[str, Path] = {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}
BENCHMARKS: tuple[str, ...] = (*MODULES, *TABLES)
_TABLE_SUFFIXES = (".parquet", ".arrow")
_SAVED_BY_DATASETS = ("dataset_dict.json", "state.json")


def info(name: str) -> Benchmark:
    """The facts about a registered benchmark, or about the one that a TOML describes."""
    if name not in MODULES:
        from benchmarks.adapters import described

        return described.load(TABLES.get(name, Path(name))).info
    benchmark: Benchmark = import_module(MODULES[name]).INFO
    return benchmark


def read(
    data: str,
    path: Path | None = None,
    *,
    image: str = "image",
    emotion: str = "emotion",
    split_seed: int = 0,
) -> LabelledRows:
    """The rows of `--data`: a registered name, a TOML, a parquet file, a folder, or a Hub id."""
    if data in BENCHMARKS or data.endswith(".toml"):
        return _read_registered(data, path, split_seed)
    if path is not None:
        raise SourceError(
            f"--path {path} goes with a registered benchmark, and {data!r} is none. "
            f"Registered: {', '.join(BENCHMARKS)}."
        )
    where = Path(data)
    if where.suffix == ".parquet":
        from benchmarks.adapters import parquet

        return parquet.read(where, image=image, emotion=emotion)
    if where.is_file():
        raise SourceError(f"--data {data}: of single files only .parquet can be read.")
    if (where / "resolved.json").is_file() and (where / "dataset").is_dir():
        where, data = where / "dataset", str(where / "dataset")  # a build
    if where.is_dir() and not _holds_tables(where):
        from benchmarks.adapters import tree

        return tree.read(where)
    if not where.exists():
        _require_hub_id(data)
    from benchmarks.adapters import hub

    return hub.read(data, image=image, emotion=emotion)


def _read_registered(name: str, path: Path | None, split_seed: int) -> LabelledRows:
    if path is None:
        facts = info(name)
        raise SourceError(
            f"--data {name} needs --path: {facts.layout}. How to get it: {facts.get}."
        )
    if not path.exists():
        raise SourceError(f"--path {path}: no such file or folder (for --data {name}).")
    if name not in MODULES:
        from benchmarks.adapters import described

        return described.read(path, described.load(TABLES.get(name, Path(name))), seed=split_seed)
    module = import_module(MODULES[name])
    if info(name).split.startswith("convention"):
        return module.read(path, seed=split_seed)  # type: ignore[no-any-return]
    rows: LabelledRows = module.read(path)
    return rows


def _holds_tables(folder: Path) -> bool:
    """Whether a folder is a dataset for `load_dataset` rather than a tree of images."""
    if any((folder / name).is_file() for name in _SAVED_BY_DATASETS):
        return True
    files = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return any(file.suffix in _TABLE_SUFFIXES for file in files)


def _require_hub_id(data: str) -> None:
    if data.count("/") == 1 and not data.startswith((".", "/", "~")):
        return
    raise SourceError(
        f"--data {data}: no such file or folder, no Hub id (user/name) and no registered "
        f"benchmark; {suggest(data, BENCHMARKS)}"
    )
