"""`emo8 publish`: a release to a folder or to the Hub. The only module of emo8 that writes there.

The Hub gets one commit on top of the commit that was looked at, so two publishers cannot overwrite
each other; files that arrived before an interruption are not sent again; afterwards everything is
read back. The token is found by `huggingface_hub` and never shown or kept here.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from emo8 import builddir, gate, release, removal, versions
from emo8.errors import BuildError, Emo8Error, GateError, HubError
from emo8.plan import load_plan
from emo8.release import Previous, Release
from emo8.shards import RELEASE, all_files

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

logger = logging.getLogger(__name__)

ATTEMPTS = 6  # per call to the Hub that huggingface_hub does not repeat by itself
FIRST_WAIT_S = 1.0  # doubled at every attempt, or what the Hub's Retry-After asks for
MAX_WAIT_S = 60.0
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_KEEP = frozenset({".gitattributes"})  # the Hub's own
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a publication came to, or would."""

    where: str  # the folder, or user/name@revision
    release: Release
    verdict: gate.Verdict
    tag: str = ""
    sent: bool = False  # False: a dry run, or nothing had changed


# --- to a folder -----------------------------------------------------------------------------


def to_folder(
    build: Path, folder: Path, *, dry_run: bool = False, allow_missing_license: bool = False
) -> Outcome:
    """Write the release of a finished build as `folder`, read back; GateError when blocked."""
    with builddir.writing(build), release.staging(folder.absolute()) as root:
        previous = release.previous_in(folder)
        staged, verdict = _staged(build, root, "", previous, allow_missing_license)
        outcome = Outcome(where=str(folder), release=staged, verdict=verdict)
        if dry_run:
            return outcome
        _require_open(verdict)
        if not staged.changes and not release.verify_folder(folder):
            return outcome
        release.replace_folder(root, folder)
    problems = release.verify_folder(folder)
    if problems:
        raise HubError(f"{folder} reads back wrong: {'; '.join(problems)}")
    return replace(outcome, sent=True)


def _staged(
    build: Path, root: Path, repo: str, previous: Previous | None, allow_missing_license: bool
) -> tuple[Release, gate.Verdict]:
    """The release staged in `root`, and what the gate says about it."""
    from huggingface_hub import get_token

    _, publish, _ = release.finished_build(build)
    if allow_missing_license:
        publish = replace(publish, allow_missing_license=True)
    staged = release.stage(build, root, repo=repo, previous=previous)
    removals = removal.load()
    plan = load_plan(build)
    forbidden = [str(build.resolve()), f"{Path.home()}/", get_token() or ""]
    verdict = gate.inspect(
        root,
        publish=publish,
        removals=removals,
        removals_current=plan is not None
        and plan.removals == removal.list_fingerprint(removals),
        forbidden=forbidden,
    )
    return staged, verdict


def _require_open(verdict: gate.Verdict) -> None:
    if not verdict.open:
        raise GateError("nothing was published:\n" + "\n".join(verdict.blockers))


# --- to the Hub ------------------------------------------------------------------------------


def to_hub(
    build: Path,
    repo: str,
    *,
    private: bool = False,
    tag: str = "",
    dry_run: bool = False,
    allow_missing_license: bool = False,
) -> Outcome:
    """Publish a finished build as the dataset `user/name`, tagged and read back."""
    from huggingface_hub import HfApi

    if repo.count("/") != 1:
        raise Emo8Error(f"{repo!r} is no user/name; for a folder use --to DIR")
    api = HfApi()
    with builddir.writing(build), release.staging(build / "release") as root:
        release.finished_build(build)
        with _hub_errors(repo):
            if dry_run:
                previous = _previous_if_reachable(api, repo)
            else:
                _retry(lambda: api.create_repo(repo, repo_type="dataset", private=private,
                                               exist_ok=True))  # fmt: skip
                parent = _retry(lambda: api.dataset_info(repo)).sha
                previous = _previous(api, repo, parent)
        staged, verdict = _staged(build, root, repo, previous, allow_missing_license)
        tag = tag or f"v{staged.version}"
        outcome = Outcome(where=repo, release=staged, verdict=verdict, tag=tag)
        if dry_run:
            return outcome
        _require_open(verdict)
        with _hub_errors(repo):
            _require_free_tag(api, repo, tag, parent if not staged.changes else None)
            sha = _commit(api, repo, staged, parent) if staged.changes else parent
            _retry(lambda: api.create_tag(repo, tag=tag, revision=sha, repo_type="dataset",
                                          exist_ok=True))  # fmt: skip
            problems = verify_hub(api, repo, sha, root)
    if problems:
        raise HubError(f"{repo}@{sha} reads back wrong: {'; '.join(problems)}")
    return replace(outcome, where=f"{repo}@{sha}", sent=bool(staged.changes))


