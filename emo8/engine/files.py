"""Files that appear whole or not at all, and parts: parquet files that prove what they hold.

Every file of emo8 is written under another name and renamed (`appearing`), after its bytes have
reached the disk: a file that has its name survives a power cut. A part carries in its footer the
fingerprint of what it was made from, and the SHA-256 of the file itself, taken with that field
blank: `damage` finds every changed byte. Pages carry checksums too, so that reading some columns
finds what changed in them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from emo8.core.errors import DamagedError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

FINGERPRINT_KEY = b"emo8.fingerprint"
SUM_KEY = b"emo8.sha256"
_BLANK = b"0" * 64
_FIELD = SUM_KEY + b"\x18\x40"  # how Thrift's compact protocol writes the key and its 64 characters
_TAIL_BYTES = 8  # length of the footer, and the magic word
_CLONE = 0x40049409  # FICLONE: the blocks are shared until one of the files is written to
_BLOCK_BYTES = 1 << 20
UNSEALED = "carries no checksum: damaged, or written by an older emo8"


def fingerprint(*content: Any) -> str:
    """SHA-256 over JSON values: equal content gives an equal fingerprint on every machine."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


# --- write, then rename ----------------------------------------------------------------------


@contextmanager
def appearing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A name to write a file under; when the block ends well, the file appears as `path`.

    `durable` files are on the disk before they have their name. Caches need not be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if durable:
            sync(partial)
        os.replace(partial, path)
        if durable:
            sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def is_partial(path: Path) -> bool:
    """Whether a file is one of `appearing` whose writer is at work, or was killed."""
    return path.name.startswith(".") and path.name.endswith(".partial")


def forget_partials(folder: Path) -> None:
    """Remove what writers that were killed have left below a folder."""
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            if is_partial(path) and not _runs(path.name.split(".")[-2]):
                path.unlink(missing_ok=True)


def _runs(pid: str) -> bool:
    """Whether a process of this machine runs, as far as anybody can tell."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems without it
            raise
    finally:
        os.close(handle)


def sync_tree(root: Path) -> None:
    """Have everything below a folder written to the disk."""
    for folder, _, names in os.walk(root):
        for name in names:
            sync(Path(folder, name))
        sync(Path(folder))


def write_text(path: Path, text: str) -> None:
    """Write a small text file; it appears whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a small file; it appears whole or not at all."""
    with appearing(path, durable=durable) as partial:
        partial.write_bytes(data)


def copy(source: Path, target: Path) -> None:
    """A copy of a file that shares no later change with it; blocks are shared where they can be."""
    import fcntl

    with source.open("rb") as old, target.open("xb") as new:
        try:
            fcntl.ioctl(new.fileno(), _CLONE, old.fileno())
        except OSError:  # another file system, or one that cannot share blocks
            shutil.copyfileobj(old, new, _BLOCK_BYTES)


def new_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """An array in a `.npy` file whose room on the disk is taken now: OSError when it is full.

    A file with holes would kill the process (SIGBUS) where its first write finds no room.
    """
    import numpy as np

    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


# --- parts -----------------------------------------------------------------------------------


@contextmanager
def parquet_writer(path: Path, schema: pa.Schema, **options: Any) -> Iterator[pq.ParquetWriter]:
    """A writer of one parquet file that carries its own SHA-256; it appears whole or not at all."""
    import pyarrow.parquet as pq

    metadata = {**(schema.metadata or {}), SUM_KEY: _BLANK}
    with appearing(path) as partial:
        with pq.ParquetWriter(
            partial, schema.with_metadata(metadata), write_page_checksum=True, **options
        ) as writer:
            yield writer
        _seal(partial)


@contextmanager
def part_writer(
    schema: pa.Schema, path: Path, fingerprint: str, **options: Any
) -> Iterator[pq.ParquetWriter]:
    """Takes a part's tables one after another; the file appears when all are there, or never."""
    metadata = {**(schema.metadata or {}), FINGERPRINT_KEY: fingerprint.encode()}
    marked = schema.with_metadata(metadata)
    with parquet_writer(path, marked, compression="zstd", **options) as writer:
        yield writer


