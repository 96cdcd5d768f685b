"""Opening a build or a dataset in the App: fill, arrange, serve until interrupted."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from emo8.browse import (
    app_style,
    brain,
    database,
    fill,
    from_build,
    from_dataset,
    predictions,
    views,
)
from emo8.browse.fill import Filled
from emo8.browse.rows import Rows, choose
from emo8.core.errors import BrowseError, Emo8Error
from emo8.engine import build_folder

logger = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
PORT = 5151  # FiftyOne's own
WARNING = (
    "{address} can be reached from other machines. FiftyOne asks for no password: whoever reaches "
    "the port can change tags and labels and read every file that you can read. Better stay on "
    "127.0.0.1 and use: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE"
)
Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A FiftyOne dataset that is ready to be shown."""

    dataset: Any
    filled: Filled
    views: list[str]
    notes: list[str]
    build: Path | None


def read(data: str) -> Rows:
    """The rows of a build, or of whatever dataset `data` names."""
    path = Path(data)
    if build_folder.read_json(path / build_folder.RESOLVED) is not None:
        return from_build.read(path)
    return from_dataset.read(data)


def prepare(
    data: str,
    *,
    where: str = "",
    limit: int = 0,
    predicted: Path | None = None,
    progress: Progress = lambda done: None,
    start: Callable[[], Future[Any]] = lambda: database.start()[0],
) -> Prepared:
    """Bring rows into FiftyOne with views, maps and colours; a second call updates.

    `start` begins to connect; until that is done, pictures are made.
    """
    if limit < 0:
        raise Emo8Error(f"--limit {limit}: use 1 or more rows")
    said = predictions.read(predicted) if predicted else None
    rows = read(data)
    chosen = choose(rows.table, where=where, limit=limit)
    connected = start()
    vectors = rows.reader.vectors(chosen)
    chosen = chosen.assign(uniqueness=brain.uniqueness(vectors))
    notes = list(rows.notes)
    with _alone(rows):
        pictures = fill.write_pictures(rows, chosen)
        dataset = open_dataset(connected.result(), rows.name)
        place = str(Path(data).resolve()) if Path(data).exists() else data
        dataset.info |= {"emo8": {"data": place}}
        filled = fill.fill(dataset, rows, chosen, vectors, pictures, progress)
        maps = brain.add_maps(dataset, chosen, vectors)
        if said is not None:
            notes += predictions.add(dataset, rows.table, said)
        names = views.save(dataset, rows, chosen)
        views.save_workspace(dataset, maps)
        app_style.apply(dataset)
    return Prepared(dataset=dataset, filled=filled, views=names, notes=notes, build=rows.build)


@contextlib.contextmanager
def _alone(rows: Rows) -> Iterator[None]:
    """While another command fills the same dataset, wait: both would add the same rows."""
    folder = rows.media.parent
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("another emo8 browse fills %s; waiting for it", rows.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def open_dataset(fiftyone: Any, name: str) -> Any:
    """The persistent dataset of that name, made when there is none."""
    if fiftyone.dataset_exists(name):
        return fiftyone.load_dataset(name)
    return fiftyone.Dataset(name, persistent=True)


def check_address(address: str, port: int) -> str:
    """ "" for an address of this machine alone, else a warning; BrowseError for a taken port."""
    if not 0 <= port <= 65535:
        raise BrowseError(f"--port {port}: use a number up to 65535")
    try:
        with socket.create_server((address, port)):
            pass
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise BrowseError(
            f"cannot serve on {address}:{port}: "
            + (
                "another App may be running there; give another --port"
                if taken
                else f"{error.strerror}. Give an --address that this machine has"
            )
        ) from None
    try:
        alone = ipaddress.ip_address(address).is_loopback
    except ValueError:
        alone = address == "localhost"
    return "" if alone else WARNING.format(address=address, port=port)


_QUIET = {"remote": True, "auto": False}  # opens no browser, which `emo8 browse` does itself


class Server:
    """FiftyOne's App at an address, started while the rows are read and filled.

    Its server is a process that imports FiftyOne once more, watched by another that does too.
    """

    def __init__(self, *, address: str, port: int) -> None:
        self._how: dict[str, Any] = {**_QUIET, "address": address, "port": port}
        self._empty: Future[Any] | None = None  # a session without a dataset: it starts the server

    def start(self) -> Future[Any]:
        """Begin to connect to the database, then to serve; the module, once it is connected."""
        connected, self._empty = database.start(lambda fo: fo.launch_app(**self._how))
        return connected

    def show(self, prepared: Prepared) -> Any:
        """A session with the dataset, or with the rows of this call where it asked for some."""
        import fiftyone

        assert self._empty is not None, "not started"
        try:
            self._empty.result()
        except Exception as error:  # FiftyOne waits a minute for its server, then raises its own
            raise BrowseError(
                f"FiftyOne's App does not start on port {self._how['port']} ({error}): the rows "
                "are in its database; run this again when the machine is less busy"
            ) from error
        dataset = prepared.dataset
        view = dataset.load_saved_view(views.ASKED) if views.ASKED in prepared.views else None
        return fiftyone.launch_app(None if view is not None else dataset, view=view, **self._how)

    def close(self) -> None:
        """End the App, also one that is still starting."""
        with contextlib.suppress(Exception):  # one that never came up was told of by `show`
            if self._empty is not None:
                self._empty.result().close()
