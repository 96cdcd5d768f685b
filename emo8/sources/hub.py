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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.sources import records
from emo8.sources.base import (
    TABLE_COLUMNS,
    Candidate,
    Chunk,
    check_columns,
    claims_from,
    from_bytes,
    read_file,
)

if TYPE_CHECKING:
    import datasets

ALLOWED_LOADERS = ("parquet", "arrow", "csv", "json", "imagefolder")
TIMEOUT_S = 30


def plan(source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]:
    """Chunks of consecutive rows, split by split in the dataset's own order."""
    check_columns(source, TABLE_COLUMNS)
    where, revision, stamp = _locate(source, recipe_dir)
    for split, data in _load(where, revision, source.config, source.name).items():
        mapping = records.map_columns(
            Path(source.path), data.column_names, source, TABLE_COLUMNS, "image"
        )
        for start in range(0, len(data), part_rows):
            stop = min(start + part_rows, len(data))
            yield Chunk(
                source=source,
                root=where,
                items=((revision, str(split), start, stop, mapping),),
                num_inputs=stop - start,
                stamp=stamp,
            )


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """One candidate per row of the chunk."""
    (revision, split, start, stop, mapping), source = chunk.items[0], chunk.source
    data = _load(chunk.root, revision, source.config, source.name)[split]
    for offset, row in enumerate(data.select(range(start, stop))):
        record = {ours: _named(row[theirs], data.features[theirs])
                  for ours, theirs in mapping.items()}  # fmt: skip
        claims = claims_from({"split": split, **record}, source)
        image = record["image"] or {}
        path = image.get("path")
        shown = f"{split}#{start + offset}" + (f"/{path}" if path else "")
        if image.get("bytes") is None and path:
            found = read_file(Path(path).parent, Path(path).name, max_bytes, claims)
            yield Candidate(**{**vars(found), "source_path": shown})
        else:
            yield from_bytes(shown, image.get("bytes"), max_bytes, claims)


def _locate(source: SourceConfig, recipe_dir: Path) -> tuple[str, str, tuple[Any, ...]]:
    """The folder or the Hub name, its commit ("" for a folder), and what changes with its data."""
    path = source.path.removeprefix("hub:")
    folder = (recipe_dir / path).absolute()
    if folder.is_dir():
        files = sorted(file for file in folder.rglob("*") if file.is_file())
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


@functools.lru_cache(maxsize=2)
def _load(where: str, revision: str, config: str, source_name: str) -> datasets.DatasetDict:
    """The dataset with pictures left encoded; its cache makes a second process cheap."""
    import datasets

    datasets.disable_progress_bars()
    try:
        builder = datasets.load_dataset_builder(where, config or None, revision=revision or None)
        loader = type(builder).__module__.split(".")[-1]
        if loader not in ALLOWED_LOADERS:
            raise SourceError(
                f"source {source_name!r}: {where} needs the loader {loader!r}; "
                f"allowed: {', '.join(ALLOWED_LOADERS)}"
            )
        builder.download_and_prepare()
        data = builder.as_dataset()
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"source {source_name!r}: cannot load {where}@{revision}: {_first_line(error)}"
        ) from error
    for split in data:
        for column, feature in data[split].features.items():
            if isinstance(feature, datasets.Image):
                data[split] = data[split].cast_column(column, datasets.Image(decode=False))
    return data


def _named(value: Any, feature: Any) -> Any:
    """A class number as its name: names, not numbers, cross every boundary."""
    if type(feature).__name__ == "ClassLabel" and value is not None:
        return feature.int2str(value) if value >= 0 else None
    return value


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
