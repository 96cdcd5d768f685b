"""Datasets on the Hugging Face Hub, `hub:user/name@revision`, or a folder in the Hub's form.

Read with `datasets`. The revision is resolved to a commit when the build is planned, so a branch
that moves makes the parts stale and a killed build goes on with what it began with. Only loaders of
plain data are allowed; scripts and pickles are not. The only module that reads from the Hub.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emo8.core import inside
from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.core.taxonomy import class_name
from emo8.sources import records
from emo8.sources.base import Candidate, Chunk, check_columns, from_cell, show_some
from emo8.sources.claims import TABLE_COLUMNS, claims_from, parse_split
from emo8.sources.cut import Cutter
from emo8.sources.naming import is_image_name

if TYPE_CHECKING:
    import datasets

ALLOWED_LOADERS = ("parquet", "arrow", "csv", "json", "imagefolder")
# Its loader takes the types and fields of all samples from the first five: 0.5 becomes 0 after
# whole numbers, and what begins later is left out.
_ADVICE = {"webdataset": '. Download the tar shards and read them with kind = "webdataset"'}
TIMEOUT_S = 30


def plan(source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]:
    """Chunks of consecutive rows, split by split in the dataset's own order."""
    check_columns(source, TABLE_COLUMNS)
    where, revision, stamp = _locate(source, recipe_dir)
    loaded = _load(where, revision, source.config, source.name)
    notes = _left_out(Path(where), loaded) if not revision else ()
    cutter = Cutter(part_rows=part_rows)
    for split, data in loaded.data.items():
        mapping = records.map_columns(
            Path(source.path), data.column_names, source, TABLE_COLUMNS, "image"
        )
        if source.keep_splits and "split" not in mapping:
            _check_split(str(split), source)
        for piece in cutter.by_number(len(data)):
            yield Chunk(
                source=source,
                root=where,
                items=((revision, str(split), piece.start, piece.stop, mapping),),
                num_inputs=piece.stop - piece.start,
                stamp=stamp,
                name=f"{split}#{piece.start}",
                notes=notes,
            )
            notes = ()


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """One candidate per row of the chunk."""
    (revision, split, start, stop, mapping), source = chunk.items[0], chunk.source
    loaded = _load(chunk.root, revision, source.config, source.name)
    data = loaded.data[split].select_columns(list(dict.fromkeys(mapping.values())))
    names = {column: _names(feature) for column, feature in data.features.items()}
    whose = records.whose(mapping, {column: known for column, known in names.items() if known})
    roots = inside.roots_of(chunk.root, loaded.loader)
    # Arrow rows: pictures stay encoded, in whatever the column holds them
    rows = data.with_format("arrow")[start:stop].to_pylist()
    for number, row in enumerate(rows, start=start):
        record = {ours: _named(row[theirs], names[theirs]) for ours, theirs in mapping.items()}
        shown = f"{split}#{number}"
        try:
            claims = claims_from({"split": split, **record}, source, whose)
        except ValueError as error:
            yield Candidate(source_path=shown, reason="bad_row", detail=str(error))
            continue
        yield from_cell(record["image"], shown, roots, max_bytes, claims)


def _check_split(split: str, source: SourceConfig) -> None:
    try:
        parse_split(split, source.splits)
    except ValueError as error:
        raise SourceError(f"source {source.name!r}: {source.path}: {error}") from None


def _left_out(folder: Path, loaded: _Loaded) -> tuple[tuple[str, str, int], ...]:
    """What lies in a folder of pictures and is not in the dataset that `datasets` makes of it.

    Its loader takes a file whose name holds `train` or `test` for a split and leaves out the other
    files of that folder, knows neither AVIF nor HEIC, and skips what metadata.jsonl does not list.
    """
    if loaded.loader != "imagefolder":
        return ()
    there = {str(path.resolve()) for path in inside.files_below(folder) if is_image_name(path.name)}
    for data in loaded.data.values():
        cells = data.select_columns(["image"]).with_format("arrow")[:].column("image")
        there -= {str(Path(cell["path"]).resolve()) for cell in cells.to_pylist() if cell}
    if not there:
        return ()
    names = sorted(str(Path(path).relative_to(folder.resolve())) for path in there)
    words = f'lie there and are not loaded (kind = "folder" takes all): {show_some(names)}'
    return (("pictures", words, len(names)),)


def _locate(source: SourceConfig, recipe_dir: Path) -> tuple[str, str, tuple[Any, ...]]:
    """The folder or the Hub name, its commit ("" for a folder), and what changes with its data."""
    path = source.path.removeprefix("hub:")
    folder = (recipe_dir / path).absolute()
    if folder.is_dir():
        files = sorted(file for file in inside.files_below(folder) if file.is_file())
        stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return str(folder), "", (hashlib.sha256(repr(stats).encode()).hexdigest(),)
    name, _, revision = path.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise SourceError(
            f"source {source.name!r}: path = {source.path!r} is neither a folder nor a Hub "
            'dataset; write "hub:user/name@revision"'
        )
    commit = _commit(name, revision or "main", source.name)
    return name, commit, (commit,)


def _commit(name: str, revision: str, source_name: str) -> str:
    """The full commit behind a branch, tag or commit; only names that move ask the Hub."""
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    from huggingface_hub import HfApi

    try:
        found = HfApi().dataset_info(name, revision=revision, timeout=TIMEOUT_S).sha
    except Exception as error:  # the client raises its own, requests' and urllib's errors
        raise SourceError(
            f"source {source_name!r}: cannot resolve {name}@{revision} on the Hub: "
            f"{_first_line(error)}. Check the name and the network; offline, name the full commit "
            "of a copy that is in the cache"
        ) from None
    return str(found)


@dataclass(frozen=True)
class _Loaded:
    """A dataset, and which loader of `datasets` read it."""

    data: datasets.DatasetDict
    loader: str


@functools.lru_cache(maxsize=2)
def _load(where: str, revision: str, config: str, source_name: str) -> _Loaded:
    """The dataset; its cache makes a second process cheap."""
    import datasets

    datasets.disable_progress_bars()
    try:
        builder = datasets.load_dataset_builder(where, config or None, revision=revision or None)
        loader = type(builder).__module__.split(".")[-1]
        if loader not in ALLOWED_LOADERS:
            advice = _ADVICE.get(loader, "")
            raise SourceError(
                f"source {source_name!r}: {where} needs the loader {loader!r}; "
                f"allowed: {', '.join(ALLOWED_LOADERS)}{advice}"
            )
        files = (builder.config.data_files or {}).values()
        inside.check_own_files(where, [str(file) for part in files for file in part])
        builder.download_and_prepare()
        return _Loaded(builder.as_dataset(), loader)
    except SourceError:
        raise
    except inside.OutsideError as error:
        raise SourceError(
            f"source {source_name!r}: {where} names a file that is not its own, or no plain file: "
            f"{error}. Copy the file into the dataset and name it there"
        ) from error
    except Exception as error:
        raise SourceError(
            f"source {source_name!r}: cannot load {where}@{revision}: {_first_line(error)}"
        ) from error


def _names(feature: Any) -> list[str] | None:
    """The names of a column's classes, also where it holds lists of them."""
    names = getattr(getattr(feature, "feature", feature), "names", None)
    return None if names is None else [str(name) for name in names]


def _named(value: Any, names: list[str] | None) -> Any:
    """Class numbers as names: names, not numbers, cross every boundary."""
    if names is None:
        return value
    if isinstance(value, list):
        return [class_name(item, names) for item in value]
    return class_name(value, names)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
