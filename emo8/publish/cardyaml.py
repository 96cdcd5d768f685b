"""The card's YAML block: what the Hub and `datasets` read of it, written and checked.

The Hub checks a card only when it is uploaded, and local parsing accepts anything, so the rules
that matter are here: `check` gives one sentence per mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from emo8.core import schema
from emo8.core.inside import read_plain
from emo8.core.licenses import HUB_LICENSES, OTHER
from emo8.core.taxonomy import SPLITS
from emo8.dataset.shards import LABELS, README, VOTES, Shard, labels_of, list_shards

if TYPE_CHECKING:
    import datasets

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # many times as fast, where it is built
# Names the Hub knows, from the card documentation; only those this project can produce or that a
# publisher may reasonably set by hand.
TASKS = frozenset(
    {"image-classification", "image-feature-extraction", "zero-shot-image-classification",
     "image-to-text", "object-detection", "unconditional-image-generation"}
)  # fmt: skip
ANNOTATORS = frozenset({"expert-generated", "crowdsourced", "found", "machine-generated", "other",
                        "no-annotation"})  # fmt: skip
_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"),
)  # fmt: skip
_LARGEST = "100M<n<1B"
_KEYS = frozenset(
    """
    annotations_creators configs dataset_info extra_gated_fields extra_gated_prompt homepage
    language language_creators license license_link license_name multilinguality pretty_name
    size_categories source_datasets tags task_categories task_ids thumbnail viewer
    """.split()
)


def front_matter(
    root: Path,
    *,
    title: str,
    language: Sequence[str],
    licenses: Sequence[str],
    annotators: Sequence[str],
) -> str:
    """The YAML block of a dataset folder, with its `---` lines.

    `licenses` are the Hub's identifiers in the order of their rows.
    """
    shards = list_shards(root)
    configs = [_config("default", _default_patterns(shards))]
    for style in labels_of(root).folders:
        own = [shard.split for shard in shards if shard.style == style]
        patterns = {split: [f"data/{style}/{split}-*.parquet"] for split in SPLITS if split in own}
        if patterns:
            configs.append(_config(style, patterns))
    infos = [_info("default", root, [(shard.split, shard.name) for shard in shards])]
    labels = sorted(path.name for path in (root / LABELS).glob("*.parquet"))
    if labels:
        by_split = [(name.rpartition("-")[0], f"{LABELS}/{name}") for name in labels]
        found = {split for split, _ in by_split}
        patterns = {s: [f"{LABELS}/{s}-*.parquet"] for s in SPLITS if s in found}
        configs.append(_config(LABELS, patterns))
        infos.append(_info(LABELS, root, by_split))
    cast = sorted(path.name for path in (root / VOTES).glob("*.parquet"))
    if cast:
        by_split = [(name.rpartition("-")[0], f"{VOTES}/{name}") for name in cast]
        configs.append(_config(VOTES, {s: [f"{VOTES}/{s}-*.parquet"] for s, _ in by_split}))
        infos.append(_info(VOTES, root, by_split))
    content: dict[str, Any] = {
        "pretty_name": title,
        "language": list(language),
        "license": licenses[0] if len(licenses) == 1 else list(licenses),
    }
    if OTHER in licenses:
        content |= {"license_name": "per-picture", "license_link": README}
    content |= {
        "annotations_creators": list(annotators),
        "task_categories": ["image-classification"],
        "tags": ["emotion", "affective-computing", "emo8", "croissant"],
        "size_categories": [size_category(_num_rows(infos[0]))],
        "configs": configs,
        "dataset_info": infos,
    }
    return "---\n" + yaml.safe_dump(content, sort_keys=False, allow_unicode=True) + "---\n"


def size_category(num_rows: int) -> str:
    """The Hub's name for this many rows."""
    return next((name for limit, name in _SIZES if num_rows < limit), _LARGEST)


def read_front_matter(text: str) -> dict[str, Any]:
    """The YAML block at the head of a card; ValueError when there is none."""
    found = re.match(r"---\r?\n(.*?)\r?\n---\r?\n", text, re.DOTALL)
    content = yaml.load(found[1], Loader=_LOADER) if found else None
    if not isinstance(content, dict):
        raise ValueError("the card does not begin with a YAML block between --- lines")
    return content


def check(root: Path) -> list[str]:
    """What is wrong with the card of a dataset folder, one sentence each; empty = nothing."""
    try:
        card = read_front_matter(read_plain(root / README).decode())
    except (OSError, ValueError, yaml.YAMLError) as error:
        return [str(error)]
    problems = [f"unknown key {key!r}" for key in card if key not in _KEYS]
    problems += _check_license(card)
    for key, known in (("task_categories", TASKS), ("annotations_creators", ANNOTATORS)):
        problems += [f"{key}: the Hub knows no {value!r}" for value in set(card[key]) - known]
    if not card.get("pretty_name"):
        problems.append("pretty_name is empty")
    for code in card["language"]:
        if not re.fullmatch(r"[a-z]{2,3}", str(code)):
            problems.append(f"language: {code!r} is no ISO 639 code")
    return problems + _check_configs(card, root)


