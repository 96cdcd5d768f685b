"""Will it help me, and what will it cost: `uniemox plan --data DATA`, before anything is trained.

What is counted is exact, what is computed says its formula, what is expected says how sure it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pretrain import expectation
from pretrain.config import recipes
from pretrain.config.overrides import override
from pretrain.config.resolve import resolve_features, resolve_steps
from pretrain.config.settings import PretrainConfig, as_dict

SMALL = 5_000  # pictures below which a CPU recipe is advised where there is no GPU named
MFU = 0.35  # share of a device's peak that a training step reaches; what is assumed, not measured
TEACHER_GFLOP = 35.1  # of one picture through CLIP ViT-B/16: 2 x 17.6 G multiply-adds at 224 px
EMBEDDED_GFLOP = 0.18  # the embedded CLIP at 64 px, counted
TRIED_ROWS = 16  # of a step that is timed on a CPU
BYTES_PER_WEIGHT = 16  # fp32 weight, gradient and AdamW's two averages
LONG_TEXT = 300  # characters; about the 77 tokens that CLIP reads


def plan(
    data: str,
    *,
    recipe: str = "",
    device: str = "auto",
    settings: dict[str, str] | None = None,
    price_per_hour: float = 0.0,
) -> dict[str, Any]:
    """{"data", "recipe", "run", "expect"}: what is there, which recipe and why, costs, promise."""
    facts = _data(data, settings or {})
    name, why = (recipe, "you named it") if recipe else _advise(facts["pictures"], device)
    config = override(recipes.get(name), settings or {})
    config = resolve_features(config, from_cache=facts["cache"])
    config = resolve_steps(config, facts["pictures"], 1)
    run = _run(config, device)
    if price_per_hour:
        run["price"] = round(price_per_hour * run["hours"], 2)
    return {
        "data": facts,
        "recipe": {"name": config.recipe, "why": why},
        "run": run,
        "expect": expectation.expectation(config, run["pictures_seen"], facts["pictures"]),
        "settings": as_dict(config),
    }


def _advise(pictures: int, device: str) -> tuple[str, str]:
    """A recipe and the reason."""
    import torch

    gpu = device not in ("auto", "cpu") or (device == "auto" and torch.cuda.is_available())
    if gpu:
        return "recommended", "a GPU: ViT-B/16 with the light decoder"
    if pictures < SMALL:
        return "cpu_demo", f"a CPU and fewer than {SMALL:,} pictures: minutes, and it shows the way"
    return "study_ti8", "a CPU: the smallest network of which we have curves"


# The data -----------------------------------------------------------------------------------------


def _data(data: str, settings: dict[str, str]) -> dict[str, Any]:
    """Pictures, boxes, texts, duplicates and overlap of the splits."""
    from pretrain.data.cache import MemorySource, open_source
    from pretrain.data.dataset import split_names

    config = override(recipes.cpu_demo(), {k: v for k, v in settings.items() if k[:5] == "data."})
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, in_memory=False))
    cache = data.endswith(".safetensors")
    if cache:
        config = _with_teacher_of(data, config)
    source = open_source(data, config.data.split, config)
    boxes = source.people.sizes[:, 0].count_nonzero() if isinstance(source, MemorySource) else None
    others = (
        [] if cache else [n for n in split_names(data) if n not in config.data.split.split("+")]
    )
    seen = set(source.ids)
    overlap = {name: len(seen & set(_ids(data, name, config))) for name in others}
    return {
        "name": data,
        "cache": cache,
        "pictures": len(source.ids),
        "with_person_box": int(boxes) if boxes is not None else _boxes(data, config),
        "duplicates": len(source.ids) - len(seen),
        "also_in": overlap,
        "texts": _texts([source.texts[int(i)] for i in source.text_index]),
    }


def _with_teacher_of(path: str, config: PretrainConfig) -> PretrainConfig:
    """`config` with the teacher that a cache file was made with."""
    from pathlib import Path

    from pretrain.data.cache import read_file

    name = read_file(Path(path))[1]["teacher"]["name"]
    return override(config, {"teacher.name": name})


def _ids(data: str, split: str, config: PretrainConfig) -> list[str]:
    from pretrain.data.dataset import open_dataset, row_ids

    return row_ids(open_dataset(data, split, revision=config.data.revision))


def _boxes(data: str, config: PretrainConfig) -> int:
    """Rows with at least one person."""
    from pretrain.data.dataset import open_dataset

    dataset = open_dataset(data, config.data.split, revision=config.data.revision)
    if "people" not in dataset.column_names:
        return 0
    return sum(bool(people) for people in dataset["people"])


def _texts(texts: Sequence[str]) -> dict[str, Any]:
    """How many there are, and how long."""
    from pretrain.data.dataset import NO_TEXT

    lengths = sorted(len(text) for text in texts)
    return {
        "without": sum(text == NO_TEXT for text in texts),
        "distinct": len(set(texts)),
        "median_characters": lengths[len(lengths) // 2],
        "longer_than_the_teacher_reads": sum(n > LONG_TEXT for n in lengths),
    }


# The run ------------------------------------------------------------------------------------------


def _run(config: PretrainConfig, device: str) -> dict[str, Any]:
    """Steps, time, memory and disk, by formula."""
    from pretrain.train.progress import flops_per_row

    rows = config.steps * config.data.batch_size * config.optim.accumulate
    embedded = config.teacher.name == "embedded"
    teacher_dim = 128 if embedded else 512
    gflop = student = flops_per_row(config, teacher_dim) / 1e9
    if config.teacher.features != "cached":
        gflop += EMBEDDED_GFLOP if embedded else TEACHER_GFLOP
    tflops, where, share = _speed(device, config, student)
    weights = _weights(config, teacher_dim)
    seconds = rows * gflop / 1e3 / (tflops * share)
    return {
        "steps": config.steps,
        "batch": config.data.batch_size,
        "pictures_seen": rows,
        "gflop_per_picture": float(f"{gflop:.4g}"),
        "device": where,
        "tflops": round(tflops, 3),
        "share_of_it": share,
        "hours": round(seconds / 3600, 4),
        "weights_million": round(weights / 1e6, 1),
        "memory_gb": round(_memory(config, weights) / 1e9, 2),
        "disk_gb": round(weights * 12 * (config.system.keep + 2) / 1e9, 2),
        "formulas": {
            "hours": "pictures_seen x gflop_per_picture / (tflops x share_of_it)",
            "memory_gb": f"{BYTES_PER_WEIGHT} bytes a weight + 34 x tokens x width bytes a block "
            "and picture (Korthikanti et al. 2022, sec. 4.1)",
            "disk_gb": "12 bytes a weight and checkpoint",
        },
    }


def _weights(config: PretrainConfig, teacher_dim: int) -> int:
    import torch

    from pretrain.models.uniemox import build_model

    with torch.device("meta"):
        model = build_model(config.model, teacher_dim=teacher_dim, seed=0)
    return sum(parameter.numel() for parameter in model.parameters())


def _memory(config: PretrainConfig, weights: int) -> float:
    """Bytes of the training state and of what a step keeps for its backward pass."""
    sizes, batch = config.model, config.data.batch_size
    kept = [1 + int(sizes.num_patches * (1 - r)) for r in _masks(config)]
    encoder = sum(kept) * sizes.dim * sizes.depth
    decoder = (1 + sizes.num_patches) * sizes.decoder_dim * sizes.decoder_depth
    wide = 2 if config.system.precision == "fp32" else 1
    return BYTES_PER_WEIGHT * weights + 34 * wide * batch * (encoder + decoder)


def _masks(config: PretrainConfig) -> list[float]:
    sizes = config.model
    one = sizes.fusion in ("scene_only",)
    return [sizes.scene_mask_ratio] if one else [sizes.scene_mask_ratio, sizes.person_mask_ratio]


def _speed(device: str, config: PretrainConfig, student_gflop: float) -> tuple[float, str, float]:
    """TFLOPS, of what, and the share of them that a step reaches."""
    import torch

    from pretrain.train.progress import PEAKS

    name = device
    if device == "auto" and torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    if name in ("auto", "cpu"):
        seconds = min(_step_seconds(config, precision) for precision in ("fp32", "bf16"))
        tflops = TRIED_ROWS * student_gflop / 1e3 / seconds
        return tflops, f"this CPU with {torch.get_num_threads()} threads, by a few steps", 1.0
    found = next((peak for part, peak in PEAKS.items() if part.lower() in name.lower()), None)
    if found is None:
        raise ValueError(f"--device {device}: cpu, auto or one of {', '.join(PEAKS)}")
    return found[config.system.precision == "fp32"], name, MFU


def _step_seconds(config: PretrainConfig, precision: str) -> float:
    """The fastest of three small steps on random input, features cached."""
    from pretrain.step import UntrainedTeacher, random_batch
    from pretrain.teacher import CachedTeacher
    from pretrain.train.settle import step_seconds, with_system

    few = dataclasses.replace(config.data, batch_size=TRIED_ROWS)
    cached = dataclasses.replace(config.teacher, features="cached")
    config = dataclasses.replace(config, data=few, teacher=cached)
    names = ("name", "sha256", "license", "dim", "logit_scale")
    teacher = CachedTeacher({name: getattr(UntrainedTeacher, name) for name in names})
    batch = random_batch(config, teacher.dim)
    return step_seconds(with_system(config, precision, 0), [batch], teacher)


def told(found: dict[str, Any]) -> str:
    """The plan for people."""
    from pretrain.train.progress import duration

    data, run, expect = found["data"], found["run"], found["expect"]
    texts, others = data["texts"], data["also_in"]
    lines = [
        f"data     {data['name']}: {data['pictures']:,} pictures, "
        f"{data['with_person_box']:,} with a person box",
        f"texts    {texts['distinct']:,} different, {texts['without']:,} pictures without; median "
        f"{texts['median_characters']} characters, {texts['longer_than_the_teacher_reads']:,} "
        "longer than the teacher reads",
        f"copies   {data['duplicates']:,} rows repeat another"
        + "".join(f"; {count:,} are also in {name}" for name, count in others.items()),
        f"recipe   {found['recipe']['name']}: {found['recipe']['why']}",
        f"run      {run['steps']:,} steps of {run['batch']}: {run['pictures_seen']:,} pictures, "
        f"{expect['passes_over_the_data']} passes",
        f"time     about {duration(3600 * run['hours'])} on {run['device']}",
        f"memory   about {run['memory_gb']} GB; checkpoints {run['disk_gb']} GB of disk",
    ]
    if "price" in run:
        lines.append(f"price    {run['price']:.2f}")
    lines += [f"expect   {expectation.told(expect)}", f"         {expect['transfer']}"]
    return "\n".join(lines) + "\n"
