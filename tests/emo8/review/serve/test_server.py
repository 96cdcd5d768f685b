"""The page's server, without a browser: who gets in, what is taken, and that nothing is lost."""

from __future__ import annotations

import io
import json
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from emo8.core.errors import Emo8Error
from emo8.review import journal, votes
from emo8.review.queue import assign
from emo8.review.serve.server import ReviewServer
from emo8.review.serve.session import Session
from emo8.review.sheets import claims_table
from emo8.review.vote_files import import_votes, undo


@pytest.fixture
def build(small: Path, tmp_path: Path) -> Path:
    """A copy of the small build."""
    return Path(shutil.copytree(small / "BUILD", tmp_path / "BUILD"))


@pytest.fixture
def server(build: Path) -> Iterator[ReviewServer]:
    """A running server on it."""
    with ReviewServer(Session.open(build, ("emotion", "valence"))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()
        running.session.journal.close()


def _get(url: str, **headers: str) -> bytes:
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def _say(server: ReviewServer, who: str, row: str, *said: dict[str, Any], **more: Any) -> Any:
    body = {"who": who, "id": row, "votes": list(said), **more}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(server.url + "answer", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def _state(server: ReviewServer, who: str = "ann") -> dict[str, Any]:
    return dict(json.loads(_get(f"{server.url}state?who={who}")))


def test_server__page_and_pictures_need_the_token_and_this_machines_name(
    server: ReviewServer,
) -> None:
    assert b"Who looks at the pictures?" in _get(server.url)
    row = _state(server)["rows"][0]
    picture = Image.open(io.BytesIO(_get(f"{server.url}picture/{row}")))
    assert picture.format == "JPEG" and picture.size[0] > 60
    base = f"http://127.0.0.1:{server.server_port}"
    for url in (base, f"{base}/x/picture/{row}", f"{base}/x/state?who=a"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            _get(url)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        _get(server.url, Host="evil.example.org")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _get(f"{server.url}picture/../../etc/passwd")


def test_server__answers_are_votes_at_once(server: ReviewServer, build: Path) -> None:
    rows = _state(server)["rows"]
    ticks = [{"kind": "select", "emotion": "awe"}, {"kind": "select", "emotion": "fear"}]
    assert _say(server, "ann", rows[0], *ticks, {"kind": "valence", "value": 7}, consent=True)
    _say(server, "ann", rows[1], {"kind": "neutral"})
    _say(server, "ben", rows[0], {"kind": "reject", "reason": "blurry"})
    cast = votes.counted(votes.read_votes(build))
    assert cast["kind"].tolist() == ["select", "select", "valence", "neutral", "reject"]
    assert cast["value"].tolist()[2] == 0.75 and cast["scale"].tolist()[2] == "1-9"
    assert cast["consent"].tolist() == [True, True, True, None, None]
    assert cast["annotator"].str.fullmatch("a[0-9a-f]{12}").all()
    state = _state(server)
    assert (state["done"], len(state["rows"])) == (2, len(rows) - 2)
    assert _state(server, "ben")["done"] == 1


def test_server__a_second_answer_replaces_and_undo_takes_back(
    server: ReviewServer, build: Path
) -> None:
    row = _state(server)["rows"][0]
    _say(server, "ann", row, {"kind": "choice", "emotion": "awe"})
    _say(server, "ann", row, {"kind": "choice", "emotion": "fear"})
    assert votes.read_votes(build)["emotion"].tolist() == ["fear"]
    _say(server, "ann", row)
    assert votes.read_votes(build).empty


@pytest.mark.parametrize(
    "said",
    [{"kind": "choice", "emotion": "joy"}, {"kind": "valence", "value": 12}, {"kind": "x"}, 3],
)
def test_server__what_nobody_could_have_said_is_refused(
    server: ReviewServer, build: Path, said: Any
) -> None:
    row = _state(server)["rows"][0]
    for who, key in (("ann", row), ("", row), ("ann", "0" * 64)):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            _say(server, who, key, said)
    assert votes.read_votes(build).empty


def test_server__assigned_rows_come_in_their_order(server: ReviewServer, build: Path) -> None:
    asked = assign(build, claims_table(build), ["ann", "ben"], limit=6)
    own = asked[asked["annotator"].eq("ben")]["id"].tolist()
    assert _state(server, "ben")["rows"] == own
    assert len(_state(server, "eve")["rows"]) > 6


def test_settle__moves_what_a_dead_server_left_and_nothing_twice(build: Path) -> None:
    session = Session.open(build)
    row = session.order[0]
    said = {"who": "ann", "id": row, "votes": [{"kind": "choice", "emotion": "awe"}]}
    session.record(said)
    journal.settle(build)
    assert session.journal.path.exists()  # its server runs
    with session.journal.path.open("ab") as file:
        file.write(b'{"id": "torn')
    session.journal.close()
    before = votes.read_votes(build)
    journal.settle(build)
    journal.settle(build)
    assert not session.journal.path.exists()
    assert votes.read_votes(build).equals(before) and before["emotion"].tolist() == ["awe"]
    assert undo(build, session.journal.batch) == 1


def test_settle__keeps_imports_beside_a_running_server(build: Path, tmp_path: Path) -> None:
    session = Session.open(build)
    one, two = session.order[:2]
    session.record({"who": "a", "id": one, "votes": [{"kind": "neutral"}]})
    file = tmp_path / "v.csv"
    file.write_text(f"id,annotator,emotion\n{two},b,awe\n")
    import_votes(build, file)
    session.record({"who": "a", "id": two, "votes": [{"kind": "none"}]})
    session.journal.close()
    journal.settle(build)
    assert sorted(votes.read_votes(build)["kind"]) == ["choice", "neutral", "none"]


def test_session__questions_nobody_knows(build: Path) -> None:
    with pytest.raises(Emo8Error, match="use emotion, valence"):
        Session.open(build, ("mood",))
