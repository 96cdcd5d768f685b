"""A release in a folder: what goes to the Hub, or stays on a disk, byte for byte the same.

Shards are copied from the build, after their checksums were compared. Where a licence forbids
passing pictures on, the shard is written again without those pictures. Beside them: the rows
without pictures, the card, Croissant, `fiftyone.yml`, the changelog, and `release.json` with the
hash of every file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core import label_set, licenses, schema
from emo8.core.errors import BuildError
from emo8.core.json_text import parse_json
from emo8.core.settings import PublishConfig
from emo8.dataset import layout, row_order, write
from emo8.dataset.shards import (
    CHANGELOG,
    CROISSANT,
    LABELS,
    README,
    RELEASE,
    all_files,
    labels_of,
    list_shards,
    row_groups,
    sha256,
)
from emo8.engine import build_folder
from emo8.engine.files import copy, damage, parquet_writer, write_text
from emo8.engine.plan import load_plan
from emo8.publish import fiftyone_file, verify, versions, votes
from emo8.publish.card import CardInput, write_card
from emo8.publish.versions import FIRST, State
from emo8.report import sample_grid

GRID = "assets/grid.png"
PUBLISHED = "published.json"  # in a build: hashes of the release notes it made public


@dataclass(frozen=True, kw_only=True)
class Previous:
    """The release before this one."""

    notes: dict[str, Any]  # its release.json
    state: State


@dataclass(frozen=True, kw_only=True)
class Release:
    """A staged release."""

    root: Path
    version: str
    notes: dict[str, Any]  # its release.json
    changes: list[str] = field(default_factory=list)  # since the one before; empty = the same

    @property
    def num_bytes(self) -> int:
        return sum(entry["bytes"] for entry in self.notes["files"].values())

    @property
    def num_rows(self) -> int:
        return int(self.notes["rows"])


def finished_build(build: Path) -> tuple[dict[str, Any], PublishConfig, dict[str, Any]]:
    """What was resolved for a finished build, its `[publish]`, its numbers; else BuildError."""
    resolved = build_folder.require_build(build)
    plan = load_plan(build)
    stats = build_folder.read_json(build / "report" / "stats.json")
    again = f"run `emo8 build {build / 'recipe.toml'}` with its own recipe again"
    if plan is None or stats is None or not plan.dataset:
        raise BuildError(f"{build} is not finished: {again}; `emo8 status {build}` says why")
    if plan.dataset != write.dataset_fingerprint(build):
        raise BuildError(f"the shards in {build / 'dataset'} are not what the build wrote: {again}")
    for shard in list_shards(build / "dataset"):
        cause = damage(build / "dataset" / shard.name)
        if cause:
            raise BuildError(f"{build / 'dataset' / shard.name} {cause}: {again}")
    options = resolved["recipe"]["publish"]
    tuples = {key: tuple(options[key]) for key in ("language", "authors")}
    return resolved, PublishConfig(**{**options, **tuples}), stats


def stage(
    build: Path, root: Path, *, repo: str, previous: Previous | None, tag: str = ""
) -> Release:
    """Write the release of a finished build into the empty folder `root`.

    With a `repo`, `user/name` on the Hub, Croissant names its sources there, at `tag`.
    """
    resolved, publish, stats = finished_build(build)
    name, repo = resolved["recipe"]["name"], repo or publish.repo
    link_shards(build / "dataset", root, publish)
    write_labels(root)
    num_votes = votes.write_votes(build, root, publish)
    stats = {**stats, "votes": votes.summary(build, num_votes)}
    fiftyone_file.write(root, name=repo or name)
    root_hash = verify.rows_root(root)
    (root / "assets").mkdir()
    (root / GRID).write_bytes(sample_grid.draw(root))

    def finish(history: list[dict[str, Any]]) -> dict[str, Any]:
        version = history[-1]["version"]
        given = CardInput(
            name=name, repo=repo or name, publish=publish, stats=stats, version=version,
            history=versions.history_lines(history), grid=GRID, tag=tag or f"v{version}",
            rows_root=root_hash,
        )  # fmt: skip
        write_card(root, given)
        write_text(root / CHANGELOG, versions.changelog(history))
        return _write_notes(root, name, history, root_hash)

    return _numbered(root, finish, previous)


def _numbered(root: Path, finish: Any, previous: Previous | None) -> Release:
    """The release with its version: the one before, raised by what changed since."""
    if previous is None:
        rows = sum(pq.read_metadata(root / shard.name).num_rows for shard in list_shards(root))
        changes = [f"first release: {rows} rows"]
        history = [{"version": FIRST, "changes": changes}]
        return Release(root=root, version=FIRST, notes=finish(history), changes=changes)
    history = list(previous.notes["history"])
    before = previous.notes["version"]
    difference = versions.compare(previous.state, versions.read_state(root))
    changes = versions.describe(difference.counts())
    if not difference.level:
        notes = finish(history)
        if notes["files"] == previous.notes["files"]:
            return Release(root=root, version=before, notes=notes)
        changes = ["card, files or numbers revised; rows and labels as before"]
    version = versions.next_version(before, difference.level)
    history.append({"version": version, "changes": changes})
    return Release(root=root, version=version, notes=finish(history), changes=changes)


def _write_notes(
    root: Path, name: str, history: list[dict[str, Any]], root_hash: str
) -> dict[str, Any]:
    """Write `release.json`: version, history, rows, their root, size and hash of every file."""
    notes = {
        "name": name,
        "version": history[-1]["version"],
        "rows": sum(pq.read_metadata(root / shard.name).num_rows for shard in list_shards(root)),
        "root": root_hash,  # of all rows: merkle.py
        "history": history,
        "files": {
            path: {"bytes": (root / path).stat().st_size, "sha256": sha256(root / path)}
            for path in all_files(root)
            if path != RELEASE
        },
    }
    write_text(root / RELEASE, json.dumps(notes, indent=2, ensure_ascii=False) + "\n")
    return notes


def link_shards(source: Path, root: Path, publish: PublishConfig) -> None:
    """The shards of `source` in `root`: copied, or written anew where pictures are withheld.

    A copy shares its blocks with the build where the file system can, and no later change.
    """
    for shard in list_shards(source):
        target = root / shard.name
        target.parent.mkdir(parents=True, exist_ok=True)
        licenses = pq.read_table(source / shard.name, columns=["license"])["license"]
        if any(_withheld(license, publish) for license in licenses.unique().to_pylist()):
            _write_withheld(source / shard.name, target, publish)
            continue
        copy(source / shard.name, target)


def _withheld(license: str | None, publish: PublishConfig) -> bool:
    policies = publish.image_policy
    named = next((name for name in policies if licenses.same(name, license or "")), None)
    policy = policies.get(license or "", policies.get(named or ""))
    return policy == "url" if policy else not licenses.may_redistribute(license)


def _write_withheld(source: Path, target: Path, publish: PublishConfig) -> None:
    """A shard without the pictures that must not be passed on, row group by row group."""
    metadata = dict(pq.read_schema(source).metadata or {})
    target_schema = schema.published_schema().with_metadata(metadata)
    options = layout.parquet_options(target_schema)
    with parquet_writer(target, target_schema, **options) as writer:
        for table in row_groups(source):
            keep = pa.array([not _withheld(item.as_py(), publish) for item in table["license"]])
            for name in ("image", "published_sha256"):
                column = table[name].combine_chunks()
                places = pa.array(
                    [n if kept else None for n, kept in enumerate(keep.to_pylist())], pa.int64()
                )
                table = table.set_column(
                    table.column_names.index(name), table.schema.field(name), column.take(places)
                )
            writer.write_table(table.cast(target_schema))


def write_labels(root: Path) -> None:
    """`labels/<split>-NNNNN.parquet`: all columns but the picture, styles of a group together.

    Row groups are those of the shards with pictures, so a shard that grows moves others little.
    """
    columns = schema.published_schema(images=False)
    metadata = schema.published_metadata(labels_of(root), images=False)
    target_schema = columns.with_metadata(metadata)
    options = layout.parquet_options(target_schema)
    groups: dict[str, list[str]] = {}
    for shard in list_shards(root):
        groups.setdefault(f"{LABELS}/{shard.split}-{shard.group:05d}.parquet", []).append(
            shard.name
        )
    (root / LABELS).mkdir(exist_ok=True)
    for name, shards in groups.items():
        with parquet_writer(root / name, target_schema, **options) as writer:
            for shard_name in shards:
                for table in row_groups(root / shard_name, columns.names):
                    writer.write_table(table.select(columns.names).cast(target_schema))


# --- into a folder ---------------------------------------------------------------------------


def previous_in(folder: Path) -> Previous | None:
    """The release that a folder holds; None for a new or empty one, BuildError for a foreign."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    notes = build_folder.read_json(folder / RELEASE)
    if not folder.is_dir() or notes is None or "history" not in notes:
        raise BuildError(f"{folder} holds something that is no release of ours; give a new folder")
    return Previous(notes=notes, state=versions.read_state(folder))


