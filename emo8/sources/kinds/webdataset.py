"""WebDataset shards: tar files whose members `key.jpg`, `key.json`, `key.txt` make one sample.

Read with `tarfile` positions and an allow-list of members: one picture, `json` (claims, mapped by
`columns`), `txt` (caption) and any small text field that `columns` names, such as `cls`. Links,
devices and `pipe:` are refused; nothing is unpickled; members of other kinds are not opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.sources import img2dataset
from emo8.sources.base import (
    Candidate,
    Chunk,
    check_columns,
    common_root,
    no_style,
)
from emo8.sources.beside import MAX_TEXT_BYTES, json_object
from emo8.sources.claims import CLAIM_COLUMNS, Claims, claims_from, stem_split
from emo8.sources.cut import Cutter
from emo8.sources.members import (
    BROKEN,
    PLAIN,
    Member,
    archives,
    list_members,
    read_bytes,
    read_member,
    shown_member,
)
from emo8.sources.naming import is_image_name

BESIDE = "beside"  # marks an input that lies beside the picture of its sample
# Which of several pictures under one key is the picture; what is not named here comes last.
_FIRST = ("jpg", "jpeg", "webp", "avif", "heic", "heif", "jxl", "png")
Entry = tuple[str, int, int, str]  # name, position, size, kind of a member
Fields = dict[str, Entry]


def plan(source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]:
    """Chunks of consecutive samples, shard by shard in sorted order."""
    check_columns(source, ("image", *CLAIM_COLUMNS))
    if not (source.style or source.style_from or "style" in source.columns):
        raise no_style(source)
    root, found = common_root(source, recipe_dir), False
    cutter = Cutter(part_rows=part_rows)
    for path in archives(source, recipe_dir):
        inputs = [one for key, members in _samples(path) for one in _inputs(key, members, source)]
        found = found or any(_has_picture(fields) for _, fields in inputs)
        status = path.stat()
        for piece in cutter.by_name(key for key, _ in inputs):
            batch = inputs[piece]
            yield Chunk(
                source=source,
                root=str(root),
                items=(str(path.relative_to(root)), *batch),
                num_inputs=len(batch),
                stamp=(status.st_size, status.st_mtime_ns),
                name=f"{path.name}/{batch[0][0]}",
            )
    if not found:
        raise SourceError(f"source {source.name!r}: no samples with a picture in {source.path}")


def _has_picture(fields: Fields) -> bool:
    """Whether an input's image is a plain file, and not a refused or damaged entry."""
    return "image" in fields and fields["image"][-1] == PLAIN


def _samples(path: Path) -> Iterator[tuple[str, list[tuple[str, Entry]]]]:
    """(key, members as field and entry) of every sample, in the order of their first members.

    A plain `tar` of a folder stores files as the disk lists them: a sample's members need not lie
    side by side. A second member of the same name begins another sample.
    """
    found: list[tuple[str, Fields]] = []
    latest: dict[str, Fields] = {}
    for member in list_members(path):
        key, field = _split_name(member)
        if field in latest.setdefault(key, {}) or not latest[key]:
            latest[key] = {}
            found.append((key, latest[key]))
        latest[key][field] = (member.name, member.position, member.size, member.kind)
    for key, fields in found:
        yield key, list(fields.items())


def _inputs(
    key: str, members: list[tuple[str, Entry]], source: SourceConfig
) -> Iterator[tuple[str, Fields]]:
    """The inputs of one sample: its picture with its texts, and every other picture in it.

    Of `m.jpg` and `m.png` the first is the picture, for a mask is kept without loss. Pictures that
    have names of their own behind the key (`img.001.jpg`, by webdataset's rule key `img` and field
    `001.jpg`) are an input each where no picture has the plain name.
    """
    # what is no plain file is an input of its own, so that it is refused by name
    refused = [entry for _, entry in members if entry[-1] != PLAIN]
    plain = [(field, entry) for field, entry in members if entry[-1] == PLAIN]
    pictures = [(field, entry) for field, entry in plain if is_image_name(f"x.{field}")]
    texts = {field: entry for field, entry in plain if not is_image_name(f"x.{field}")}
    main = _main_picture([field for field, _ in pictures], source.columns.get("image"))
    for field, entry in pictures:
        if main is None:
            own = f"{field.rpartition('.')[0]}."
            named = {f.removeprefix(own): e for f, e in texts.items() if f.startswith(own)}
            yield key, {**texts, **named, "image": entry}
        elif field == main:
            yield key, {**texts, "image": entry}
        else:
            yield key, {"image": entry, BESIDE: entry}
    for entry in refused:
        yield key, {"image": entry}
    if not pictures and not refused:
        yield key, texts


