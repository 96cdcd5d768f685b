"""Who may import whom: the rules that keep the parts apart, read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "torchvision", "open_clip", "fiftyone", "img2dataset", "ray", "datasets", "timm"}


def imports(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """Dotted names a file imports; with `top_level` only those that run on import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def starts(name: str, *prefixes: str) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("emo8", ("pretrain", "benchmarks")),
        ("pretrain", ("benchmarks",)),
        ("cards", ("emo8", "pretrain", "benchmarks")),
    ],
)
def test_packages__never_import_upwards(package: str, forbidden: tuple[str, ...]) -> None:
    found = [(p.name, n) for p in files(package) for n in imports(p) if starts(n, *forbidden)]
    assert not found


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("pretrain", ("emo8.schema", "emo8.taxonomy", "emo8.clip", "emo8.fingerprints")),
        (
            "benchmarks",
            (
                *("emo8.schema", "emo8.taxonomy", "emo8.clip", "emo8.errors", "emo8.images"),
                *("emo8.fingerprints", "emo8.copies", "emo8.filters", "emo8.config"),
                *("emo8.sample.make_composites", "emo8.sample.picks", "emo8.blur"),
            ),
        ),
    ],
)
def test_packages__use_only_the_shared_parts_of_emo8(
    package: str, allowed: tuple[str, ...]
) -> None:
    # what the speed scripts measure
    measured = (
        *("emo8.measure", "emo8.labels", "emo8.engines", "emo8.steps", "emo8.parts"),
        *("emo8.memory", "emo8.web"),
    )
    found = [
        (path.name, name)
        for path in files(package)
        for name in imports(path)
        if starts(name, "emo8") and name != "emo8" and not starts(name, *allowed)
        if path.parent.name != "speed" or not starts(name, *measured)
    ]
    assert not found


def test_benchmarks__take_only_models_and_checkpoints_from_pretrain() -> None:
    allowed = ("pretrain.models", "pretrain.checkpoint", "pretrain.classifier")
    loading = ("batches", "config", "data", "pictures", "recipes")
    measured = ("pretrain.step", *(f"pretrain.{name}" for name in loading))
    found = [
        (path.name, name)
        for path in files("benchmarks")
        for name in imports(path)
        if starts(name, "pretrain") and name != "pretrain" and not starts(name, *allowed)
        # speed scripts measure the training step and the loader themselves
        if path.parent.name != "speed" or not starts(name, *measured)
    ]
    assert not found


def test_filters__never_import_each_other() -> None:
    for path in files("emo8/filters"):
        if path.name == "__init__.py":
            continue
        used = {name for name in imports(path) if starts(name, "emo8.filters")}
        assert all(starts(name, "emo8.filters.base") for name in used), path


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("open_clip", {"emo8/clip/encoder.py"}),
        ("fiftyone", {"emo8/browse/"}),
        ("img2dataset", {"emo8/fetch.py"}),
        ("ray", {"emo8/cluster.py"}),
    ],
)
def test_libraries__that_only_one_module_may_import(library: str, owners: set[str]) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in ("emo8", "pretrain", "benchmarks")
        for path in files(package)
        if any(starts(name, library) for name in imports(path))
    }
    scripts = {"emo8/sample/"}
    allowed = (*scripts, *owners)
    assert not [user for user in users if not user.startswith(allowed)]


def test_emo8__imports_no_heavy_library_at_top_level() -> None:
    found = [
        (path.name, name)
        for path in files("emo8")
        if "sample" not in path.parts
        for name in imports(path, top_level=True)
        if name.split(".")[0] in HEAVY
    ]
    assert not found


def test_leaves__nobody_imports_the_command_lines() -> None:
    leaves = (
        "emo8.cli",
        "emo8.demo",
        "emo8.publish",
        "emo8.browse",
        "pretrain.cli",
        "benchmarks.cli",
    )
    found = [
        (path.name, name)
        for package in ("emo8", "pretrain", "benchmarks")
        for path in files(package)
        if path.name != "cli.py" and path.parent.name not in ("commands", "browse")
        for name in imports(path)
        if starts(name, *leaves) and not starts(name, "emo8.browse.database")  # what is installed
    ]
    assert not found