def require_own(build: Path, resolved: dict[str, Any], folder: Path) -> None:
    """Raise BuildError when `folder` holds a release that is not of this build's line.

    That is one which the build published itself, or which its recipe keeps the splits of.
    """
    notes = build_folder.read_json(folder / RELEASE)
    if notes is None:
        return
    recipe, recipe_dir = resolved["recipe"], Path(resolved["recipe_path"]).parent
    kept = {(recipe_dir / name).resolve() for name in recipe["splits"]["keep"]}
    known = (build_folder.read_json(build / PUBLISHED) or {}).get("releases")
    before = known is None and (build / "tables" / row_order.TABLE).exists()  # by an older emo8
    same_name = notes["name"] == recipe["name"]
    if same_name and (before or folder.resolve() in kept or _digest(folder) in (known or [])):
        return
    raise BuildError(
        f"{folder} holds release {notes['version']} of {notes['name']!r}, which this build of "
        f"{recipe['name']!r} did not publish: give another folder, or, to go on from that release, "
        f'keep its name and write [splits] keep = ["{folder}"] in the recipe and build again'
    )


def note_published(build: Path, root: Path) -> None:
    """Note in the build that it makes the release in `root` public."""
    known = (build_folder.read_json(build / PUBLISHED) or {}).get("releases", [])
    releases = [*known, _digest(root)]
    write_text(build / PUBLISHED, json.dumps({"releases": releases}, indent=1) + "\n")


