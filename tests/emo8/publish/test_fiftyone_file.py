"""FiftyOne's own loader reads a release from its `fiftyone.yml`, with the Hub's rows service."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.dataset.shards import list_shards
from emo8.publish import fiftyone_file
from tests.emo8.browse.conftest import fiftyone, mongo  # noqa: F401  # fixtures


class _RowsService:
    """The Hub's rows service over a folder: splits, info and rows, in its form."""

    def __init__(self, root: Path) -> None:
        self.root, self.pictures = root, {}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        for shard in list_shards(root):
            self.rows.setdefault(shard.split, []).extend(
                pq.read_table(root / shard.name).to_pylist()
            )
        first = list_shards(root)[0]
        metadata = pq.read_schema(root / first.name).metadata
        self.features = json.loads(metadata[b"huggingface"])["info"]["features"]

    def get(self, url: str, **_: Any) -> Any:
        path, _, query = url.rpartition("/")[2].partition("?")
        asked = dict(part.split("=") for part in query.split("&"))
        split = asked.get("split", "").rstrip("]")
        if path == "splits":
            return _Reply({"splits": [{"split": s, "config": c} for s in self.rows
                                      for c in ("default", "labels")]})  # fmt: skip
        if path == "info":
            sizes = {s: {"num_examples": len(rows)} for s, rows in self.rows.items()}
            return _Reply({"dataset_info": {"features": self.features, "splits": sizes}})
        start, length = int(asked["offset"]), int(asked["length"])
        rows = self.rows[split][start : start + length]
        return _Reply({"rows": [self._row(n, row) for n, row in enumerate(rows, start)]})

    def _row(self, number: int, row: dict[str, Any]) -> dict[str, Any]:
        address = f"mem://{row['id']}"
        self.pictures[address] = row["image"]["bytes"]
        return {"row_idx": number, "row": {**row, "image": {"src": address}}}

    def download(self, urls_and_filepaths: list[tuple[str, str]], num_workers: int) -> None:
        for url, file in urls_and_filepaths:
            Path(file).write_bytes(self.pictures[url])


class _Reply:
    def __init__(self, content: Any) -> None:
        self._content = content

    def json(self) -> Any:
        return self._content


def test_fiftyone_yml__fiftyones_loader_gives_samples_with_labels(
    fiftyone: Any,  # noqa: F811
    released: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import fiftyone.utils.huggingface as hub

    service = _RowsService(released)
    monkeypatch.setattr(hub.requests, "get", service.get)
    monkeypatch.setattr(hub, "_download_images", service.download)
    monkeypatch.setattr(fiftyone.config, "default_dataset_dir", str(tmp_path))
    dataset = hub.load_from_hub("user/name", config_file=str(released / fiftyone_file.NAME))
    assert len(dataset) == sum(len(rows) for rows in service.rows.values())
    by_id = {row["id"]: row for rows in service.rows.values() for row in rows}
    for sample in dataset:
        row = by_id[sample["hf_id"]]
        assert sample.emotion.label == EMOTIONS[row["emotion"]]
        assert sample.style.label == STYLES[row["style"]]
        assert sample.license == row["license"]
        assert Path(sample.filepath).read_bytes() == row["image"]["bytes"]


def test_fiftyone_yml__names_only_what_fiftyone_can_read(
    spoiled: Path, rewrite: Callable[..., None], tmp_path: Path
) -> None:
    shard = spoiled / list_shards(spoiled)[0].name
    assert fiftyone_file.write(spoiled, name="x")
    found = yaml.safe_load((spoiled / "fiftyone.yml").read_text())
    assert found["classification_fields"] == ["emotion", "style"]
    rewrite(shard, lambda rows: rows[0].update(emotion=None, emotion_rule="abstain"))
    assert fiftyone_file.write(spoiled, name="x")
    found = yaml.safe_load((spoiled / "fiftyone.yml").read_text())
    assert found["classification_fields"] == ["style"]
    rewrite(shard, lambda rows: rows[0].update(image=None, published_sha256=None))
    (spoiled / "fiftyone.yml").unlink()
    assert not fiftyone_file.write(spoiled, name="x")
    assert not (spoiled / "fiftyone.yml").exists()
