"""What changed between two datasets, what that means for their version, and the changelog.

Semantic versions for data: *major* when a reader's code or comparisons break (a column gone or of
another type, a row in another split), *minor* when rows or labels changed, *patch* for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.errors import Emo8Error
from emo8.dataset.shards import CHANGELOG, LABELS, RELEASE, labels_of, list_shards
from emo8.engine.build_folder import RESOLVED, read_json

FIRST = "1.0.0"
_COMPARED = (
    "emotion", "emotion_rule", "style", "license", "caption", "published_sha256", "cluster",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class State:
    """The rows of one dataset without pictures, by id, and its columns."""

    rows: pd.DataFrame
    columns: dict[str, str]  # name -> Arrow type, as text


@dataclass(frozen=True, kw_only=True)
class Changes:
    """From one dataset to another: row ids by what happened to them, and columns."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    resplit: tuple[str, ...] = ()
    changed: dict[str, tuple[str, ...]]  # column -> ids of rows whose value differs
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    columns_retyped: tuple[str, ...] = ()

    @property
    def level(self) -> str:
        """major, minor, patch, or "" when nothing a reader sees in the rows has changed."""
        if self.columns_removed or self.columns_retyped or self.resplit:
            return "major"
        if self.added or self.removed or self.columns_added or self.changed:
            return "minor"
        return ""

    def counts(self) -> dict[str, Any]:
        """The numbers alone, as JSON values; zeros left out."""
        numbers: dict[str, Any] = {
            key: len(value) for key, value in asdict(self).items() if key in _ROW_WORDS
        }
        numbers["changed"] = {column: len(ids) for column, ids in self.changed.items()}
        for key in ("columns_added", "columns_removed", "columns_retyped"):
            numbers[key] = list(getattr(self, key))
        return {key: value for key, value in numbers.items() if value}


_ROW_WORDS = {
    "added": "rows added",
    "removed": "rows removed",
    "resplit": "rows moved to another split",
}


def describe(counts: dict[str, Any]) -> list[str]:
    """Changes in words, from `Changes.counts()`."""
    lines = [f"{counts[key]} {words}" for key, words in _ROW_WORDS.items() if counts.get(key)]
    lines += [
        f"{rows} rows with another {name}" for name, rows in counts.get("changed", {}).items()
    ]
    for key in ("columns_added", "columns_removed", "columns_retyped"):
        if counts.get(key):
            lines.append(f"{key.replace('_', ' ')}: {', '.join(counts[key])}")
    return lines


def compare(old: State, new: State) -> Changes:
    """What it takes to get from `old` to `new`."""
    both = old.rows.index.intersection(new.rows.index)
    before, after = old.rows.loc[both], new.rows.loc[both]

    def differing(column: str) -> tuple[str, ...]:
        left, right = before[column], after[column]
        same = (left == right) | (left.isna() & right.isna())
        return tuple(sorted(both[~same.to_numpy(bool)]))

    shared = [name for name in _COMPARED if name in before and name in after]
    changed = {column: differing(column) for column in shared}
    common = old.columns.keys() & new.columns.keys()
    return Changes(
        added=tuple(sorted(new.rows.index.difference(old.rows.index))),
        removed=tuple(sorted(old.rows.index.difference(new.rows.index))),
        resplit=differing("split"),
        changed={column: ids for column, ids in changed.items() if ids},
        columns_added=tuple(sorted(new.columns.keys() - old.columns.keys())),
        columns_removed=tuple(sorted(old.columns.keys() - new.columns.keys())),
        columns_retyped=tuple(
            sorted(name for name in common if old.columns[name] != new.columns[name])
        ),
    )


def next_version(version: str, level: str) -> str:
    """The version after `version` for a change of this level."""
    major, minor, patch = (int(number) for number in version.split("."))
    if level == "major":
        return f"{major + 1}.0.0"
    if level == "minor":
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"


def history_lines(history: Sequence[dict[str, Any]], heading: str = "###") -> str:
    """The version history as Markdown, newest first."""
    blocks = []
    for release in reversed(history):
        lines = [f"- {line}" for line in release["changes"]]
        blocks.append("\n".join([f"{heading} {release['version']}", "", *lines]))
    return "\n\n".join(blocks)


def changelog(history: Sequence[dict[str, Any]]) -> str:
    return "# Changelog\n\n" + history_lines(history, "##") + "\n"


def read_state(root: Path) -> State:
    """The state of a dataset folder, read from its shards or else from its `labels` files."""
    files = [(shard.split, root / shard.name) for shard in list_shards(root)]
    if not files:
        labels = sorted((root / LABELS).glob("*.parquet"))
        files = [(path.stem.rpartition("-")[0], path) for path in labels]
    known = labels_of(root)
    frames, columns = [], {}
    for split, path in files:
        schema = pq.read_schema(path)
        columns = {field.name: str(field.type) for field in schema if field.name != "image"}
        wanted = [name for name in ("id", *_COMPARED) if name in schema.names]
        table = pq.read_table(path, columns=wanted).replace_schema_metadata(None)
        for name, names in (("emotion", known.emotions), ("style", known.styles)):
            numbers = table[name].to_pylist()
            texts = [names[n] if n is not None and 0 <= n < len(names) else None for n in numbers]
            place = table.column_names.index(name)
            table = table.set_column(place, name, pa.array(texts, pa.string()))
        frames.append(table.to_pandas().assign(split=split))
    empty = pd.DataFrame({name: [] for name in ("id", "split", *_COMPARED)})
    rows = pd.concat(frames, ignore_index=True) if frames else empty
    return State(rows=rows.set_index("id"), columns=columns)


def open_state(name: str) -> State:
    """The state of a build, a dataset folder, or `user/name[@revision]` on the Hub."""
    path = Path(name)
    if read_json(path / RESOLVED) is not None:
        return read_state(path / "dataset")
    if path.is_dir():
        if not list_shards(path) and not (path / LABELS).is_dir():
            raise Emo8Error(f"{path} is neither a build nor a dataset folder")
        return read_state(path)
    repo, _, revision = name.partition("@")
    if repo.count("/") != 1:
        raise Emo8Error(f"{name!r} is no folder here and no user/name on the Hub")
    return read_state(download(repo, revision or None))


def download(repo: str, revision: str | None) -> Path:
    """A local folder with the rows and release notes of a published dataset, no pictures."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = [f"{LABELS}/*", RELEASE, CHANGELOG]
    try:
        return Path(
            snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=patterns)
        )
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        reason = str(error).splitlines()[0]
        raise Emo8Error(f"cannot read {repo} from the Hub: {reason}") from None
