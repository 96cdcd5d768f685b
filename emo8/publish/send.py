"""`emo8 publish`: a release to a folder or to the Hub. The only module of emo8 that writes there.

The Hub gets one commit on top of the commit that was looked at, so two publishers cannot overwrite
each other; files that arrived before an interruption are not sent again; afterwards everything is
read back. The token is found by `huggingface_hub` and never shown or kept here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emo8.core.errors import BuildError, Emo8Error, GateError, HubError
from emo8.dataset import removal, row_order
from emo8.dataset.shards import RELEASE, all_files
from emo8.duplicates import check_splits
from emo8.engine import build_folder, derived
from emo8.engine.folders import replace_folder
from emo8.engine.plan import load_plan
from emo8.publish import gate, release, versions
from emo8.publish.folder import staging, target
from emo8.publish.hub import (
    KEEP,
    head,
    hub_errors,
    network_error,
    retry,
    tree,
    tree_problems,
    verify_hub,
)
from emo8.publish.release import Previous, Release

if TYPE_CHECKING:
    from huggingface_hub import HfApi

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a publication came to, or would."""

    where: str  # the folder, or user/name@revision
    release: Release
    verdict: gate.Verdict
    tag: str = ""
    sent: bool = False  # False: a dry run, or nothing had changed


# --- to a folder -----------------------------------------------------------------------------


def to_folder(
    build: Path, folder: Path, *, dry_run: bool = False, allow_missing_license: bool = False
) -> Published:
    """Write the release of a finished build as `folder`, read back; GateError when blocked."""
    folder = target(folder, build)
    with build_folder.writing(build), staging(folder) as root:
        previous = release.previous_in(folder)
        staged, verdict = _staged(build, root, "", previous, allow_missing_license)
        outcome = Published(where=str(folder), release=staged, verdict=verdict)
        if dry_run:
            return outcome
        _require_open(verdict)
        if not staged.changes and not release.verify_folder(folder):
            return outcome
        release.require_own(build, build_folder.require_build(build), folder)
        release.note_published(build, root)
        replace_folder(root, folder)
    derived.note("release", folder, build)
    problems = release.verify_folder(folder)
    if problems:
        raise HubError(f"{folder} reads back wrong: {'; '.join(problems)}")
    row_order.remember(build)
    return replace(outcome, sent=True)


@contextmanager
def looked_at(build: Path, repo: str = "") -> Iterator[tuple[Path, list[str]]]:
    """A release that is not sent, and the words that must appear nowhere in it.

    `build` is a build, whose release is staged, or any other folder, looked at as it is: a release,
    a RUN, an exported model.
    """
    if not build_folder.is_build(build) and build.is_dir() and all_files(build):
        yield build, _forbidden(build)
        return
    release.finished_build(build)
    with build_folder.writing(build), staging(build / "release") as root:
        release.stage(build, root, repo=repo, previous=None)
        yield root, _forbidden(build)


def _forbidden(build: Path) -> list[str]:
    """The build's own path, the home folder, and the token of the Hub."""
    from huggingface_hub import get_token

    return [str(build.resolve()), f"{Path.home()}/", get_token() or ""]


def _staged(
    build: Path,
    root: Path,
    repo: str,
    previous: Previous | None,
    allow_missing_license: bool,
    tag: str = "",
) -> tuple[Release, gate.Verdict]:
    """The release staged in `root`, and what the gate says about it."""
    _, publish, _ = release.finished_build(build)
    if allow_missing_license:
        publish = replace(publish, allow_missing_license=True)
    staged = release.stage(build, root, repo=repo, previous=previous, tag=tag)
    removals = removal.load()
    plan = load_plan(build)
    shared = check_splits.audit_build(build)
    verdict = gate.inspect(
        root,
        split_leaks=[f"{pair['left']} = {pair['right']}" for pair in shared["shown"]],
        publish=publish,
        removals=removals,
        removals_current=plan is not None and plan.removals == removal.list_fingerprint(removals),
        forbidden=_forbidden(build),
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
) -> Published:
    """Publish a finished build as the dataset `user/name`, tagged and read back."""
    from huggingface_hub import HfApi

    if repo.count("/") != 1:
        raise Emo8Error(f"{repo!r} is no user/name; for a folder use --to DIR")
    api = HfApi()
    with build_folder.writing(build), staging(build / "release") as root:
        release.finished_build(build)
        with hub_errors(repo):
            if dry_run:
                previous = _previous_if_reachable(api, repo)
            else:
                retry(lambda: api.create_repo(repo, repo_type="dataset", private=private,
                                               exist_ok=True))  # fmt: skip
                parent = head(api, repo)
                previous = _previous(api, repo, parent)
        staged, verdict = _staged(build, root, repo, previous, allow_missing_license, tag)
        tag = tag or f"v{staged.version}"
        outcome = Published(where=repo, release=staged, verdict=verdict, tag=tag)
        if dry_run:
            return outcome
        _require_open(verdict)
        with hub_errors(repo):
            _require_free_tag(api, repo, tag, parent if not staged.changes else None)
            sent = bool(staged.changes or tree_problems(tree(api, repo, parent), root))
            sha = _commit(api, repo, staged, parent) if sent else parent
            root_line = f"root of all rows: {staged.notes['root']}"
            retry(lambda: api.create_tag(repo, tag=tag, tag_message=root_line, revision=sha,
                                          repo_type="dataset", exist_ok=True))  # fmt: skip
            problems = verify_hub(api, repo, sha, root)
    if problems:
        raise HubError(f"{repo}@{sha} reads back wrong: {'; '.join(problems)}")
    row_order.remember(build)
    return replace(outcome, where=f"{repo}@{sha}", sent=sent)


def _previous(api: HfApi, repo: str, revision: str) -> Previous | None:
    """The release at this commit; None for an empty repository, BuildError for a foreign one."""
    paths = [entry.path for entry in tree(api, repo, revision)]
    if RELEASE in paths:
        folder = retry(lambda: versions.download(repo, revision))
        notes = build_folder.read_json(folder / RELEASE)
        if notes is not None and "history" in notes:
            return Previous(notes=notes, state=versions.read_state(folder))
    strangers = sorted(set(paths) - KEEP - {"README.md"})
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
        return _previous(api, repo, str(api.dataset_info(repo).sha))
    except (HfHubHTTPError, OfflineModeIsEnabled, network_error()) as error:
        reason = str(error).splitlines()[0]
        logger.warning("not compared with a release of %s before: %s", repo, reason)
        return None


def _require_free_tag(api: HfApi, repo: str, tag: str, revision: str | None) -> None:
    """Raise Emo8Error when the tag names another commit than `revision` already."""
    refs = retry(lambda: api.list_repo_refs(repo, repo_type="dataset"))
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
    there = {entry.path for entry in tree(api, repo, parent)}
    deletions = [
        CommitOperationDelete(path_in_repo=name) for name in sorted(there - set(names) - KEEP)
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
        return retry(send)
    except HfHubHTTPError as error:
        if error.response is None or error.response.status_code != 412:
            raise
        now = head(api, repo)
        if not tree_problems(tree(api, repo, now), staged.root):
            return now  # our own commit arrived, its answer did not
        raise HubError(
            f"someone else changed {repo} since {parent[:12]}: nothing was overwritten; "
            "run the same command again to publish on top of it"
        ) from None
