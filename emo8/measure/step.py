"""The `measure` step: one decode of each picture feeds every filter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from emo8.core.images import DecodeError, decode
from emo8.engine.live import ticked
from emo8.engine.steps import ROWS, Batch, Step
from emo8.measure.filters import FILTERS
from emo8.measure.filters.base import PHASH_RECIPE, prepare, suffix_of
from emo8.measure.filters.copies import VIEWS_RECIPE


@dataclass(frozen=True, kw_only=True)
class Measure(Step):
    """Numbers about every picture; `decode_reason` where there is no picture to measure."""

    max_pixels: int
    name: str = field(default="measure", init=False)
    version: ClassVar[int] = 5

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("image", "source_path")}

    @property
    def keyed_by(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("id", "source_path")}

    def row_key(self, record: dict[str, Any]) -> Any:
        return record["id"], suffix_of(record["source_path"] or "")

    @property
    def adds(self) -> pa.Schema:
        columns = [pa.field("decode_reason", pa.string()), pa.field("decode_value", pa.float64())]
        for item in FILTERS:
            columns += [pa.field(name, dtype) for name, dtype in item.columns.items()]
        return pa.schema(columns)

    def options(self) -> dict[str, Any]:
        return {"max_pixels": self.max_pixels, "recipes": [PHASH_RECIPE, VIEWS_RECIPE]}

    def run(self, batch: Batch, state: Any) -> pa.Table:
        rows = batch[ROWS].to_pylist()
        records = [self._measure(row["image"], row["source_path"]) for row in ticked(rows)]
        return pa.Table.from_pylist(records, schema=self.adds)

    def _measure(self, image: dict[str, Any] | None, name: str) -> dict[str, Any]:
        if image is None or image["bytes"] is None:
            return {}
        try:
            decoded = decode(image["bytes"], max_pixels=self.max_pixels)
        except DecodeError as error:
            return {"decode_reason": error.reason, "decode_value": error.value}
        picture = prepare(image["bytes"], decoded, name)
        record: dict[str, Any] = {}
        for item in FILTERS:
            record.update(item.measure(picture))
        return record