def _previous(api: HfApi, repo: str, revision: str) -> Previous | None:
    """The release at this commit; None for an empty repository, BuildError for a foreign one."""
    paths = [entry.path for entry in _tree(api, repo, revision)]
    if RELEASE in paths:
        folder = _retry(lambda: versions.download(repo, revision))
        notes = builddir.read_json(folder / RELEASE)
        if notes is not None and "history" in notes:
            return Previous(notes=notes, state=versions.read_state(folder))
    strangers = sorted(set(paths) - _KEEP - {"README.md"})
    if strangers:
        raise BuildError(
            f"{repo} holds {strangers[0]!r} and no release of ours: refusing to replace it; "
            "choose another name, or empty it first"
        )
    return None


def _previous_if_reachable(api: HfApi, repo: str) -> Previous | None:
    """For a dry run: the release before, if the Hub can be asked and has one."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        return _previous(api, repo, api.dataset_info(repo).sha or "main")
    except (HfHubHTTPError, OfflineModeIsEnabled, *_network_errors()) as error:
        reason = str(error).splitlines()[0]
        logger.warning("not compared with a release of %s before: %s", repo, reason)
        return None


def _require_free_tag(api: HfApi, repo: str, tag: str, revision: str | None) -> None:
    """Raise Emo8Error when the tag names another commit than `revision` already."""
    refs = _retry(lambda: api.list_repo_refs(repo, repo_type="dataset"))
    for known in refs.tags:
        if known.name == tag and known.target_commit != revision:
            raise Emo8Error(
                f"{repo} already has a tag {tag} at {known.target_commit}; "
                "a released version does not change: choose another --tag"
            )


def _commit(api: HfApi, repo: str, staged: Release, parent: str) -> str:
    """One commit with all files of the release and without any other; its sha."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.errors import HfHubHTTPError

    names = all_files(staged.root)
    additions = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=staged.root / name) for name in names
    ]
    there = {entry.path for entry in _tree(api, repo, parent)}
    deletions = [
        CommitOperationDelete(path_in_repo=name) for name in sorted(there - set(names) - _KEEP)
    ]

    def send() -> str:
        return str(
            api.create_commit(
                repo,
                operations=[*additions, *deletions],
                commit_message=f"Release {staged.version}",
                commit_description="\n".join(staged.changes),
                repo_type="dataset",
                parent_commit=parent,
            ).oid
        )

    try:
        return _retry(send)
    except HfHubHTTPError as error:
        if error.response is None or error.response.status_code != 412:
            raise
        head = str(_retry(lambda: api.dataset_info(repo)).sha)
        if not tree_problems(_tree(api, repo, head), staged.root):
            return head  # our own commit arrived, its answer did not
        raise HubError(
            f"someone else changed {repo} since {parent[:12]}: nothing was overwritten; "
            "run the same command again to publish on top of it"
        ) from None


# --- reading back ----------------------------------------------------------------------------


