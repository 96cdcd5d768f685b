"""Publishing to and loading from a small local Hub, with the real client libraries."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from emo8.core.errors import BuildError, Emo8Error, HubError
from emo8.dataset import removal
from emo8.pipeline.run import build
from emo8.publish.hub import tree_problems
from emo8.publish.send import to_folder, to_hub
from tests.conftest import encoded, picture
from tests.hub_server import TOKEN, Hub, is_large, serve

REPO = "user/small"
LOAD = """
import json, sys
from datasets import load_dataset
from huggingface_hub import snapshot_download
repo, sha = sys.argv[1:]
found = {}
by_name = load_dataset(repo)
found["rows"] = {split: len(part) for split, part in by_name.items()}
found["decoded"] = by_name["train"][0]["image"].size[0] == by_name["train"][0]["width"]
found["names"] = by_name["train"].features["emotion"].names
found["tag"] = len(load_dataset(repo, "labels", split="train", revision="v1.0.0"))
found["sha"] = len(load_dataset(repo, "natural", split="train", revision=sha))
stream = load_dataset(repo, split="train", streaming=True)
found["streamed"] = sum(1 for row in stream if row["image"].size[0] == row["width"])
folder = snapshot_download(repo, repo_type="dataset", revision="v1.0.0")
found["snapshot"] = sum(len(part) for part in load_dataset(folder).values())
print(json.dumps(found))
"""


def client_environment(hub: Hub, folder: Path, token: str = TOKEN) -> dict[str, str]:
    """The environment of a user whose Hub is this one."""
    environment = {
        **os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": token,
        "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }  # fmt: skip
    return {k: v for k, v in environment.items() if "OFFLINE" not in k}


def test_to_hub__command_publishes_and_plain_datasets_loads(small: Path, tmp_path: Path) -> None:
    with serve() as hub:
        environment = client_environment(hub, tmp_path)
        command = [sys.executable, "-m", "emo8.cli", "publish", str(small / "BUILD"), REPO]
        told = subprocess.run(
            [*command, "--private"], env=environment, capture_output=True, text=True
        )
        assert told.returncode == 0, told.stderr
        repo = hub.repos[REPO]
        assert repo.private and repo.tags == {"v1.0.0": repo.head}
        assert f"{REPO}@{repo.head} (tag v1.0.0): published and read back" in told.stdout
        assert TOKEN not in told.stdout + told.stderr
        assert len(repo.commits) == 2  # the Hub's own, and one of ours
        loaded = subprocess.run(
            [sys.executable, "-I", "-c", LOAD, REPO, repo.head],
            env=environment, capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
        assert loaded.returncode == 0, loaded.stderr
    found = json.loads(loaded.stdout)
    kept = json.loads((small / "BUILD" / "report" / "funnel.json").read_text())["kept"]
    assert sum(found["rows"].values()) == found["snapshot"] == kept
    assert found["streamed"] == found["tag"] == found["rows"]["train"] > found["sha"] > 0
    assert found["decoded"] and found["names"][0] == "amusement"


def test_to_hub__same_content_as_to_folder(hub: Hub, small: Path, tmp_path: Path) -> None:
    to_hub(small / "BUILD", REPO)
    to_folder(small / "BUILD", tmp_path / "DIR")
    _, files = hub.repos[REPO].commits[-1]
    for path in (tmp_path / "DIR").rglob("*.parquet"):
        assert files[path.relative_to(tmp_path / "DIR").as_posix()] == path.read_bytes()
    assert 'load_dataset("user/small"' in files["README.md"].decode()


def test_to_hub__again_sends_nothing_and_stays_at_its_version(hub: Hub, small: Path) -> None:
    first = to_hub(small / "BUILD", REPO)
    uploads = sum(hub.uploads.values())
    second = to_hub(small / "BUILD", REPO)
    assert first.sent and not second.sent and second.where == first.where
    assert sum(hub.uploads.values()) == uploads and len(hub.repos[REPO].commits) == 2


def test_to_hub__removed_picture_leaves_with_a_new_version(
    hub: Hub, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(shutil.copytree(small, tmp_path / "own"))
    to_hub(own / "BUILD", REPO)
    before = set(hub.repos[REPO].commits[-1][1])
    monkeypatch.setenv(removal.LIST_VARIABLE, str(tmp_path / "removals.jsonl"))
    for shard in (own / "BUILD" / "dataset" / "data").glob("*/val-*.parquet"):
        import pyarrow.parquet as pq

        for key in pq.read_table(shard)["id"].to_pylist():
            removal.add(key, "asked", [own / "BUILD"])
    build(own / "recipe.toml", own / "BUILD", workers=1)
    outcome = to_hub(own / "BUILD", REPO)
    repo = hub.repos[REPO]
    gone = before - set(repo.commits[-1][1])
    assert gone and all("/val-" in name for name in gone)
    assert outcome.release.version == "1.1.0" and set(repo.tags) == {"v1.0.0", "v1.1.0"}
    assert "rows removed" in outcome.release.changes[0]
    notes = json.loads(repo.commits[-1][1]["release.json"])
    assert [entry["version"] for entry in notes["history"]] == ["1.0.0", "1.1.0"]
    assert "### 1.1.0" in repo.commits[-1][1]["README.md"].decode()


def test_to_hub__grown_dataset_sends_no_shard_that_did_not_change(
    hub: Hub, small: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(small, tmp_path / "own"))
    to_hub(own / "BUILD", REPO)
    repo, arrived = hub.repos[REPO], dict(hub.large)
    before = repo.commits[-1][1]
    (own / "pictures" / "natural" / "new.jpg").write_bytes(encoded(picture(777)))
    build(own / "recipe.toml", own / "BUILD", workers=1)
    to_hub(own / "BUILD", REPO)
    after = repo.commits[-1][1]
    shards = {name for name in after if name.startswith("data/")}
    grown = {name for name in shards if after[name] != before.get(name)}
    assert len(grown) == 1 and next(iter(grown)).startswith("data/natural/")
    assert len(shards - grown) >= 5 and shards >= {n for n in before if n.startswith("data/")}
    sent = sum(len(data) for digest, data in hub.large.items() if digest not in arrived)
    changed = [name for name in after if is_large(name) and after[name] != before.get(name)]
    assert sent == sum(len(after[name]) for name in changed)
    assert all(times == 1 for times in hub.uploads.values())
    assert sent < 0.5 * sum(len(data) for name, data in after.items() if is_large(name))


def test_to_hub__killed_while_uploading_it_sends_only_the_rest(
    hub: Hub, small: Path, tmp_path: Path
) -> None:
    process: list[subprocess.Popen[bytes]] = []
    ready = threading.Event()

    def kill() -> None:
        ready.wait(60)
        os.kill(process[0].pid, signal.SIGKILL)

    for _ in range(4):
        hub.fail("PUT", "^/upload/", lambda: None)
    hub.fail("PUT", "^/upload/", kill, *[lambda: ready.wait(60)] * 6)
    command = [sys.executable, "-m", "emo8.cli", "publish", str(small / "BUILD"), REPO]
    process.append(subprocess.Popen(
        command, env=client_environment(hub, tmp_path), stderr=subprocess.DEVNULL,
    ))  # fmt: skip
    ready.set()
    assert process[0].wait(240) == -signal.SIGKILL
    assert len(hub.repos[REPO].commits) == 1  # nothing half-published is visible
    hub.faults.clear()
    arrived = dict(hub.large)
    assert arrived
    assert to_hub(small / "BUILD", REPO).sent
    assert all(hub.uploads[oid] == 1 for oid in arrived)
    assert len(hub.large) > len(arrived)


def test_to_hub__stale_parent_overwrites_nothing(hub: Hub, small: Path) -> None:
    to_hub(small / "BUILD", REPO)
    repo = hub.repos[REPO]
    _, files = repo.commits[-1]

    def other_publisher() -> None:
        repo.commit({**files, "data/natural/train-00000.parquet": b"theirs"}, "theirs")

    repo.commit({**files, "README.md": b"edited on the web"}, "web")
    hub.fail("POST", "/commit/main$", other_publisher)
    with pytest.raises(HubError, match="someone else changed user/small"):
        to_hub(small / "BUILD", REPO, tag="again")
    assert repo.messages[-1] == "theirs" and "again" not in repo.tags


def test_to_hub__lost_answer_to_the_commit_is_no_second_commit(hub: Hub, small: Path) -> None:
    hub.fail("ANSWER", "/commit/main$", 503)
    outcome = to_hub(small / "BUILD", REPO)
    assert outcome.sent and len(hub.repos[REPO].commits) == 2
    assert hub.repos[REPO].tags == {"v1.0.0": hub.repos[REPO].head}


def test_to_hub__storms_of_429_and_5xx_on_every_route_pass(hub: Hub, small: Path) -> None:
    routes = (
        ("POST", "/api/repos/create"),
        ("GET", "/api/datasets/user/small$"),
        ("GET", "/tree/"),
        ("POST", "/preupload/"),
        ("POST", "/objects/batch$"),
        ("PUT", "^/upload/"),
        ("POST", "/commit/"),
        ("POST", "/tag/"),
    )
    for method, route in routes:
        hub.fail(method, route, 429, 500, 503)
    assert to_hub(small / "BUILD", REPO).sent
    assert not hub.faults and len(hub.repos[REPO].commits) == 2


def test_to_hub__hub_that_stays_down_is_named_and_nothing_is_published(
    hub: Hub, small: Path
) -> None:
    hub.fail("POST", "/commit/", *[502] * 20)
    with pytest.raises(HubError, match="the Hub answered 502 for user/small"):
        to_hub(small / "BUILD", REPO)
    assert len(hub.repos[REPO].commits) == 1
    assert 0 < hub.requests["sleep"] < 20


@pytest.mark.parametrize("token", ["hf_" + "wrong" * 6, ""])
def test_to_hub__wrong_or_no_token_is_the_users_mistake(
    hub: Hub, small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "no-tokens"))
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    else:
        monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(Emo8Error, match="hf auth login") as caught:
        to_hub(small / "BUILD", REPO)
    assert not token or token not in str(caught.value)
    assert not hub.repos


def test_to_hub__foreign_repository_is_refused(hub: Hub, small: Path) -> None:
    from huggingface_hub import HfApi

    HfApi(endpoint=hub.url).create_repo(REPO, repo_type="dataset")
    hub.repos[REPO].commit({"thesis.csv": b"a,b"}, "precious")
    with pytest.raises(BuildError, match=r"thesis\.csv"):
        to_hub(small / "BUILD", REPO)
    assert hub.repos[REPO].messages[-1] == "precious"


def test_to_hub__tag_of_another_commit_is_not_moved(hub: Hub, small: Path) -> None:
    to_hub(small / "BUILD", REPO, tag="paper")
    repo = hub.repos[REPO]
    repo.commit({**repo.commits[-1][1], "README.md": b"edited"}, "edited")
    with pytest.raises(Emo8Error, match="already has a tag paper"):
        to_hub(small / "BUILD", REPO, tag="paper")


def test_to_hub__dry_run_changes_nothing(
    hub: Hub, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from emo8.cli import main

    assert main(["publish", str(small / "BUILD"), REPO, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "data/natural/train-00000.parquet" in out and "bytes" in out and "dry run" in out
    assert not hub.repos and not hub.large


def test_tree_problems__names_what_differs(hub: Hub, small: Path, tmp_path: Path) -> None:
    from huggingface_hub import HfApi

    from emo8.publish.hub import tree

    to_hub(small / "BUILD", REPO)
    repo = hub.repos[REPO]
    to_folder(small / "BUILD", tmp_path / "DIR")
    files = {name: (tmp_path / "DIR" / name).read_bytes() for name in repo.commits[-1][1]
             if name != ".gitattributes"}  # fmt: skip
    shard, card = "data/natural/train-00000.parquet", "README.md"
    files[shard] = files[shard][:-1] + bytes([files[shard][-1] ^ 1])
    files[card] = files[card] + b" "
    files["extra.txt"] = b"x"
    del files["CHANGELOG.md"]
    sha = repo.commit(files, "tampered")
    problems = tree_problems(tree(HfApi(endpoint=hub.url), REPO, sha), tmp_path / "DIR")
    assert problems == [
        "CHANGELOG.md is missing",
        "extra.txt should not be there",
        f"{card} has another size",
        f"{shard} has another hash",
    ]


def test_diff__compares_tags_on_the_hub(
    hub: Hub, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from emo8.cli import main

    to_hub(small / "BUILD", REPO)
    assert main(["publish", f"{REPO}@v1.0.0", str(small / "BUILD"), "--diff"]) == 0
    assert "unchanged" in capsys.readouterr().out
    assert main(["publish", "user/none", str(small / "BUILD"), "--diff"]) == 2
