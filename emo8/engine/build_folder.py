"""The folder of one build: whose it is, who writes to it now, and what was resolved for it."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import socket
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from emo8.core.errors import BuildError
from emo8.core.inside import read_plain
from emo8.core.json_text import parse_json
from emo8.core.settings import Recipe
from emo8.engine.files import forget_partials, write_text

RESOLVED = "resolved.json"
PLAN = "plan.json"
RECIPE = "recipe.toml"
_PACKAGES = (
    "emo8",
    "torch",
    "open_clip_torch",
    "pillow",
    "pyarrow",
    "numpy",
    "opencv-python-headless",
)


def check_target(build: Path, recipe: Recipe, recipe_path: Path) -> None:
    """Raise BuildError when `build` is another recipe's folder, or not a build at all."""
    if re.match(r"\w\w+:/", str(build)):  # pathlib made one slash of two
        raise BuildError(
            f"-o {build}: a build needs a folder of this machine or a shared file system, no "
            "address; docs/cluster.md says how a bucket takes part"
        )
    if not build.exists():
        return
    if not build.is_dir():
        raise BuildError(f"{build} is a file; give a folder with -o")
    resolved = read_json(build / RESOLVED) or _from_recipe(build)
    if resolved is None:
        strangers = [entry.name for entry in build.iterdir() if not entry.name.startswith(".")]
        if strangers:
            raise BuildError(
                f"{build} holds {strangers[0]!r} and is no emo8 build: refusing to write recipe "
                f"{recipe.name!r} ({recipe_path}) there; give an empty or new folder with -o"
            )
        return
    owner = resolved["recipe"]["name"]
    if owner != recipe.name:
        raise BuildError(
            f"{build} belongs to recipe {owner!r} ({resolved['recipe_path']}), not to "
            f"{recipe.name!r} ({recipe_path}); give another folder with -o"
        )


def _from_recipe(build: Path) -> dict[str, Any] | None:
    """Whose a build is when `resolved.json` is damaged, by the recipe beside it."""
    path = build / RECIPE
    try:
        content = tomllib.loads(read_plain(path).decode())
    except (OSError, ValueError):
        return None
    own = (build / PLAN).exists() and "name" in content
    return {"recipe": {"name": content["name"]}, "recipe_path": str(path)} if own else None


def require_build(build: Path) -> dict[str, Any]:
    """What was resolved for the build at `build`; BuildError when there is none."""
    resolved = read_json(build / RESOLVED)
    if resolved is None:
        raise BuildError(f"no build at {build}: run `emo8 build RECIPE -o {build}` first")
    return resolved


def is_build(folder: Path) -> bool:
    """Whether a folder is a build, finished or not: what lies in it is ours and no input."""
    return "recipe_path" in (read_json(folder / RESOLVED) or {})


@contextmanager
def writing(build: Path) -> Iterator[None]:
    """Hold the build's lock; it dies with this process. BuildError names the holder."""
    build.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(build / ".lock", timeout=0), build / ".lock-owner.json"
    try:
        with lock:
            write_text(owner, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            try:
                forget_partials(build)
                yield
            finally:
                owner.unlink(missing_ok=True)
    except Timeout:
        holder = read_json(owner) or {}
        raise BuildError(
            f"{build} is being written by process {holder.get('pid', '?')} on "
            f"{holder.get('host', '?')}; wait for it, or stop it"
        ) from None


def write_resolved(
    build: Path, recipe: Recipe, recipe_path: Path, resolved: dict[str, Any]
) -> None:
    """Write `recipe.toml` and `resolved.json`: what was asked, and what it came to."""
    content = {
        "recipe": dataclasses.asdict(recipe),
        "recipe_path": str(recipe_path.resolve()),
        **resolved,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }
    write_text(build / RESOLVED, json.dumps(content, indent=2) + "\n")
    write_text(build / RECIPE, recipe_path.read_text(encoding="utf-8"))


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None when there is none or it is damaged."""
    try:
        content = parse_json(read_plain(path))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
