"""One split of each form of DATA, as a dataset of the library `datasets`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from emo8.dataset.find_data import ALL, FoundData, folder_label, registered


def _parquet(found: FoundData, split: str, streaming: bool, columns: list[str] | None) -> Any:
    import datasets

    files = {"rows": [str(file) for file in found.files[split]]}
    return datasets.load_dataset(
        "parquet", data_files=files, split="rows", streaming=streaming, columns=columns
    )


def _saved(found: FoundData, split: str, streaming: bool, columns: list[str] | None) -> Any:
    import datasets

    loaded = datasets.load_from_disk(found.where)
    part = loaded[found.splits[split]] if isinstance(loaded, datasets.DatasetDict) else loaded
    return _as_asked(part, streaming, columns)


def _pictures(found: FoundData, split: str, streaming: bool, columns: list[str] | None) -> Any:
    import datasets

    inside = [Path(file).relative_to(found.where) for file in found.files[split]]
    rows = {
        "id": [path.as_posix().encode(errors="backslashreplace").decode() for path in inside],
        "image": [{"bytes": None, "path": str(Path(found.where) / path)} for path in inside],
        "emotion": [folder_label(path) for path in inside],
    }
    made = datasets.Dataset.from_dict(rows, features=_features("id", "emotion"))
    return _as_asked(made, streaming, columns)


def _loader(found: FoundData, split: str, streaming: bool, columns: list[str] | None) -> Any:
    import datasets

    made = datasets.load_dataset(
        found.where,
        split=found.splits[split],
        revision=found.revision or None,
        streaming=streaming,
    )
    return made.select_columns(columns) if columns else made


def _registered(found: FoundData, split: str, streaming: bool, columns: list[str] | None) -> Any:
    import datasets

    rows = _read_registered(found.where)
    said = "\n".join(f"{rows.emotion[n]} {rows.split[n]}" for n in range(len(rows)))
    mark = hashlib.sha256(said.encode()).hexdigest()  # other labels: what is cached is not used
    make = datasets.IterableDataset if streaming else datasets.Dataset
    made = make.from_generator(
        _registered_rows,
        gen_kwargs={"where": found.where, "mark": mark},
        features=_features("id", "emotion", "emotion_rule", "split"),
    )
    return made.select_columns(columns) if columns else made


def _read_registered(where: str) -> Any:
    name, _, path = where.partition(":")
    return registered()[name].read_registered(name, Path(path))


def _registered_rows(where: str, mark: str) -> Iterator[dict[str, Any]]:
    rows = _read_registered(where)
    for number in range(len(rows)):
        yield {
            "id": f"{rows.name}#{number}",
            "image": {"bytes": rows.images([number])[0], "path": None},
            "emotion": rows.emotion[number],
            "emotion_rule": rows.rule[number],
            "split": rows.split[number] or ALL,
        }


def _features(*texts: str) -> Any:
    import datasets

    columns: dict[str, Any] = {name: datasets.Value("string") for name in texts}
    return datasets.Features({**columns, "image": datasets.Image(decode=False)})


def _as_asked(dataset: Any, streaming: bool, columns: list[str] | None) -> Any:
    dataset = dataset.select_columns(columns) if columns else dataset
    return dataset.to_iterable_dataset() if streaming else dataset


Opener = Callable[[FoundData, str, bool, "list[str] | None"], Any]
OPENERS: dict[str, Opener] = {
    "parquet": _parquet,
    "saved": _saved,
    "pictures": _pictures,
    "loader": _loader,
    "registered": _registered,
}