def verify_hub(api: HfApi, repo: str, revision: str, root: Path) -> list[str]:
    """What differs between the Hub at this revision and the release in `root`; empty = nothing.

    Sizes and hashes of all files as the Hub states them, rows and features from the footers as
    the Hub serves them.
    """
    from huggingface_hub import HfFileSystem

    problems = tree_problems(_tree(api, repo, revision), root)
    notes = builddir.read_json(root / RELEASE) or {}
    system = HfFileSystem(endpoint=api.endpoint, skip_instance_cache=True)
    names = [shard.name for shard in release.list_shards(root)]

    def footer(name: str) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = f"datasets/{repo}@{revision}/{name}"
        with system.open(path, "rb", block_size=2**17) as file, pq.ParquetFile(file) as parquet:
            sink = pa.BufferOutputStream()
            parquet.metadata.write_metadata_file(sink)
            return pa.BufferReader(sink.getvalue())

    with ThreadPoolExecutor(8) as pool:
        footers = dict(zip(names, pool.map(footer, names), strict=True))
    return problems + release.footer_problems(footers, notes)


def tree_problems(tree: list[RepoFile], root: Path) -> list[str]:
    """Files missing, left over, or with another size or hash than those in `root`."""
    there = {entry.path: entry for entry in tree if entry.path not in _KEEP}
    names = set(all_files(root))
    problems = [f"{name} is missing" for name in sorted(names - set(there))]
    problems += [f"{name} should not be there" for name in sorted(set(there) - names)]
    for name in sorted(names & set(there)):
        if there[name].size != (root / name).stat().st_size:
            problems.append(f"{name} has another size")
        elif not _same_content(there[name], root / name):
            problems.append(f"{name} has another hash")
    return problems


def _same_content(entry: RepoFile, path: Path) -> bool:
    """Whether the Hub's hash, SHA-256 for large files or git's for others, is that of `path`."""
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == release.sha256(path))
    data = path.read_bytes()
    blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False)
    return bool(entry.blob_id == blob.hexdigest())


def _tree(api: HfApi, repo: str, revision: str) -> list[RepoFile]:
    from huggingface_hub.hf_api import RepoFile

    entries = _retry(
        lambda: list(
            api.list_repo_tree(repo, repo_type="dataset", revision=revision, recursive=True)
        )
    )
    return [entry for entry in entries if isinstance(entry, RepoFile)]


# --- failures --------------------------------------------------------------------------------


def _retry(call: Callable[[], T]) -> T:
    """What `call` gives, tried again while the Hub is overloaded or the network fails."""
    from huggingface_hub.errors import HfHubHTTPError

    wait_s = FIRST_WAIT_S
    for attempt in range(ATTEMPTS):
        asked: float | None = None
        try:
            return call()
        except HfHubHTTPError as error:
            response = error.response
            if response is None or response.status_code not in _PASSING or attempt + 1 == ATTEMPTS:
                raise
            cause = f"the Hub answered {response.status_code}"
            after = response.headers.get("retry-after", "")
            asked = float(after) if after.isdigit() else None
        except _network_errors() as error:
            if attempt + 1 == ATTEMPTS:
                raise
            cause = type(error).__name__
        pause_s = min(MAX_WAIT_S, wait_s if asked is None else asked)
        logger.warning("%s; trying again in %g s", cause, pause_s)
        time.sleep(pause_s)
        wait_s *= 2
    raise AssertionError("the last attempt returns or raises")


def _network_errors() -> tuple[type[Exception], ...]:
    """Errors of the HTTP library under huggingface_hub when no answer came."""
    from huggingface_hub.utils import _http

    return tuple(_http._DEFAULT_RETRY_ON_EXCEPTIONS)


@contextmanager
def _hub_errors(repo: str) -> Iterator[None]:
    """Turn the client's errors into ours: whose mistake it is, and what to do."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    try:
        yield
    except LocalTokenNotFoundError:
        raise Emo8Error("no token for the Hub: run `hf auth login`, or set HF_TOKEN") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise Emo8Error(
                f"the Hub refuses this token for {repo} ({status}): log in with one that may "
                "write there (`hf auth login`, or HF_TOKEN)"
            ) from None
        raise HubError(f"the Hub answered {status} for {repo}: {error.server_message}") from None
    except _network_errors() as error:
        raise HubError(f"the Hub cannot be reached: {error}") from None
