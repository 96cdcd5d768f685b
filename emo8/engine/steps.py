"""The step contract: a pure function from a batch of rows to a batch of new columns.

A step knows nothing of files, processes or machines. It names the columns it reads and adds, the
options that change its output, and has an optional one-off `setup` (load a model). Engines run it
over parts; its output is row-aligned with the part it read.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from emo8.engine import live
from emo8.engine.files import fingerprint, part_name, read_columns, read_rows, write_part
from emo8.engine.processes import single_thread
from emo8.engine.row_results import RowResults, row_keys, with_keys

ROWS = "rows"  # the name under which a step reads what ingest wrote
Batch = dict[str, pa.Table]  # table name -> the columns asked for, all with the same rows


class Step(ABC):
    """One measurement or claim about every row."""

    name: str
    version: ClassVar[int]
    wants_gpu: ClassVar[bool] = False  # True: faster on a GPU, where the engine can give one

    @property
    @abstractmethod
    def reads(self) -> dict[str, tuple[str, ...]]:
        """Columns this step reads, by table: `rows` or the name of an earlier step."""

    @property
    @abstractmethod
    def adds(self) -> pa.Schema:
        """Columns this step adds."""

    @property
    def keyed_by(self) -> dict[str, tuple[str, ...]]:
        """Columns that alone decide what a row comes to, by table; a picture is named by its `id`.

        Such results are kept by these columns (`row_results`), and a row that comes again in
        another part is not worked on again. {}: a part is worked on as a whole.
        """
        return {}

    def row_key(self, record: dict[str, Any]) -> Any:
        """What of the columns `keyed_by` decides, as a JSON value."""
        return record

    def options(self) -> dict[str, Any]:
        """JSON values that change the output: a change makes the parts stale."""
        return {}

    def setup(self) -> Any:
        """What `run` needs once per process, for example a loaded model."""
        return None

    @abstractmethod
    def run(self, batch: Batch, state: Any) -> pa.Table:
        """New columns, one line per row of the batch, with the schema `adds`."""

    def made_of(self) -> dict[str, Any]:
        """All that changes this step's output besides what it reads, as JSON values."""
        columns = {item.name: str(item.type) for item in self.adds}
        made: dict[str, Any] = json.loads(
            json.dumps({"version": self.version, "options": self.options(), "columns": columns})
        )
        return made

    def fingerprint(self, inputs: dict[str, str]) -> str:
        """Fingerprint of this step's output for inputs with these fingerprints."""
        used = {table: inputs[table] for table in self.reads}
        return fingerprint(self.name, self.made_of(), used)


def earlier(build: Path, table: str) -> Path:
    """The folder of a table's parts that have no place any more (`placing`)."""
    return build / "earlier" / table


def part_path(build: Path, table: str, number: int) -> Path:
    """Where part `number` of `rows` or of a step's columns lives."""
    folder = build / ROWS if table == ROWS else build / "columns" / table
    return folder / part_name(number)


class StepState:
    """What a process needs to run a step: made when the first row has to be worked on."""

    def __init__(self, step: Step, results: RowResults) -> None:
        self.step, self.results = step, results

    @cached_property
    def made(self) -> Any:
        made = self.step.setup()
        single_thread()
        return made


@dataclass(frozen=True, kw_only=True)
class PartTask:
    """Run one step over one part: the unit of work of every engine."""

    step: Step
    build: Path
    part: int
    fingerprint: str
    origin: str = ""  # fingerprint of all that results of a row depend on besides its key

    @property
    def table(self) -> str:
        return self.step.name

    @property
    def wants_gpu(self) -> bool:
        return self.step.wants_gpu

    def setup(self) -> StepState:
        kept = RowResults(earlier(self.build, self.table), self.origin)
        return StepState(self.step, kept)

    def run(self, state: StepState) -> int:
        """Write the part's new columns; the number of rows that were worked on comes back."""
        if self.step.keyed_by:
            return self._run_by_row(state)
        batch = {table: self._read(table, names) for table, names in self.step.reads.items()}
        output = self._checked(batch, state)
        write_part(output, part_path(self.build, self.table, self.part), self.fingerprint)
        return output.num_rows

    def _run_by_row(self, state: StepState) -> int:
        keys = row_keys(self._records(), self.step.row_key)
        known, kept = state.results.find(keys, self.step.adds)
        new = np.flatnonzero(~known)
        live.tick(len(keys) - len(new))
        pieces = [self._checked(batch, state) for batch in self._batches(new)]
        place = np.argsort(np.concatenate([np.flatnonzero(known), new]))
        output = pa.concat_tables([kept, *pieces]).take(place)
        path = part_path(self.build, self.table, self.part)
        write_part(with_keys(output, keys, self.origin), path, self.fingerprint)
        return len(new)

    def _records(self) -> Iterator[dict[str, Any]]:
        """The columns that decide, row by row."""
        tables = [self._read(table, names) for table, names in self.step.keyed_by.items()]
        for some in zip(*(table.to_pylist() for table in tables), strict=True):
            yield {name: value for record in some for name, value in record.items()}

    def _batches(self, rows: np.ndarray) -> Iterator[Batch]:
        """What the step reads of some rows, one row group of `rows` at a time."""
        others = {table: names for table, names in self.step.reads.items() if table != ROWS}
        whole = {table: self._read(table, names) for table, names in others.items()}
        if ROWS not in self.step.reads:
            if len(rows):
                yield {table: piece.take(rows) for table, piece in whole.items()}
            return
        path = part_path(self.build, ROWS, self.part)
        for some, piece in read_rows(path, list(self.step.reads[ROWS]), rows):
            yield {ROWS: piece, **{table: part.take(some) for table, part in whole.items()}}

    def _read(self, table: str, names: tuple[str, ...]) -> pa.Table:
        return read_columns(part_path(self.build, table, self.part), list(names))

    def _checked(self, batch: Batch, state: StepState) -> pa.Table:
        output = self.step.run(batch, state.made)
        num_rows = next(iter(batch.values())).num_rows
        assert output.num_rows == num_rows, f"{self.step.name} is not row-aligned"
        assert output.schema.equals(self.step.adds), f"{self.step.name} broke its schema"
        return output
