"""Which datasets `--data` knows by name, and how every other value of it is read."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from emo8.core.errors import SourceError

if TYPE_CHECKING:
    from benchmarks.adapters.base import Benchmark, LabelledRows

FOLDER = Path(__file__).resolve().parent
# name of the benchmark -> module with INFO and read(path); imported only when asked for
MODULES: dict[str, str] = {
    "emotion_faces": "benchmarks.adapters.emotion_faces",
    "emoset": "benchmarks.adapters.emoset",
    "fi": "benchmarks.adapters.fi",
    "emotion6": "benchmarks.adapters.emotion6",
    "unbiased_emotion": "benchmarks.adapters.unbiased_emotion",
    "caer_s": "benchmarks.adapters.caer_s",
    "heco": "benchmarks.adapters.heco",
    "emotic": "benchmarks.adapters.emotic",
    "artemis": "benchmarks.adapters.artemis",
    "emo8": "benchmarks.adapters.emo8_tree",
}
# the same for those that a TOML file describes
TABLES: dict[str, Path] = {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}
BENCHMARKS: tuple[str, ...] = (*MODULES, *TABLES)


def info(name: str) -> Benchmark:
    """The facts about a registered benchmark, or about the one that a TOML describes."""
    if name not in MODULES:
        from benchmarks.adapters import described

        return described.load(TABLES.get(name, Path(name))).info
    benchmark: Benchmark = import_module(MODULES[name]).INFO
    return benchmark


def read(
    data: str,
    path: Path | None = None,
    *,
    image: str = "image",
    emotion: str = "emotion",
    split_seed: int = 0,
) -> LabelledRows:
    """The rows of `--data`: a registered name, a TOML, or whatever `emo8.dataset.open` reads."""
    if data in BENCHMARKS or data.endswith(".toml"):
        return _read_registered(data, path, split_seed)
    if path is not None:
        raise SourceError(
            f"--path {path} goes with a registered benchmark, and {data!r} is none. "
            f"Registered: {', '.join(BENCHMARKS)}."
        )
    from benchmarks.adapters import hub, parquet, tree
    from emo8.dataset.open import find

    found = find(data)
    if found.form == "registered":
        name, _, folder = data.partition(":")
        return _read_registered(name, Path(folder), split_seed)
    if found.form == "parquet" and found.where.endswith(".parquet"):
        return parquet.read(Path(found.where), image=image, emotion=emotion)
    if found.form == "pictures":
        return tree.read(Path(found.where))
    return hub.read(found, image=image, emotion=emotion)


def options(data: str) -> frozenset[str]:
    """What reading `data` takes: "columns" (names of them), "split" (the seed of one we cut)."""
    from emo8.dataset.open import find

    name = data.partition(":")[0]
    if data in BENCHMARKS or data.endswith(".toml") or name in BENCHMARKS:
        return frozenset({"split"} if info(data if data.endswith(".toml") else name)
                         .split.startswith("convention") else ())  # fmt: skip
    return frozenset() if find(data).form == "pictures" else frozenset({"columns"})


def names() -> tuple[str, ...]:
    """The registered names, for `emo8.dataset.open`, which reads NAME:PATH in every command."""
    return BENCHMARKS


def read_registered(name: str, path: Path) -> LabelledRows:
    """The rows of a registered benchmark that lies at `path`; SourceError says what is wrong."""
    return _read_registered(name, path, 0)


def _read_registered(name: str, path: Path | None, split_seed: int) -> LabelledRows:
    if path is None:
        facts = info(name)
        raise SourceError(
            f"--data {name} needs --path: {facts.layout}. How to get it: {facts.get}."
        )
    if not path.exists():
        raise SourceError(f"--path {path}: no such file or folder (for --data {name}).")
    if name not in MODULES:
        from benchmarks.adapters import described

        return described.read(path, described.load(TABLES.get(name, Path(name))), seed=split_seed)
    module = import_module(MODULES[name])
    if info(name).split.startswith("convention"):
        return module.read(path, seed=split_seed)  # type: ignore[no-any-return]
    rows: LabelledRows = module.read(path)
    return rows
