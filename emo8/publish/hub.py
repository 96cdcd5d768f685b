"""Talking to the Hub without writing there: patience, errors in our words, and reading back."""

from __future__ import annotations

import hashlib
import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pyarrow.parquet as pq

from emo8.core.errors import Emo8Error, HubError
from emo8.dataset.shards import RELEASE, all_files, list_shards, sha256
from emo8.engine import build_folder
from emo8.publish import release

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

logger = logging.getLogger(__name__)

ATTEMPTS = 6  # per call to the Hub that huggingface_hub does not repeat by itself
FIRST_WAIT_S = 1.0  # doubled at every attempt, or what the Hub's Retry-After asks for
MAX_WAIT_S = 60.0
KEEP = frozenset({".gitattributes"})  # the Hub's own file
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
T = TypeVar("T")


def head(api: HfApi, repo: str) -> str:
    """The commit that `main` points at."""
    return str(retry(lambda: api.dataset_info(repo)).sha)


def download(repo: str, revision: str = "main") -> Path:
    """The folder of the Hub client's cache that holds a dataset's files at a revision."""
    from huggingface_hub import snapshot_download

    with hub_errors(repo):
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision))


# --- reading back ----------------------------------------------------------------------------


def verify_hub(api: HfApi, repo: str, revision: str, root: Path) -> list[str]:
    """What differs between the Hub at this revision and the release in `root`; empty = nothing.

    Sizes and hashes of all files as the Hub states them, rows and features from the footers as
    the Hub serves them.
    """
    from huggingface_hub import HfFileSystem

    problems = tree_problems(tree(api, repo, revision), root)
    notes = build_folder.read_json(root / RELEASE) or {}
    system = HfFileSystem(endpoint=api.endpoint, skip_instance_cache=True)
    names = [shard.name for shard in list_shards(root)]

    def footer(name: str) -> Any:
        path = f"datasets/{repo}@{revision}/{name}"
        with system.open(path, "rb", block_size=2**17) as file, pq.ParquetFile(file) as parquet:
            sink = io.BytesIO()
            parquet.metadata.write_metadata_file(sink)
            sink.seek(0)
            return sink

    with ThreadPoolExecutor(8) as pool:
        footers = dict(zip(names, pool.map(footer, names), strict=True))
    return problems + release.footer_problems(footers, notes)


def tree_problems(tree: list[RepoFile], root: Path) -> list[str]:
    """Files missing, left over, or with another size or hash than those in `root`."""
    there = {entry.path: entry for entry in tree if entry.path not in KEEP}
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
        return bool(entry.lfs.sha256 == sha256(path))
    data = path.read_bytes()
    blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False)
    return bool(entry.blob_id == blob.hexdigest())


def tree(api: HfApi, repo: str, revision: str) -> list[RepoFile]:
    from huggingface_hub.hf_api import RepoFile

    entries = retry(
        lambda: list(
            api.list_repo_tree(repo, repo_type="dataset", revision=revision, recursive=True)
        )
    )
    return [entry for entry in entries if isinstance(entry, RepoFile)]


# --- failures --------------------------------------------------------------------------------


def retry(call: Callable[[], T]) -> T:
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
        except network_error() as error:
            if attempt + 1 == ATTEMPTS:
                raise
            cause = type(error).__name__
        pause_s = min(MAX_WAIT_S, wait_s if asked is None else asked)
        logger.warning("%s; trying again in %g s", cause, pause_s)
        time.sleep(pause_s)
        wait_s *= 2
    raise AssertionError("the last attempt returns or raises")


def network_error() -> type[Exception]:
    """The error of the HTTP library under huggingface_hub when no answer came."""
    from huggingface_hub import get_session

    library = sys.modules[type(get_session()).__module__.split(".")[0]]
    return cast(type[Exception], library.TransportError)


@contextmanager
def hub_errors(repo: str) -> Iterator[None]:
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
    except network_error() as error:
        raise HubError(f"the Hub cannot be reached: {error}") from None
