"""The dataset card: YAML that the Hub and `datasets` read, and a body from the build's numbers."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pyarrow.parquet as pq
import yaml

from emo8 import schema
from emo8.dataset import data_files, dataset_fingerprint
from emo8.parts import write_text
from emo8.reasons import REASONS
from emo8.splits import SPLITS
from emo8.taxonomy import EMOTIONS, STYLES


def write_card(build: Path, name: str, stats: dict[str, Any]) -> None:
    """Write `dataset/README.md` from the template in `cards/`."""
    template = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    ).from_string((files("cards") / "dataset.md").read_text(encoding="utf-8"))
    text = template.render(
        front_matter=front_matter(build, stats),
        name=name,
        # also makes the card, by which `datasets` keys its cache, change with the rows
        fingerprint=dataset_fingerprint(build),
        emotions=EMOTIONS,
        styles=STYLES,
        reasons=REASONS,
        columns={column: meaning for column, (_, meaning) in schema.PUBLISHED.items()},
        **stats,
    )
    write_text(build / "dataset" / "README.md", text)


def front_matter(build: Path, stats: dict[str, Any]) -> str:
    """The card's YAML block: one default config over all styles, and one config per style."""
    by_split = data_files(build)
    configs = [_config("default", by_split)]
    for style in STYLES:
        own = {
            split: [path for path in paths if path.startswith(f"data/{style}/")]
            for split, paths in by_split.items()
        }
        own = {split: paths for split, paths in own.items() if paths}
        if own:
            configs.append(_config(style, own))
    info = {
        "config_name": "default",
        "features": schema.published_features()._to_yaml_list(),
        "splits": [
            {
                "name": split,
                "num_bytes": _num_bytes(build, by_split[split]),
                "num_examples": stats["splits"][split],
            }
            for split in SPLITS
            if split in by_split
        ],
    }
    content = {
        "license": "other",
        "license_name": "per-image",
        "license_link": "README.md",
        "task_categories": ["image-classification"],
        "tags": ["emotion", "affective-computing"],
        "size_categories": [_size_category(stats["num_rows"])],
        "configs": configs,
        "dataset_info": [info],
    }
    return "---\n" + yaml.safe_dump(content, sort_keys=False, allow_unicode=True) + "---\n"


def _num_bytes(build: Path, paths: list[str]) -> int:
    """Uncompressed size of these shards, from their footers."""
    footers = (pq.read_metadata(build / "dataset" / path) for path in paths)
    return sum(
        footer.row_group(group).total_byte_size
        for footer in footers
        for group in range(footer.num_row_groups)
    )


def _config(name: str, by_split: dict[str, list[str]]) -> dict[str, Any]:
    files_ = [{"split": split, "path": paths} for split, paths in by_split.items()]
    config: dict[str, Any] = {"config_name": name, "data_files": files_}
    if name == "default":
        config["default"] = True
    return config


def _size_category(num_rows: int) -> str:
    """The Hub's name for this many rows."""
    limits = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    for limit, name in limits:
        if num_rows < limit:
            return name
    return "100K<n<1M" if num_rows < 1_000_000 else "1M<n<10M"
