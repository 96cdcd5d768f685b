"""Who may import whom: the rules that keep the parts apart, read from the source."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("emo8", "pretrain", "benchmarks")
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


SHARED = (
    "emo8.core", "emo8.dataset.open", "emo8.labels.clip", "emo8.duplicates",
    "emo8.engine.files", "emo8.engine.folders", "emo8.engine.derived", "emo8.measure.filters",
)  # fmt: skip


def test_pretrain__uses_only_the_shared_parts_of_emo8() -> None:
    found = [
        (path.name, name)
        for path in files("pretrain")
        for name in imports(path)
        if starts(name, "emo8") and name != "emo8" and not starts(name, *SHARED)
    ]
    assert not found


def test_benchmarks__use_only_the_shared_parts_of_emo8_and_the_models_of_pretrain() -> None:
    allowed = (*SHARED, "pretrain.models", "pretrain.weights")
    found = [
        (path.name, name)
        for path in files("benchmarks")
        if "lab" not in path.parts  # measures our own parts, whatever they are
        for name in imports(path)
        if starts(name, "emo8", "pretrain") and "." in name and not starts(name, *allowed)
    ]
    assert not found


def test_laboratory__is_imported_by_its_two_doors_alone() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in files(package)
        if "lab" not in path.parts
        for name in imports(path)
        if starts(name, "benchmarks.lab")
    }
    assert users == {"benchmarks/scale.py", "benchmarks/speed.py"}


def test_filters__never_import_each_other() -> None:
    for path in files("emo8/measure/filters"):
        if path.name == "__init__.py":
            continue
        used = {name for name in imports(path) if starts(name, "emo8.measure.filters")}
        assert all(starts(name, "emo8.measure.filters.base") for name in used), path


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("open_clip", {"emo8/labels/clip/"}),
        ("fiftyone", {"emo8/browse/"}),
        ("img2dataset", {"emo8/web/downloader.py"}),
        ("ray", {"emo8/engine/ray.py"}),
    ],
)
def test_libraries__that_only_one_module_may_import(library: str, owners: set[str]) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in ("emo8", "pretrain", "benchmarks")
        for path in files(package)
        if any(starts(name, library) for name in imports(path))
    }
    scripts = {"benchmarks/lab/"}
    allowed = (*scripts, *owners)
    assert not [user for user in users if not user.startswith(allowed)]


def test_emo8__imports_no_heavy_library_at_top_level() -> None:
    found = [
        (path.name, name)
        for path in files("emo8")
        for name in imports(path, top_level=True)
        if name.split(".")[0] in HEAVY
    ]
    assert not found


def test_doors__nobody_imports_them() -> None:
    doors = (
        *("emo8.cli", "emo8.commands", "emo8.demo", "emo8.publish.send", "emo8.browse"),
        *("pretrain.cli", "pretrain.commands", "benchmarks.cli", "benchmarks.commands"),
    )
    shared = ("emo8.browse.database", "emo8.demo.sample")  # what is installed, what is shipped
    found = [
        (path.name, name)
        for package in PACKAGES
        for path in files(package)
        if path.name not in ("cli.py", "__main__.py") and "commands" not in path.parts
        for name in imports(path)
        if starts(name, *doors) and not starts(name, *shared)
        if room(path) != room_of(name)
    ]
    assert not found


def room(path: Path) -> str:
    """The folder of a module below its package, or the module itself where it lies in none."""
    parts = path.relative_to(ROOT).parts
    return ".".join(parts[:2]).removesuffix(".py")


def room_of(name: str) -> str:
    return ".".join(name.split(".")[:2])


@pytest.mark.parametrize("package", PACKAGES)
def test_folders__import_each_other_without_a_circle(package: str) -> None:
    graph: dict[str, set[str]] = {}
    for path in files(package):
        rooms = {room_of(name) for name in imports(path) if starts(name, package) and "." in name}
        own = room(path)
        graph.setdefault(own, set()).update(
            other
            for other in rooms - {own, f"{package}.__init__"}
            if (ROOT / other.replace(".", "/")).is_dir()
            or (ROOT / f"{other.replace('.', '/')}.py").exists()
        )
    TopologicalSorter(graph).prepare()  # CycleError names the folders


@pytest.mark.parametrize(("package", "most"), [("emo8", 12), ("pretrain", 8), ("benchmarks", 10)])
def test_packages__are_folders_and_a_few_doors(package: str, most: int) -> None:
    assert len(list((ROOT / package).glob("*.py"))) <= most
