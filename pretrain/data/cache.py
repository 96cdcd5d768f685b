"""Decoded views in one block of memory, and the safetensors file that holds them.

The file lets training run where only torch, timm, numpy and safetensors are installed: it has
scene and person pixels (uint8, shorter side at most `store_side_px`), boxes, ids, splits, texts,
text features, and per row K random scene crops each with the teacher's feature of exactly that
crop.

Letters: N rows, K crops per row, T teacher width, H W pixels, C channels.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emo8.core.json_text import parse_json
from pretrain.config.settings import DataConfig, PretrainConfig, without_folder
from pretrain.data.dataset import (
    LABELS,
    NO_TEXT,
    DatasetSource,
    Source,
    choose_split,
    distinct,
    open_dataset,
    roots,
    split_names,
)
from pretrain.teacher import CachedTeacher, Teacher, check_features, describe
from pretrain.views.cut import cut, random_box, shrink
from pretrain.views.pictures import Picture, Pixels, UnreadableImageError

logger = logging.getLogger(__name__)

FORMAT = "uniemox-cache-1"
OF_CROPS = ("views.flip_prob", "views.ratio", "views.scene_scale")  # stored with their features
TEACHER_BATCH = 128  # crops given to the teacher at once


@dataclass(frozen=True, kw_only=True)
class PackedImages:
    """Pictures of many sizes in one flat tensor."""

    pixels: Tensor  # uint8, all pictures one after the other
    offsets: Tensor  # int64 (N + 1): where each starts
    sizes: Tensor  # int64 (N, 2): height and width; 0, 0 where there is none

    @classmethod
    def pack(cls, images: Iterable[Tensor | None]) -> PackedImages:
        """Pictures uint8 (H, W, 3), None for none."""
        kept = [torch.zeros(0, 0, 3, dtype=torch.uint8) if i is None else i for i in images]
        counts = torch.tensor([0] + [image.numel() for image in kept], dtype=torch.int64)
        flat = [image.flatten() for image in kept]
        return cls(
            pixels=torch.cat(flat) if flat else torch.zeros(0, dtype=torch.uint8),
            offsets=counts.cumsum(0),
            sizes=torch.tensor([image.shape[:2] for image in kept], dtype=torch.int64).view(-1, 2),
        )

    def __getitem__(self, row: int) -> Tensor | None:
        height, width = self.sizes[row].tolist()
        if not height:
            return None
        start, end = self.offsets[row : row + 2].tolist()
        return self.pixels[start:end].view(height, width, 3)


@dataclass(frozen=True, kw_only=True)
class StoredCrops:
    """Random scene crops with the teacher's feature of each."""

    boxes: Tensor  # float32 (N, K, 4): left, top, right, bottom as fractions
    flips: Tensor  # bool (N, K)
    features: Tensor  # float32 (N, K, T), unit


class MemorySource:
    """A `Source` of decoded pixels; `crops` and `text_features` only when read from a cache."""

    def __init__(
        self,
        *,
        ids: list[str],
        texts: list[str],
        text_index: Tensor,
        scenes: PackedImages,
        people: PackedImages,
        rows: Sequence[int] | None = None,
        skipped: list[str] | None = None,
        labels: dict[str, list[str | None]] | None = None,
        crops: StoredCrops | None = None,
        text_features: Tensor | None = None,
        teacher: CachedTeacher | None = None,
    ) -> None:
        self.ids, self.texts, self.text_index = ids, texts, text_index
        self.skipped, self.labels = skipped or [], labels or {}
        self.crops, self.text_features, self.teacher = crops, text_features, teacher
        self.scenes, self.people = scenes, people
        self._rows = list(range(len(ids))) if rows is None else list(rows)

    def pixels(self, row: int) -> Pixels:
        place = self._rows[row]
        scene = self.scenes[place]
        assert scene is not None  # every kept row has a scene
        return Pixels(scene, self.people[place])

    def picture(self, row: int) -> Picture:
        return self.pixels(row)


def open_source(data: str, split: str, config: PretrainConfig) -> Source:
    """The split of a dataset or of a cache file, as the recipe wants it held."""
    if Path(data).suffix == ".safetensors":
        return read_cache(Path(data), split, config)
    dataset = open_dataset(data, split, revision=config.data.revision)
    source = DatasetSource(dataset, config.data, config.views, roots(data, dataset))
    if not source.ids:
        raise ValueError(f"--data {data}: split {split!r} has no rows")
    if config.data.in_memory:
        tell_blurred(config.data.store_side_px, config, f"--data {data}")
    return hold_in_memory(source, config.data) if config.data.in_memory else source


