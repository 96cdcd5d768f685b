"""What the sample is made of: the hand-picked lists `picks.csv` and `composites.csv`, and licences.

Each line names a picture of the corpus by its id. The lists were chosen by eye and by the distance
between perceptual hashes; the corpus's own hints are taken as they are, never written by us.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pyarrow.dataset as pads

PICKS = Path(__file__).with_name("picks.csv")
COMPOSITES = Path(__file__).with_name("composites.csv")
# From the least to the most demanding; a composite takes the more demanding of its parts.
LICENSES: tuple[str, ...] = (
    "public-domain",
    "PD",
    "CC0-1.0",
    "MIT",
    "Apache-2.0",
    "CC-BY-2.0",
    "CC-BY-3.0",
)
FREE: frozenset[str] = frozenset({"public-domain", "PD", "CC0-1.0"})
# Families kept out of everything we train on or ship: they measure what was learned.
EXCLUDED: tuple[str, ...] = ("twemoji", "openmoji", "open-peeps", "fxemoji", "dylan")

_NO_NAME = {
    "none": "unknown artist",
    "Various": "various artists",
    "public-domain": "unknown artist",
}
# Packages whose file paths equal those of the project's public repository at the packaged version.
_REPOSITORIES: dict[str, tuple[str, str]] = {
    "endless-sky-data": (
        "usr/share/games/endless-sky/",
        "https://github.com/endless-sky/endless-sky/blob/v0.9.8/",
    ),
    "scikit-image": ("", "https://github.com/scikit-image/scikit-image/blob/v0.16.2/"),
}
_COLUMNS = (
    "id image format caption license attribution emotion_hint hint_strength source_package "
    "source_version source_path"
).split()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture of the corpus, with what the corpus says about it."""

    id: str
    image: bytes
    format: str
    caption: str
    license: str
    attribution: str
    emotion_hint: str | None
    hint_strength: str | None
    source_package: str
    source_version: str
    source_path: str

    @property
    def artist(self) -> str:
        """Whom the package credits, in words where it names nobody."""
        return _NO_NAME.get(self.attribution, self.attribution)

    @property
    def credit(self) -> str:
        """Artist and package, as shown beside the picture."""
        return f"{self.artist} ({self.source_package} {self.source_version})"

    @property
    def url(self) -> str | None:
        """The page of this very file, where the project's repository has one."""
        prefix, page = _REPOSITORIES.get(self.source_package, ("", ""))
        return page + self.source_path.removeprefix(prefix) if page else None


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One line of `picks.csv`: where a corpus picture goes in the sample."""

    id: str
    part: str  # "folder", "table", or "web" for what the demo serves
    style: str  # ours; differs from the corpus where it misfiled a photograph
    name: str  # file name without suffix
    caption: str  # ours, where the corpus has only a file name; else empty


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawn person to be laid on a scene."""

    id: str
    stance: str  # stand, bust (cut by the lower edge) or fly


@dataclass(frozen=True, kw_only=True)
class Composite:
    """One line of `composites.csv`: a scene and the one or two figures on it."""

    name: str
    layout: str  # "scene", or "cover" with a headline
    style: str
    scene: str  # corpus id
    figures: tuple[Figure, ...]
    title: str  # headline of a cover, else empty
    caption: str


def read_picks(path: Path) -> list[Pick]:
    """The lines of `picks.csv`."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Pick(**line) for line in csv.DictReader(file)]


def read_composites(path: Path) -> list[Composite]:
    """The lines of `composites.csv`; `figures` reads `ID:stance ID:stance`."""
    composites = []
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            pairs = [item.split(":") for item in line.pop("figures").split()]
            figures = tuple(Figure(id=id_, stance=stance) for id_, stance in pairs)
            composites.append(Composite(figures=figures, **line))
    return composites


def read_corpus(folder: Path, ids: set[str]) -> dict[str, Picture]:
    """The corpus pictures with these ids; ValueError names what is missing or not allowed."""
    table = pads.dataset(sorted(map(str, folder.glob("images-*.parquet")))).to_table(
        columns=_COLUMNS, filter=pads.field("id").isin(sorted(ids))
    )
    pictures = {line["id"]: Picture(**line) for line in table.to_pylist()}
    if missing := sorted(ids - pictures.keys()):
        raise ValueError(f"the corpus at {folder} lacks {', '.join(missing)}: is it the same one?")
    for picture in pictures.values():
        if picture.license not in LICENSES:
            raise ValueError(f"{picture.id}: licence {picture.license} may not be shipped")
        if any(family in picture.source_package for family in EXCLUDED):
            raise ValueError(f"{picture.id}: {picture.source_package} is kept for measuring")
    return pictures


def combine_licenses(licenses: list[str]) -> str:
    """The licence of a work made of parts under these; ValueError unless all but one are free."""
    bound = {name for name in licenses if name not in FREE}
    if len(bound) > 1:
        raise ValueError(f"no composite of works under {' and '.join(sorted(bound))}")
    return max(licenses, key=LICENSES.index)
