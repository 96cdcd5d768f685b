"""The database of a run: DuckDB over the files of a build, in bounded memory.

What the rows of a whole build come to (verdicts, duplicates, splits, numbers) is asked in SQL over
the parts where they lie. The database and what it spills lie in `tables/.database` of the build;
the folder goes when the run ends, and what a killed run left goes when the next one begins.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from emo8.core.errors import BuildError

FOLDER = Path("tables") / ".database"
PROCESS_BYTES = 400 << 20  # of Python and its libraries, which [engine] memory holds as well
THREAD_BYTES = 64 << 20  # that one thread of the database needs


class Database:
    """SQL over files and over tables made here; every error says what to do."""

    def __init__(self, build: Path, connection: Any, memory: int = 0) -> None:
        self.build, self.connection, self.memory = build, connection, memory

    @property
    def folder(self) -> Path:
        """Where files lie that end with the run."""
        return self.build / FOLDER

    def run(self, sql: str) -> None:
        with self._explained():
            self.connection.execute(sql)

    def arrow(self, sql: str) -> pa.Table:
        with self._explained():
            return self.connection.sql(sql).to_arrow_table()

    def frame(self, sql: str) -> pd.DataFrame:
        return self.arrow(sql).to_pandas()

    def lines(self, sql: str) -> list[tuple[Any, ...]]:
        with self._explained():
            return list(self.connection.execute(sql).fetchall())

    def value(self, sql: str) -> Any:
        return self.lines(sql)[0][0]

    def batches(self, sql: str, rows: int = 65_536) -> Iterator[pa.Table]:
        """The answer piece by piece, in its order."""
        with self._explained():
            for batch in self.connection.cursor().sql(sql).to_arrow_reader(rows):
                yield pa.Table.from_batches([batch])

    def keep(self, name: str, table: pa.Table | pd.DataFrame) -> None:
        """Make `table` a table of the database."""
        given = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table)
        with self._explained():
            self.connection.register("given", given)
            self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM given")
            self.connection.unregister("given")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A BuildError that says what to do, for what the database cannot do."""
        import duckdb

        try:
            yield
        except duckdb.OutOfMemoryException as error:
            if "temp" in str(error).lower() and "size" in str(error).lower():
                raise BuildError(self._full(error)) from error
            raise BuildError(
                f"the steps over all rows of {self.build} need more than the "
                f"{self.memory / 1e6:.0f} MB they may hold: raise [engine] memory in the recipe "
                "and run the same command again"
            ) from error
        except duckdb.Error as error:  # of many kinds, also when a change is committed
            if "No space left" in str(error):
                raise BuildError(self._full(error)) from error
            if isinstance(error, _damage()):
                raise BuildError(_unreadable(error)) from error
            raise

    def _full(self, error: Exception) -> str:
        return (
            f"no space left for {self.folder}, where the steps over all rows put what does not fit "
            f"into memory: make room and run the same command again ({_first_line(error)})"
        )


def _damage() -> tuple[type[Exception], ...]:
    """What the database raises for a file that is not as it was written."""
    import duckdb

    return duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException


def _unreadable(error: Exception) -> str:
    return (
        f"a table of the build cannot be read: {_first_line(error)}; remove the file it names and "
        "run the same command again, which makes it anew"
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


@contextmanager
def opened(build: Path, memory: int, workers: int | None = None) -> Iterator[Database]:
    """The database of a run that holds the build's lock; it ends with its files.

    The process may hold `memory` bytes with it.
    """
    import duckdb

    limit = max(memory - PROCESS_BYTES, memory // 2)
    folder = build / FOLDER
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(parents=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{limit}B",
        "threads": max(1, min(workers or os.cpu_count() or 1, limit // THREAD_BYTES)),
        "temp_directory": str(folder),
        "enable_external_file_cache": False,  # every file is read once or twice
    }
    connection = duckdb.connect(str(folder / "rows.duckdb"), config=settings)
    try:
        yield Database(build, connection, memory)
    finally:
        with suppress(duckdb.Error):  # what it cannot write any more is not kept
            connection.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def reading(build: Path) -> Iterator[Database]:
    """A database to ask a finished build; it writes nothing."""
    import duckdb

    connection = duckdb.connect(config={"temp_directory": "", "enable_external_file_cache": False})
    try:
        yield Database(build, connection)
    finally:
        connection.close()


def text(value: str | None) -> str:
    """A value as SQL writes it."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def values(items: Iterable[str]) -> str:
    """Texts as an SQL list."""
    return f"[{', '.join(map(text, items))}]"


def parquet(files: Sequence[Path] | Path) -> str:
    """These files as a table; names mean what they say, wildcards included."""
    paths = [files] if isinstance(files, Path) else files
    names = (re.sub(r"[*?\[]", r"[\g<0>]", str(path)) for path in paths)
    return f"read_parquet({values(names)})"