def tell_blurred(stored_px: int, config: PretrainConfig, where: str) -> None:
    """Warn where pictures are stored smaller than a view, so that every view is an enlarged one."""
    side = config.model.image_size
    if stored_px < side:
        logger.warning(
            "%s: pictures are kept with a shorter side of %d (data.store_side_px), and a view "
            "has %d pixels (model.image_size), so every view is blurred",
            *(where, stored_px, side),
        )


def hold_in_memory(source: Source, config: DataConfig) -> MemorySource:
    """The source with every picture decoded once and shrunk; unreadable rows are left out."""
    kept, scenes, people, skipped = [], [], [], list(source.skipped)
    for row, row_id in enumerate(source.ids):
        try:
            pixels = source.pixels(row)
        except UnreadableImageError as problem:
            logger.warning("skipped %s", problem)
            skipped.append(row_id)
            continue
        kept.append(row)
        scenes.append(shrink(pixels.scene, config.store_side_px))
        found = pixels.person
        people.append(None if found is None else shrink(found, config.store_side_px))
    if not kept:
        raise ValueError("none of the dataset's pictures can be decoded")
    texts, index = distinct([source.texts[int(source.text_index[row])] for row in kept])
    if config.text_dropout and NO_TEXT not in texts:
        texts.append(NO_TEXT)
    return MemorySource(
        ids=[source.ids[row] for row in kept],
        texts=texts,
        text_index=index,
        scenes=PackedImages.pack(scenes),
        people=PackedImages.pack(people),
        skipped=skipped,
        labels={name: [found[row] for row in kept] for name, found in source.labels.items()},
    )