def _digest(folder: Path) -> str:
    return sha256(folder / RELEASE)


def verify_folder(folder: Path) -> list[str]:
    """What is wrong with a release on disk, read back: hashes, counts, features; empty = nothing.

    The card's counts and Croissant are compared with the files, not with what was meant.
    """
    from emo8.publish import cardyaml, croissant

    notes = build_folder.read_json(folder / RELEASE) or {"files": {}, "rows": -1}
    found = [name for name in all_files(folder) if name != RELEASE]
    problems = [f"{name} is missing" for name in set(notes["files"]) - set(found)]
    problems += [f"{name} is not in {RELEASE}" for name in set(found) - set(notes["files"])]
    for name in set(found) & set(notes["files"]):
        if sha256(folder / name) != notes["files"][name]["sha256"]:
            problems.append(f"{name} has another hash than {RELEASE} says")
    problems += footer_problems({s.name: folder / s.name for s in list_shards(folder)}, notes)
    problems += [f"{README}: {problem}" for problem in cardyaml.check(folder)]
    problems += [f"{CROISSANT}: {problem}" for problem in croissant.problems(folder)]
    return sorted(problems)


def footer_problems(shards: dict[str, Any], notes: dict[str, Any]) -> list[str]:
    """Row counts and features in the shards' footers against the release notes and the schema.

    `shards` maps names to paths or open files.
    """
    problems, rows = [], 0
    for name, place in shards.items():
        with pq.ParquetFile(place) as file:
            rows += file.metadata.num_rows
            arrow = file.schema_arrow
        own = arrow.metadata or {}
        features = schema.published_metadata(label_set.of_footer(own))[b"huggingface"]
        said = parse_json(own.get(b"huggingface", b"null"))
        if said != parse_json(features) or not arrow.equals(schema.published_schema()):
            problems.append(f"{name} has other features than the schema")
    if rows != notes["rows"]:
        problems.append(f"{rows} rows in the files, {notes['rows']} in {RELEASE}")
    return problems
