"""A build over a hostile internet: what every link becomes, and what no listener ever saw."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from emo8.cli import main
from tests.emo8.web import links
from tests.emo8.web.conftest import rejected

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the hostile list was built, once for all tests here."""
    return build_world(tmp_path_factory.mktemp("world"))


def build_world(folder: Path, *options: str) -> Path:
    """`folder` after a build of the hostile list in a network namespace; skips where it cannot."""
    if not shutil.which("unshare") or not shutil.which("ip") or os.geteuid() != 0:
        pytest.skip("needs unshare, ip and root for a network of its own")
    command = ["unshare", "-n", "-m", sys.executable, "-m", "tests.emo8.web.world", str(folder)]
    command += options
    reply = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if "Operation not permitted" in reply.stderr:
        pytest.skip("no network namespaces here")
    assert reply.returncode == 0, reply.stderr
    return folder


@pytest.fixture(scope="module")
def seen(built: Path) -> dict[str, Any]:
    return dict(json.loads((built / "seen.json").read_text()))


def test_build__no_connection_to_a_refused_address_was_ever_opened(seen: dict[str, Any]) -> None:
    assert seen["trapped"] == []
    assert len(seen["requests"]) > 100  # the others were


def test_build__every_link_is_kept_or_rejected(built: Path, seen: dict[str, Any]) -> None:
    assert seen["code"] == 0, seen["output"]
    funnel = json.loads((built / "BUILD" / "report" / "funnel.json").read_text())
    num_links = len(links.LINKS) + 1 + links.EMPTY_LINES + len(links.HASHED)
    assert funnel["inputs"] == num_links == funnel["kept"] + sum(funnel["rejected"].values())
    assert funnel["kept"] == sum(what is None for what in links.LINKS.values()) + 1


@pytest.mark.parametrize("link", links.LINKS, ids=lambda link: link[:60])
def test_build__says_what_became_of_a_link(built: Path, link: str) -> None:
    shown = link if len(link) <= 2000 else link[:2000] + "…"
    lost = [row for row in rejected(built / "BUILD") if row["source_path"] == shown]
    if link == links.REPEATED:
        assert [row["reason"] for row in lost] == ["duplicate_exact"]
        return
    expected = links.LINKS[link]
    if expected is None:
        assert not lost
        return
    reason, cause = expected
    assert [row["reason"] for row in lost] == [reason]
    assert cause is None or lost[0]["detail"] == cause


def test_build__empty_lines_and_wrong_hashes_are_named(built: Path) -> None:
    lost = rejected(built / "BUILD")
    assert sum(row["detail"] == "empty_link" for row in lost) == links.EMPTY_LINES
    right, wrong = links.HASHED
    assert [row["detail"] for row in lost if row["source_path"] == wrong] == ["hash_mismatch"]
    assert not [row for row in lost if row["source_path"] == right]


def test_build__leaves_nothing_of_the_download_behind(built: Path) -> None:
    assert not (built / "BUILD" / "fetch").exists()


def test_build__names_itself_and_asks_robots_first(seen: dict[str, Any]) -> None:
    assert {agent for _, _, agent in seen["requests"]} == {links.AGENT}
    first: dict[str, str] = {}
    for host, path, _ in seen["requests"]:
        first.setdefault(host, path)
    assert set(first.values()) == {"/robots.txt"}
    asked = [host for host, path, _ in seen["requests"] if path == "/robots.txt"]
    once = [host for host in asked if host.startswith("good")]
    assert len(once) == 1  # 23 links, one question


def test_build__what_robots_forbids_is_not_even_asked_for(seen: dict[str, Any]) -> None:
    paths = [host + path for host, path, _ in seen["requests"]]
    assert not [path for path in paths if "/private/" in path]
    assert [path for path in paths if path.startswith("named.")] == ["named.example/robots.txt"]
    assert "forbid.example/open/27.jpg" in paths


def test_build__a_host_has_no_more_connections_than_the_recipe_says(seen: dict[str, Any]) -> None:
    assert max(seen["most_busy"].values()) <= 2


def test_build__dataset_loads_with_addresses(built: Path) -> None:
    rows = load_dataset(str(built / "BUILD" / "dataset"))
    urls = {row["source_url"] for part in rows.values() for row in part}
    assert "http://good.example/1.jpg" in urls and "http://twohops.example/a" not in urls


def test_card__says_what_was_honoured(built: Path) -> None:
    card = (built / "BUILD" / "dataset" / "README.md").read_text()
    assert links.AGENT in card and "robots.txt: honoured" in card
    assert "x-robots-tag" in card and "TDM" in card


def test_failures__table_by_host_and_cause(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(built / "BUILD"), "--failures", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    found = {(line["host"], line["reason"], line["cause"]): line["links"] for line in lines}
    assert found["broken.example", "fetch_failed", "http_404"] == 1
    assert found["xrobots.example", "opt_out", "x-robots-tag noindex"] == 2
    assert found["", "refused_address", "scheme file"] == 1
    assert main(["status", str(built / "BUILD"), "--failures", "--top", "200"]) == 0
    assert "broken.example" in capsys.readouterr().out


@pytest.mark.slow
def test_build__with_ray_the_guard_holds_in_every_worker(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    folder = build_world(tmp_path, "--engine", "ray")
    seen = json.loads((folder / "seen.json").read_text())
    assert seen["code"] == 0, seen["output"]
    # Ray itself looks for a cloud's metadata service when it starts (with python-requests, also in
    # a program without a line of ours); whatever else knocked would be a hole in the guard.
    assert not [what for what in seen["trapped"] if "python-requests" not in what]
    lost = {row["source_path"]: row["reason"] for row in rejected(folder / "BUILD")}
    for link, expected in links.LINKS.items():
        if expected and expected[0] in ("refused_address", "opt_out"):
            assert lost[link if len(link) <= 2000 else link[:2000] + "…"] == expected[0]