def write_cache(
    data: str, path: Path, config: PretrainConfig, teacher: Teacher, *, num_crops: int
) -> int:
    """Number of rows written to the cache file at `path`, all splits of the dataset in one."""
    from safetensors.torch import save_file

    tell_blurred(config.data.store_side_px, config, f"--data {data}")
    names = split_names(data)
    parts = []
    for name in names:
        dataset = open_dataset(data, name, revision=config.data.revision)
        rows = DatasetSource(dataset, config.data, config.views, roots(data, dataset))
        parts.append(hold_in_memory(rows, config.data))
    ids = [row_id for part in parts for row_id in part.ids]
    texts, index = distinct([part.texts[int(i)] for part in parts for i in part.text_index])
    if NO_TEXT not in texts:
        texts.append(NO_TEXT)  # for prompt dropout
    scenes = [part.scenes[row] for part in parts for row in range(len(part.ids))]
    people = [part.people[row] for part in parts for row in range(len(part.ids))]
    crops = _teacher_crops(scenes, config, teacher, num_crops)
    tensors = {
        **_packed("scene", PackedImages.pack(scenes)),
        **_packed("person", PackedImages.pack(people)),
        "split": torch.tensor([i for i, part in enumerate(parts) for _ in part.ids]),
        "text_index": index,
        "text_features": check_features(teacher.text_features(texts), teacher.name),
        "crop_boxes": crops.boxes,
        "crop_flips": crops.flips,
        "crop_features": check_features(crops.features, teacher.name),
        "ids": _encode_strings(ids),
        "texts": _encode_strings(texts),
        "labels": _encode_strings(_joined_labels(parts)),
    }
    facts = {
        "format": FORMAT,
        "splits": names,
        "teacher": describe(teacher),
        "made_for": _made_for(config),
        "store_side_px": config.data.store_side_px,
        "skipped": [row_id for part in parts for row_id in part.skipped],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    half_written = path.with_name(path.name + ".tmp")
    save_file(tensors, half_written, {"uniemox": json.dumps(facts, sort_keys=True)})
    half_written.chmod(0o644)  # safetensors writes files that only their owner can read
    half_written.replace(path)
    return len(ids)


def read_cache(path: Path, split: str, config: PretrainConfig) -> MemorySource:
    """One split of a cache file; ValueError if it is another format or another teacher's."""
    tensors, facts = read_file(path)
    teacher = CachedTeacher(facts["teacher"])
    if teacher.name not in (config.teacher.name, without_folder(config.teacher.name)):
        raise ValueError(
            f"{path} was made with teacher {teacher.name!r}, the recipe wants "
            f"{config.teacher.name!r}; make another cache or set --teacher.name {teacher.name}"
        )
    _check_made_for(path, facts, config)
    stored_px = facts.get("store_side_px", config.model.image_size)
    tell_blurred(stored_px, config, str(path))
    known = facts["splits"]
    wanted = [known.index(choose_split(str(path), part, known)) for part in split.split("+")]
    rows = torch.isin(tensors["split"], torch.tensor(wanted)).nonzero().flatten()
    ids = _decode_strings(tensors["ids"])
    texts = _decode_strings(tensors["texts"])
    labels = _decode_strings(tensors["labels"]) if "labels" in tensors else {}
    return MemorySource(
        ids=[ids[int(row)] for row in rows],
        texts=texts,
        text_index=tensors["text_index"][rows],
        scenes=_unpacked("scene", tensors),
        people=_unpacked("person", tensors),
        rows=rows.tolist(),
        skipped=facts["skipped"],
        labels={name: [found[int(row)] for row in rows] for name, found in labels.items()},
        crops=StoredCrops(
            boxes=tensors["crop_boxes"][rows],
            flips=tensors["crop_flips"][rows],
            features=check_features(tensors["crop_features"][rows], str(path)),
        ),
        text_features=check_features(tensors["text_features"], str(path)),
        teacher=teacher,
    )


def _check_made_for(path: Path, facts: dict[str, Any], config: PretrainConfig) -> None:
    """ValueError, naming both, where the cache is of another revision; a warning for other views.

    Other views train all the same: the crops, regions and texts are then those of the cache.
    """
    wanted = _made_for(config)
    live = config.teacher.features == "live"  # then crops are drawn, not taken from the file
    for name, stored in facts.get("made_for", {}).items():
        if name not in wanted or (live and name in OF_CROPS):
            continue
        if name == "data.revision" and not wanted[name]:
            continue  # the recipe does not ask for one
        if stored == wanted[name]:
            continue
        told = f"{path} was made with {name} {stored!r}, the recipe wants {wanted[name]!r}"
        if name == "data.revision":
            raise ValueError(f"{told}; make another cache, or give --{name} as it was made")
        logger.warning("%s: the cache's is used", told)


def _made_for(config: PretrainConfig) -> dict[str, Any]:
    """The settings that stored crops, person regions and texts depend on."""
    views, data = config.views, config.data
    return {
        "data.revision": data.revision,
        "data.store_side_px": data.store_side_px,
        "data.text_columns": list(data.text_columns),
        "data.text_with_emotion": data.text_with_emotion,
        "views.flip_prob": views.flip_prob,
        "views.person_jitter": views.person_jitter,
        "views.person_margin": views.person_margin,
        "views.person_min_side_px": views.person_min_side_px,
        "views.ratio": list(views.ratio),
        "views.scene_scale": list(views.scene_scale),
    }


def read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ValueError(f"--data {path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            facts = parse_json((file.metadata() or {}).get("uniemox", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as problem:
        raise ValueError(f"--data {path}: not a complete safetensors file ({problem})") from problem
    if facts.get("format") != FORMAT:
        raise ValueError(f"--data {path}: not a file of `uniemox cache` ({FORMAT})")
    return tensors, facts


def _teacher_crops(
    scenes: Sequence[Tensor | None], config: PretrainConfig, teacher: Teacher, num_crops: int
) -> StoredCrops:
    """K crops per scene and the teacher's features of them, drawn from (seed, row)."""
    size = config.model.image_size
    boxes = torch.zeros(len(scenes), num_crops, 4)
    flips = torch.zeros(len(scenes), num_crops, dtype=torch.bool)
    features, views = [], []
    for row, scene in enumerate(scenes):
        assert scene is not None
        rng = np.random.default_rng((config.seed, 0, row))
        height, width, _ = scene.shape
        for crop in range(num_crops):
            box = random_box(rng, width, height, config.views.scene_scale, config.views.ratio)
            flips[row, crop] = bool(rng.random() < config.views.flip_prob)
            edges = torch.tensor([width, height, width, height])
            boxes[row, crop] = torch.tensor(box) / edges
            views.append(cut(scene, box, size, flip=bool(flips[row, crop])))
        if len(views) >= TEACHER_BATCH or row + 1 == len(scenes):
            features.append(teacher.image_features(torch.stack(views)).cpu())
            views = []
    every = torch.cat(features).view(len(scenes), num_crops, -1)
    return StoredCrops(boxes=boxes, flips=flips, features=every)


def _packed(name: str, images: PackedImages) -> dict[str, Tensor]:
    return {
        f"{name}_pixels": images.pixels,
        f"{name}_offsets": images.offsets,
        f"{name}_sizes": images.sizes,
    }


def _unpacked(name: str, tensors: dict[str, Tensor]) -> PackedImages:
    return PackedImages(
        pixels=tensors[f"{name}_pixels"],
        offsets=tensors[f"{name}_offsets"],
        sizes=tensors[f"{name}_sizes"],
    )


def _joined_labels(parts: Sequence[MemorySource]) -> dict[str, list[str | None]]:
    """The labels of all splits, one after the other; None where a split lacks the column."""
    return {
        name: [x for part in parts for x in part.labels.get(name, [None] * len(part.ids))]
        for name in LABELS
        if any(name in part.labels for part in parts)
    }


def _encode_strings(values: Any) -> Tensor:
    return torch.from_numpy(np.frombuffer(json.dumps(values).encode(), dtype=np.uint8).copy())


def _decode_strings(values: Tensor) -> Any:
    return parse_json(values.numpy().tobytes())
