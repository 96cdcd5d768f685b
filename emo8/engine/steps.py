"""The step contract: a pure function from a batch of rows to a batch of new columns.

A step knows nothing of files, processes or machines. It names the columns it reads and adds, the
options that change its output, and has an optional one-off `setup` (load a model). Engines run it
over parts; its output is row-aligned with the part it read.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from emo8.engine.files import fingerprint, part_name, read_columns, write_part

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


def part_path(build: Path, table: str, number: int) -> Path:
    """Where part `number` of `rows` or of a step's columns lives."""
    folder = build / ROWS if table == ROWS else build / "columns" / table
    return folder / part_name(number)


@dataclass(frozen=True, kw_only=True)
class PartTask:
    """Run one step over one part: the unit of work of every engine."""

    step: Step
    build: Path
    part: int
    fingerprint: str

    @property
    def table(self) -> str:
        return self.step.name

    @property
    def wants_gpu(self) -> bool:
        return self.step.wants_gpu

    def run(self, state: Any) -> int:
        """Write the part's new columns; the number of rows comes back."""
        batch = {
            table: read_columns(part_path(self.build, table, self.part), list(columns))
            for table, columns in self.step.reads.items()
        }
        output = self.step.run(batch, state)
        num_rows = next(iter(batch.values())).num_rows
        assert output.num_rows == num_rows, f"{self.step.name} is not row-aligned"
        assert output.schema.equals(self.step.adds), f"{self.step.name} broke its schema"
        write_part(output, part_path(self.build, self.table, self.part), self.fingerprint)
        return num_rows

    def setup(self) -> Any:
        return self.step.setup()
