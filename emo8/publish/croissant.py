"""`croissant.json`: the dataset in the vocabulary that search engines and other loaders read.

Format: MLCommons Croissant 1.1 with the responsible-AI extension (docs.mlcommons.org/croissant).
Where the repository is known, the file works alone: its sources are the repository at its tag.
Else its sources are the folders beside it, and it raises an error anywhere else.
"""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from emo8.core import label_set, schema
from emo8.dataset.shards import CROISSANT, LABELS, VOTES, list_shards, sha256
from emo8.engine.files import write_text

if TYPE_CHECKING:
    import mlcroissant

_PARQUET = "application/x-parquet"
_RAI = "croissant_rai.toml"
_REPO = "repo"
_ENUMERATION = "https://schema.org/Enumeration"
VERSION = "http://mlcommons.org/croissant/1.1"
# What mlcroissant's own context lacks of version 1.1: without it `containedIn` is not read.
_CONTEXT: dict[str, Any] = {
    "arrayShape": "cr:arrayShape",
    "containedIn": "cr:containedIn",
    "description": {"@container": "@language"},
    "isArray": "cr:isArray",
    "name": {"@container": "@language"},
    "prov": "http://www.w3.org/ns/prov#",
}
Render = Callable[[str, dict[str, Any]], str]


def write_croissant(root: Path, numbers: dict[str, Any], render: Render) -> None:
    """Write `croissant.json`: every shard with its hash, the columns, and the RAI fields."""
    import mlcroissant as mlc

    has_labels = (root / LABELS).is_dir()
    base = _base(numbers)
    distribution = _source(mlc, base, "pictures", "data", "*/*.parquet")
    record_sets = [_record_set(mlc, "default", "pictures", schema.published_schema())]
    if has_labels:
        distribution += _source(mlc, base, "labels-files", LABELS, "*.parquet")
        bare = schema.published_schema(images=False)
        record_sets.append(_record_set(mlc, LABELS, "labels-files", bare))
    if (root / VOTES).is_dir():
        distribution += _source(mlc, base, "votes-files", VOTES, "*.parquet")
        record_sets.append(_record_set(mlc, VOTES, "votes-files", schema.votes_schema()))
    record_sets += [_names_of(mlc, column, names) for column, names in _class_names().items()]
    if base:
        distribution.insert(0, _folder(mlc, _REPO, f"{base}/tree/refs%2Ftags%2F{numbers['tag']}"))
    names = [shard.name for shard in list_shards(root)]
    for folder in (LABELS, VOTES):
        found = root.glob(f"{folder}/*.parquet")
        names += sorted(path.relative_to(root).as_posix() for path in found)
    place = f"{base}/resolve/{numbers['tag']}/" if base else ""
    distribution += [_file_object(mlc, root, name, place) for name in names]
    publish = numbers["publish"]
    metadata = mlc.Metadata(
        name=numbers["name"],
        description=publish.summary or numbers["summary"],
        license=sorted(numbers["licenses"]),
        version=numbers["version"],
        url=_address(numbers),
        creators=[mlc.Person(name=name) for name in publish.authors],
        in_language=list(publish.language),
        keywords=["emotion", "affective computing", *numbers["counts"]],
        distribution=distribution,
        record_sets=record_sets,
        **_responsible(numbers, render),
    )
    versions = type(metadata.ctx.conforms_to)
    metadata.ctx.conforms_to = versions(VERSION)  # before to_json: the context depends on it
    content = _with_provenance(metadata.to_json(), numbers)
    write_text(root / CROISSANT, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def problems(root: Path) -> list[str]:
    """What mlcroissant finds wrong with `croissant.json`; empty = it is valid."""
    import mlcroissant as mlc

    logging.getLogger("absl").setLevel(logging.ERROR)  # its recommendations are not errors
    try:
        dataset = mlc.Dataset(str(root / CROISSANT))
    except (mlc.ValidationError, OSError, ValueError, AssertionError) as error:
        return [str(error)]
    return sorted(dataset.metadata.ctx.issues.errors)


def _responsible(numbers: dict[str, Any], render: Render) -> dict[str, Any]:
    """The RAI fields of the template that come to something."""
    template = tomllib.loads((files("cards") / _RAI).read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    for key, value in template.items():
        if isinstance(value, list):
            found[key] = [text for item in value if (text := render(item, numbers).strip())]
        else:
            found[key] = render(value, numbers).strip()
    return {key: value for key, value in found.items() if value}


def _with_provenance(content: dict[str, Any], numbers: dict[str, Any]) -> dict[str, Any]:
    """The file with what mlcroissant does not write: RAI 1.0, provenance (PROV-O), synthetic data.

    One entity per source, one activity per way in which rows and labels were made.
    """
    publish = numbers["publish"]
    content["@context"] |= _CONTEXT
    content["conformsTo"] = [VERSION, f"{content['@context']['rai']}1.0"]
    content["prov:wasDerivedFrom"] = [
        {"@type": "prov:Entity", "name": name, "description": f"{rows} rows of this dataset"}
        for name, rows in numbers["sources"].items()
    ]
    content["prov:wasGeneratedBy"] = [
        {"@type": "prov:Activity", "name": name, "description": text}
        for name, text in _activities(numbers).items()
    ]
    if publish.synthetic:
        content["rai:hasSyntheticData"] = publish.synthetic != "no"
    if publish.date:
        content["datePublished"] = publish.date
    if publish.authors:
        content["citeAs"] = numbers["cite_as"]
    return content


def _activities(numbers: dict[str, Any]) -> dict[str, str]:
    funnel, rules = numbers["funnel"], numbers["emotion_rules"]
    claims = ", ".join(f"{rule} ({rows} rows)" for rule, rows in rules.items())
    models = ", ".join(numbers["models"])
    return {
        "collection": f"{funnel['inputs']} inputs read from the sources; each that left has a "
        "reason code",
        "preprocessing": "decoded, turned upright, metadata removed, exact and near copies "
        f"removed; {funnel['kept']} rows kept; splits by cluster of copies",
        "annotation": f"final emotions by {claims}; distributions by {models}",
    }


def _base(numbers: dict[str, Any]) -> str:
    """The address of the dataset's repository; "" where it is not known."""
    repo = numbers["repo"]
    return f"https://huggingface.co/datasets/{repo}" if repo.count("/") == 1 else ""


def _address(numbers: dict[str, Any]) -> str | None:
    """The dataset's page: the publisher's own, else the one on the Hub, else none."""
    if numbers["publish"].homepage:
        return str(numbers["publish"].homepage)
    return _base(numbers) or None


def _source(mlc: Any, base: str, name: str, folder: str, pattern: str) -> list[Any]:
    """The files of a record set: in the repository, or in a folder that must be beside."""
    if base:
        return [_file_set(mlc, name, f"{folder}/{pattern}", _REPO)]
    beside = f"{folder}-folder"
    return [_folder(mlc, beside, folder), _file_set(mlc, name, pattern, beside)]


def _folder(mlc: Any, name: str, address: str) -> mlcroissant.FileObject:
    """A repository or a folder; what is in it has hashes of its own."""
    return mlc.FileObject(
        id=name,
        name=name,
        content_url=address,
        encoding_formats=["git+https"],
        sha256="the files of this folder have theirs",
    )


def _file_set(mlc: Any, name: str, pattern: str, inside: str) -> mlcroissant.FileSet:
    return mlc.FileSet(
        id=name,
        name=name,
        encoding_formats=[_PARQUET],
        includes=[pattern],
        contained_in=[inside],
    )


def _file_object(mlc: Any, root: Path, name: str, place: str) -> mlcroissant.FileObject:
    return mlc.FileObject(
        id=name,
        name=name,
        content_url=f"{place}{name}",
        content_size=f"{(root / name).stat().st_size} B",
        encoding_formats=[_PARQUET],
        sha256=sha256(root / name),
    )


def _record_set(mlc: Any, name: str, files: str, columns: pa.Schema) -> mlcroissant.RecordSet:
    """All columns; a list of structs becomes a repeated field with a sub-field per member."""
    fields = [_field(mlc, f"{name}/{column.name}", files, column) for column in columns]
    return mlc.RecordSet(id=name, name=name, fields=fields)


def _class_names() -> dict[str, tuple[str, ...]]:
    """The names behind the numbers of the columns that are ClassLabels in the shards."""
    return {"emotion": label_set.emotions(), "style": label_set.styles()}


def _names_of(mlc: Any, column: str, names: Sequence[str]) -> mlcroissant.RecordSet:
    """The names of a column's classes as records of this file: number and name."""
    key = f"{column}_names"
    kinds = {"number": mlc.DataType.INTEGER, "name": mlc.DataType.TEXT}
    return mlc.RecordSet(
        id=key,
        name=key,
        description=f"what the numbers in the field {column} mean",
        data_types=[_ENUMERATION],
        key=f"{key}/number",
        fields=[mlc.Field(id=f"{key}/{one}", name=one, data_types=[kind])
                for one, kind in kinds.items()],
        data=[{f"{key}/number": number, f"{key}/name": name} for number, name in enumerate(names)],
    )  # fmt: skip


def _field(mlc: Any, key: str, files: str, column: pa.Field) -> mlcroissant.Field:
    meanings = schema.PUBLISHED_VOTES if files == "votes-files" else schema.PUBLISHED
    is_list = pa.types.is_list(column.type)
    dtype = column.type.value_type if is_list else column.type
    members: list[Any] = []
    if is_list and pa.types.is_struct(dtype):
        members = [
            mlc.Field(
                id=f"{key}/{member.name}",
                name=member.name,
                data_types=[_data_type(mlc, member.type)],
                source=_column(mlc, files, column.name, member.name),
            )
            for member in dtype
        ]
    is_image = column.name == "image"
    kind = mlc.DataType.IMAGE_OBJECT if is_image else _data_type(mlc, dtype)
    return mlc.Field(
        id=key,
        name=column.name,
        description=_meaning(meanings[column.name].meaning, column),
        data_types=[] if members else [kind],
        is_array=True if is_list else None,
        array_shape="-1" if is_list else None,
        source=None if members else _column(mlc, files, column.name, "bytes" if is_image else ""),
        sub_fields=members,
    )


def _meaning(meaning: str, column: pa.Field) -> str:
    """The meaning of a column, with the names of its classes where it holds numbers of them."""
    names = _class_names().get(column.name, ()) if pa.types.is_integer(column.type) else ()
    numbered = ", ".join(f"{number} = {name}" for number, name in enumerate(names))
    return f"{meaning}; {numbered}" if names else meaning


def _column(mlc: Any, files: str, column: str, member: str) -> mlcroissant.Source:
    """A column, or one member of the structs in it."""
    transforms = [mlc.Transform(json_path=member)] if member else []
    return mlc.Source(file_set=files, extract=mlc.Extract(column=column), transforms=transforms)


def _data_type(mlc: Any, dtype: pa.DataType) -> Any:
    if pa.types.is_floating(dtype):
        return mlc.DataType.FLOAT
    if pa.types.is_date(dtype):
        return mlc.DataType.DATE
    if pa.types.is_boolean(dtype):
        return mlc.DataType.BOOL
    return mlc.DataType.INTEGER if pa.types.is_integer(dtype) else mlc.DataType.TEXT