def recounted(text: str, root: Path) -> str:
    """A card whose YAML block counts the rows that a folder holds now."""
    content = read_front_matter(text)
    shards = list_shards(root)
    files = {"default": [(shard.split, shard.name) for shard in shards]}
    for folder in (LABELS, VOTES):
        names = sorted(path.name for path in (root / folder).glob("*.parquet"))
        files[folder] = [(name.rpartition("-")[0], f"{folder}/{name}") for name in names]
    known = [info["config_name"] for info in content.get("dataset_info", [])]
    content["dataset_info"] = [_info(name, root, files[name]) for name in known if files.get(name)]
    block = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return f"---\n{block}---\n" + text.split("\n---\n", 1)[1]


def _check_license(card: dict[str, Any]) -> list[str]:
    declared = card.get("license") or []
    declared = [declared] if isinstance(declared, str) else declared
    problems = [f"license: the Hub knows no {name!r}" for name in set(declared) - HUB_LICENSES]
    if not declared:
        problems.append("license is empty")
    if OTHER in declared and not (card.get("license_name") and card.get("license_link")):
        problems.append("license is 'other': license_name and license_link are required")
    return problems


def _check_configs(card: dict[str, Any], root: Path) -> list[str]:
    problems, names = [], [config["config_name"] for config in card["configs"]]
    if sum(bool(config.get("default")) for config in card["configs"]) != 1:
        problems.append("configs: exactly one must be the default")
    if len(names) != len(set(names)):
        problems.append("configs: names repeat")
    for config in card["configs"]:
        for item in config["data_files"]:
            if item["split"] not in SPLITS:
                problems.append(f"config {config['config_name']}: unknown split {item['split']!r}")
            problems += [
                f"config {config['config_name']}: no file matches {pattern!r}"
                for pattern in item["path"]
                if not any(root.glob(pattern))
            ]
    count = cache(_rows_in)  # several configs name the same files
    totals = {config["config_name"]: _rows_of(config, root, count) for config in card["configs"]}
    for info in card["dataset_info"]:
        counts = {split["name"]: split["num_examples"] for split in info["splits"]}
        if info["config_name"] not in names:
            problems.append(f"dataset_info names no config: {info['config_name']!r}")
        elif counts != totals[info["config_name"]]:
            own = totals[info["config_name"]]
            problems.append(f"dataset_info {info['config_name']}: {counts}, the files {own}")
    return problems


def _rows_of(config: dict[str, Any], root: Path, count: Callable[[Path], int]) -> dict[str, int]:
    """Rows by split of the files that a config names; `count` gives those of one."""
    return {
        item["split"]: sum(count(path) for one in item["path"] for path in root.glob(one))
        for item in config["data_files"]
    }


def _rows_in(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid):  # damaged: its hash says so too
        return 0


def _default_patterns(shards: Sequence[Shard]) -> dict[str, list[str]]:
    """One glob per group of shards: files are then read group by group, all styles of each."""
    patterns: dict[str, list[str]] = {}
    for shard in shards:
        pattern = f"data/*/{shard.split}-{shard.group:05d}.parquet"
        known = patterns.setdefault(shard.split, [])
        if pattern not in known:
            known.append(pattern)
    return patterns


def _config(name: str, patterns: dict[str, list[str]]) -> dict[str, Any]:
    files = [{"split": split, "path": paths} for split, paths in patterns.items()]
    config: dict[str, Any] = {"config_name": name, "data_files": files}
    if name == "default":
        config["default"] = True
    return config


def _info(name: str, root: Path, files: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """`dataset_info` of one config: features, and rows and bytes per split from the footers."""
    splits: dict[str, dict[str, Any]] = {}
    for split, path in files:
        footer = pq.read_metadata(root / path)
        entry = splits.setdefault(split, {"name": split, "num_bytes": 0, "num_examples": 0})
        entry["num_examples"] += footer.num_rows
        groups = range(footer.num_row_groups)
        entry["num_bytes"] += sum(footer.row_group(group).total_byte_size for group in groups)
    ordered = [splits[split] for split in SPLITS if split in splits]
    return {
        "config_name": name,
        "features": _features(name, root)._to_yaml_list(),
        "splits": ordered,
        "download_size": sum((root / path).stat().st_size for _, path in files),
        "dataset_size": sum(split["num_bytes"] for split in ordered),
    }


def _features(config: str, root: Path) -> datasets.Features:
    if config == VOTES:
        return schema.votes_features()
    return schema.published_features(images=config != LABELS, labels=labels_of(root))


def _num_rows(info: dict[str, Any]) -> int:
    return sum(split["num_examples"] for split in info["splits"])