def _main_picture(fields: list[str], wanted: str | None) -> str | None:
    """The field that holds the sample's picture; None where each picture has its own name."""
    if wanted is not None and wanted.lower() in fields:
        return wanted.lower()
    plain = [field for field in fields if "." not in field]
    order = {field: place for place, field in enumerate(_FIRST)}
    return min(plain, key=lambda field: order.get(field, len(order)), default=None)


def _split_name(member: Member) -> tuple[str, str]:
    """Key and field of a member: the name up to the first dot of its last part, and the rest."""
    path = PurePosixPath(member.name)
    base, _, field = path.name.partition(".")
    return str(path.parent / base), field.lower()


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """One candidate per input of the chunk."""
    shard, *inputs = chunk.items
    path = Path(chunk.root) / shard
    for key, fields in inputs:
        record = _record(path, fields, chunk.source)
        member = None if "image" not in fields else _member(fields["image"])
        shown = shown_member(shard, member.name if member else key)
        try:
            claims = _claims(record, path, chunk.source)
        except ValueError as error:
            yield Candidate(source_path=shown, reason="bad_row", detail=str(error))
            continue
        if member is None:
            yield Candidate(source_path=shown, reason="no_image", claims=claims)
        elif BESIDE in fields:
            yield Candidate(source_path=shown, reason="beside_picture", detail=key)
        else:
            found = read_member(path, shown, member, max_bytes, claims)
            yield img2dataset.upright(found, record.get(img2dataset.EXIF))


def _claims(record: dict[str, Any], path: Path, source: SourceConfig) -> Claims:
    """The claims of a sample; ValueError where its split is to be kept and none is named."""
    if source.keep_splits and "split" not in record:
        record["split"] = stem_split(path, source)
        if record["split"] is None:
            raise ValueError(
                f"keep_splits is set, but neither {path.name} nor the sample names a split; write "
                f'splits = {{ {json.dumps(path.stem)} = "train" }} in the source, or what it is'
            )
    whose = dict.fromkeys(("emotion", "style"), "fields of the samples")
    return claims_from(record, source, whose)


def _member(entry: Entry) -> Member:
    name, position, size, kind = entry
    return Member(name=name, position=position, size=size, kind=kind)


def _record(path: Path, fields: dict[str, Any], source: SourceConfig) -> dict[str, Any]:
    """Claims of one sample under our names; damaged or oversized claim files claim nothing."""
    found: dict[str, Any] = {}
    wanted = {"json", "txt", *source.columns.values(), source.style_from, source.emotion_from}
    for field in sorted(wanted & fields.keys() - {"image", BESIDE}):
        member = _member(fields[field])
        if member.kind == PLAIN and member.size <= MAX_TEXT_BYTES:
            try:
                text = read_bytes(path, member, MAX_TEXT_BYTES).decode("utf-8", errors="replace")
            except BROKEN:
                continue
            found.update(json_object(text) if field == "json" else {field: text})
    names = {name: name for name in CLAIM_COLUMNS} | {
        "caption": "txt",
        img2dataset.EXIF: img2dataset.EXIF,
    }
    names |= source.columns
    if source.style_from:
        names["style"] = source.style_from
    if source.emotion_from:
        names["emotion"] = source.emotion_from
    record = {ours: found[theirs] for ours, theirs in names.items() if theirs in found}
    for plain_name in ("caption", "txt"):  # where the mapped field of a sample is missing
        if plain_name in found:
            record.setdefault("caption", found[plain_name])
    return record