def write_part(table: pa.Table, path: Path, fingerprint: str, **options: Any) -> None:
    """Write `table` with its fingerprint; the file appears whole or not at all."""
    with part_writer(table.schema, path, fingerprint, **options) as writer:
        writer.write_table(table.cast(writer.schema))


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint a part carries; None for a missing, truncated or foreign file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):
        return None
    value = metadata.get(FINGERPRINT_KEY)
    return value.decode(errors="replace") if value else None


def read_columns(path: Path, columns: list[str]) -> pa.Table:
    """Some columns of one part, nothing else read from disk; DamagedError when pages changed."""
    with _opened(path) as file:
        return file.read(columns=columns)


def read_rows(
    path: Path, columns: list[str], rows: np.ndarray
) -> Iterator[tuple[np.ndarray, pa.Table]]:
    """Some columns of some rows (ascending) of one part, as (rows, table) for each row group.

    Memory holds one row group; those without a wanted row are not read.
    """
    with _opened(path) as file:
        start = 0
        for group in range(file.num_row_groups):
            stop = start + file.metadata.row_group(group).num_rows
            wanted = rows[(rows >= start) & (rows < stop)]
            if len(wanted):
                yield wanted, file.read_row_group(group, columns=columns).take(wanted - start)
            start = stop


def read_group(path: Path, columns: list[str], row: int) -> tuple[int, pa.Table]:
    """Some columns of the row group that holds a row, and the number of its first row."""
    with _opened(path) as file:
        start = group = 0
        while row >= (stop := start + file.metadata.row_group(group).num_rows):
            start, group = stop, group + 1
        return start, file.read_row_group(group, columns=columns)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A part to read from; what is wrong with it is a DamagedError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        doubt(path)
        raise DamagedError(
            f"{path} is damaged ({str(error).strip().splitlines()[0]}): "
            "run `emo8 build` with its recipe again"
        ) from error


# --- the checksum of a part ------------------------------------------------------------------


def damage(path: Path) -> str:
    """What is wrong with a part by its own checksum, in words; "" = every byte is as written."""
    try:
        with path.open("rb") as file:
            place = _sum_place(file)
            if place is None:
                return UNSEALED
            file.seek(place)
            said = file.read(len(_BLANK))
            if _digest(file, place) == said:
                return ""
        doubt(path)
        return "has changed since it was written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def doubt(path: Path) -> None:
    """Give a file that seems damaged another time: nobody trusts it before its checksum is read."""
    with suppress(OSError):
        os.utime(path)


def _seal(path: Path) -> None:
    with path.open("r+b") as file:
        place = _sum_place(file)
        assert place is not None, f"{path} has no room for its checksum"
        digest = _digest(file, place)
        file.seek(place)
        file.write(digest)


def _sum_place(file: BinaryIO) -> int | None:
    """Where in a parquet file its checksum stands; None where there is none."""
    size = file.seek(0, os.SEEK_END)
    if size < _TAIL_BYTES:
        return None
    file.seek(size - _TAIL_BYTES)
    length = int.from_bytes(file.read(4), "little")
    start = size - _TAIL_BYTES - length
    if start < 0:
        return None
    file.seek(start)
    at = file.read(length).rfind(_FIELD)
    return None if at < 0 else start + at + len(_FIELD)


def _digest(file: BinaryIO, place: int) -> bytes:
    """SHA-256 of a file with its checksum blank, as 64 hex characters."""
    found, left = hashlib.sha256(), place
    file.seek(0)
    while left:
        block = file.read(min(_BLOCK_BYTES, left))
        found.update(block)
        left -= len(block)
    found.update(_BLANK)
    file.seek(place + len(_BLANK))
    while block := file.read(_BLOCK_BYTES):
        found.update(block)
    return found.hexdigest().encode()
