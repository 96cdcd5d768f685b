import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emo8.core.errors import SourceError
from emo8.sources.base import Candidate
from tests.conftest import encoded, picture, write_recipe

Read = Callable[..., list[Candidate]]
COMMIT = "c0ffee" + "0" * 34


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder as people publish them: two splits, ClassLabels in an order of their own."""
    import datasets

    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["sadness", "awe"]),
            "text": datasets.Value("string"),
        }
    )
    root = tmp_path_factory.mktemp("hub") / "name"
    for split, seeds in (("train", range(5)), ("validation", range(5, 7))):
        rows = [
            {
                "image": {"bytes": encoded(picture(k)), "path": f"{k}.jpg"},
                "label": k % 2,
                "text": f"picture {k}",
            }
            for k in seeds
        ]
        (root / "data").mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows, features=features).to_parquet(
            root / "data" / f"{split}-00000-of-00001.parquet"
        )
    return root


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.usefixtures("cache")
def test_hub__folder_in_the_hubs_form_gives_names_for_numbers_and_splits(
    released: Path, candidates: Read
) -> None:
    found = candidates(
        kind="hub",
        path=f"hub:{released}",
        style="natural",
        emotion_from="label",
        columns={"caption": "text"},
        keep_splits=True,
        part_rows=2,
    )
    assert [c.data for c in found] == [encoded(picture(k)) for k in range(7)]
    assert [c.claims.emotion for c in found[:3]] == ["sadness", "awe", "sadness"]
    assert [c.claims.split for c in found] == ["train"] * 5 + ["val"] * 2
    assert found[6].claims.caption == "picture 6"
    assert found[6].source_path == "validation#1/6.jpg"


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "hub:nowhere"}, ["hub:nowhere", "user/name"]),
        ({"path": "hub:user/name@v1", "style": "natural"}, ["user/name@v1", "network"]),
        ({"path": "RELEASED"}, ["no style"]),
        ({"path": "RELEASED", "style": "natural", "emotion_from": "labl"}, ["labl", "label"]),
    ],
)
def test_hub__unusable_sources_say_why(
    released: Path, candidates: Read, options: dict[str, str], words: list[str]
) -> None:
    options = {**options, "path": options["path"].replace("RELEASED", str(released))}
    with pytest.raises(SourceError) as caught:
        candidates(kind="hub", **options)
    for word in words:
        assert word in str(caught.value)


@pytest.fixture
def server(released: Path) -> Iterator[str]:
    """The few read routes of the Hub, on this machine, for one dataset at one commit."""
    files = {p.relative_to(released).as_posix(): p.read_bytes() for p in released.rglob("*.*")}

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send(b"[]")

        def answer(self, body: bool) -> None:
            path = self.path.split("?")[0]
            if path.startswith("/api/datasets/user/name/tree"):
                below = path.partition(f"/tree/{COMMIT}")[2].strip("/")
                if below == "data":
                    rows = [self.entry(name, data) for name, data in files.items()]
                else:
                    rows = [{"type": "directory", "path": "data", "oid": "0" * 40}]
                self.send(json.dumps(rows).encode())
            elif path.startswith("/api/datasets/user/name"):
                names = [{"rfilename": name} for name in files]
                info = {"id": "user/name", "sha": COMMIT, "siblings": names}
                self.send(json.dumps({**info, "private": False, "tags": []}).encode())
            elif path.startswith("/datasets/user/name/resolve/"):
                self.send(files.get(path.split("/", 6)[6]), body=body)
            else:
                self.send(None)

        def entry(self, name: str, data: bytes) -> dict[str, object]:
            oid = hashlib.sha1(data).hexdigest()
            return {"type": "file", "path": name, "size": len(data), "oid": oid}

        def send(self, data: bytes | None, body: bool = True) -> None:
            self.send_response(404 if data is None else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha1(data or b"").hexdigest()}"')
            if data is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            if body:
                self.wfile.write(data or b"")

        def log_message(self, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{hub.server_port}"
        hub.shutdown()


@pytest.mark.usefixtures("cache")
def test_hub__tar_shards_are_sent_to_the_reader_of_shards(tmp_path: Path, candidates: Read) -> None:
    """`datasets` 5.2 takes types and fields from the first five samples: later ones are changed."""
    with tarfile.open(tmp_path / "train-000.tar", "w") as tar:
        for k in range(7):
            said = {"awe": 1 if k < 6 else 0.5}
            for name, data in (("jpg", encoded(picture(k))), ("json", json.dumps(said).encode())):
                info = tarfile.TarInfo(f"{k}.{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    with pytest.raises(SourceError, match=r"'webdataset'; .* read them with kind = \"webdataset\""):
        candidates(kind="hub", path=".", style="natural")


def test_hub__build_from_a_tag_of_a_hub_dataset(server: str, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path,
        '[[source]]\nkind = "hub"\npath = "hub:user/name@v1"\nstyle = "natural"\n'
        'emotion_from = "label"\nkeep_splits = true',
    )
    environment = {
        **os.environ,
        "HF_ENDPOINT": server,
        "HF_HUB_OFFLINE": "0",
        "HF_DATASETS_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "emo8.cli", "build", str(recipe), "-o", str(tmp_path / "BUILD")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shards = (tmp_path / "BUILD" / "dataset" / "data" / "natural").glob("*.parquet")
    rows = [(p.name[:3], r["emotion_source"]) for p in shards for r in pq.read_table(p).to_pylist()]
    assert sorted(rows) == sorted([("tra", "sadness")] * 3 + [("tra", "awe")] * 2
                                  + [("val", "awe"), ("val", "sadness")])  # fmt: skip
