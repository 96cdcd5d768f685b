"""A small Hub on a loopback port: the REST routes that publishing and loading need.

It keeps commits, tags and large files in memory, checks the token, refuses a stale parent, and can
be told to fail. It proves which calls our client makes and how it takes the answers; it does not
prove that the real Hub accepts them, and it does not speak xet.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_testtokentesttokentesttoken"
LFS_SUFFIXES = (".parquet", ".png")
Files = dict[str, bytes]


@dataclass
class Repo:
    """One dataset: its commits in order, and its tags."""

    private: bool
    commits: list[tuple[str, Files]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, files: Files, message: str) -> str:
        digest = hashlib.sha1(f"{len(self.commits)}{message}".encode())
        for name in sorted(files):
            digest.update(name.encode() + git_oid(files[name]).encode())
        self.commits.append((digest.hexdigest(), dict(files)))
        self.messages.append(message)
        return digest.hexdigest()

    @property
    def head(self) -> str:
        return self.commits[-1][0]

    def at(self, revision: str) -> tuple[str, Files] | None:
        oid = self.head if revision == "main" else self.tags.get(revision, revision)
        return next((commit for commit in self.commits if commit[0] == oid), None)


@dataclass
class Hub:
    """The state of the server, and what a test may ask of it."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    large: Files = field(default_factory=dict)  # by SHA-256
    requests: Counter[str] = field(default_factory=Counter)  # "METHOD route" -> how often
    uploads: Counter[str] = field(default_factory=Counter)  # SHA-256 -> whole bodies received
    # (METHOD, pattern of the path) -> what to answer next: a status, or a function to call
    faults: list[tuple[str, str, Any]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fail(self, method: str, pattern: str, *answers: int | Callable[[], None]) -> None:
        """Answer the next matching requests like this, once each; then normally again."""
        self.faults += [(method, pattern, answer) for answer in answers]

    def fault(self, method: str, path: str) -> Any:
        with self.lock:
            for place, (wanted, pattern, answer) in enumerate(self.faults):
                if wanted == method and re.search(pattern, path):
                    del self.faults[place]
                    return answer
        return None


@contextmanager
def serve() -> Iterator[Hub]:
    """A running server on a free loopback port."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def git_oid(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def is_large(name: str) -> bool:
    return name.endswith(LFS_SUFFIXES)


def entry(name: str, data: bytes) -> dict[str, Any]:
    """A file as the tree routes describe it."""
    described: dict[str, Any] = {"type": "file", "path": name, "size": len(data)}
    described["oid"] = git_oid(data)
    if is_large(name):
        sha = hashlib.sha256(data).hexdigest()
        described["lfs"] = {"oid": sha, "size": len(data), "pointerSize": 130}
    return described


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return None

    def do_GET(self) -> None:
        self._handle("GET")

    def do_HEAD(self) -> None:
        self._handle("HEAD")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def _handle(self, method: str) -> None:
        parts = urlsplit(self.path)
        self.where, self.query = unquote(parts.path), parse_qs(parts.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.hub.fault(method, self.where)
        if callable(fault):
            fault()
        elif fault:
            headers = {"Retry-After": "1"} if fault == 429 else {}
            return self._json({"error": f"told to answer {fault}"}, fault, headers)
        for wanted, pattern, name in _ROUTES:
            found = re.fullmatch(pattern, self.where)
            if wanted == method and found:
                self.hub.requests[f"{method} {name}"] += 1
                with self.hub.lock:
                    return getattr(self, f"_{name}")(*found.groups())
        return self._json({"error": f"no route {method} {self.where}"}, 404)

    # --- answers -------------------------------------------------------------------------

    def _json(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._bytes(json.dumps(content).encode(), status, {
            "Content-Type": "application/json", **(headers or {})})  # fmt: skip

    def _bytes(self, data: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _may_write(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self._json({"error": "Invalid credentials in Authorization header"}, 401)
        return False

    def _repo(self, name: str, code: str = "RepoNotFound") -> Repo | None:
        repo = self.hub.repos.get(name)
        signed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repo is None or (repo.private and not signed):
            self._json({"error": "Repository not found"}, 404, {"X-Error-Code": code})
            return None
        return repo

    def _files(self, name: str, revision: str) -> tuple[str, Files] | None:
        repo = self._repo(name)
        commit = repo.at(revision) if repo else None
        if repo and commit is None:
            self._json({"error": "Invalid rev"}, 404, {"X-Error-Code": "RevisionNotFound"})
        return commit

    # --- routes --------------------------------------------------------------------------

    def _whoami(self) -> None:
        if self._may_write():
            self._json({"type": "user", "name": "user", "auth": {"type": "access_token"}})

    def _create(self) -> None:
        if not self._may_write():
            return
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or 'user'}/{asked['name']}"
        url = f"{self.hub.url}/datasets/{name}"
        if name in self.hub.repos:
            return self._json({"error": "You already created this dataset", "url": url}, 409)
        repo = self.hub.repos[name] = Repo(private=asked.get("visibility") == "private")
        repo.commit({".gitattributes": b"*.parquet filter=lfs\n"}, "initial commit")
        self._json({"url": url})

    def _yaml(self) -> None:
        self._json({"errors": [], "warnings": []})

    def _preupload(self, name: str, revision: str) -> None:
        commit = self._files(name, revision) if self._may_write() else None
        if commit is None:
            return
        answers = []
        for item in json.loads(self.body)["files"]:
            path = item["path"]
            answer = {"path": path, "shouldIgnore": False}
            answer["uploadMode"] = "lfs" if is_large(path) else "regular"
            if path in commit[1]:
                described = entry(path, commit[1][path])
                answer["oid"] = described.get("lfs", described)["oid"]
            answers.append(answer)
        self._json({"files": answers})

    def _batch(self, name: str) -> None:
        if not self._may_write():
            return
        objects = []
        for item in json.loads(self.body)["objects"]:
            answer = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.hub.large:
                href = f"{self.hub.url}/upload/{item['oid']}"
                answer["actions"] = {"upload": {"href": href}}
            objects.append(answer)
        self._json({"transfer": "basic", "objects": objects})

    def _upload(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self._json({"error": "wrong content"}, 400)
        self.hub.large[oid] = self.body
        self.hub.uploads[oid] += 1
        self._json({})

    def _commit(self, name: str, revision: str) -> None:
        repo = self._repo(name) if self._may_write() else None
        if repo is None:
            return
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, repo.head):
            return self._json({"error": "A commit has happened since. Please refresh."}, 412)
        files = dict(repo.commits[-1][1])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.large:
                    return self._json({"error": f"no object {value['oid']}"}, 400)
                files[value["path"]] = self.hub.large[value["oid"]]
            elif line["key"] == "deletedFile":
                files.pop(value["path"])
        oid = repo.commit(files, header["summary"])
        lost = self.hub.fault("ANSWER", self.where)
        if lost:
            return self._json({"error": "the commit arrived, its answer does not"}, lost)
        self._json({"commitUrl": f"{self.hub.url}/datasets/{name}/commit/{oid}",
                    "commitOid": oid, "success": True})  # fmt: skip

    def _info(self, name: str, revision: str | None = None) -> None:
        commit = self._files(name, revision or "main")
        if commit:
            private = self.hub.repos[name].private
            self._json({
                "id": name, "_id": "0" * 24, "sha": commit[0], "private": private,
                "author": name.split("/")[0], "disabled": False, "gated": False, "downloads": 0,
                "likes": 0, "tags": [], "lastModified": "2025-01-01T00:00:00.000Z",
                "createdAt": "2025-01-01T00:00:00.000Z",
                "siblings": [{"rfilename": path} for path in sorted(commit[1])],
            })  # fmt: skip

    def _tree(self, name: str, revision: str, below: str | None = None) -> None:
        commit = self._files(name, revision)
        if commit is None:
            return
        prefix = f"{below.strip('/')}/" if below and below.strip("/") else ""
        recursive = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        found: dict[str, dict[str, Any]] = {}
        for path, data in commit[1].items():
            if not path.startswith(prefix):
                continue
            folders = path[len(prefix) :].split("/")[:-1]
            for depth in range(1, len(folders) + 1):
                folder = prefix + "/".join(folders[:depth])
                if recursive or depth == 1:
                    oid = git_oid(folder.encode())
                    found[folder] = {"type": "directory", "path": folder, "oid": oid, "size": 0}
            if recursive or not folders:
                found[path] = entry(path, data)
        if prefix and not found:
            return self._json({"error": "no entry"}, 404, {"X-Error-Code": "EntryNotFound"})
        self._json([found[path] for path in sorted(found)])

    def _paths(self, name: str, revision: str) -> None:
        commit = self._files(name, revision)
        if commit is None:
            return
        kind = self.headers.get("Content-Type", "")
        asked = json.loads(self.body) if "json" in kind else parse_qs(self.body.decode())
        answers = []
        for path in asked["paths"]:
            if path in commit[1]:
                answers.append(entry(path, commit[1][path]))
            elif any(known.startswith(f"{path}/") for known in commit[1]):
                oid = git_oid(path.encode())
                answers.append({"type": "directory", "path": path, "oid": oid, "size": 0})
        self._json(answers)

    def _refs(self, name: str) -> None:
        repo = self._repo(name)
        if repo:
            tags = [
                {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": oid}
                for tag, oid in repo.tags.items()
            ]
            main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head}
            self._json({"branches": [main], "tags": tags, "converts": []})

    def _tag(self, name: str, revision: str) -> None:
        commit = self._files(name, revision) if self._may_write() else None
        if commit is None:
            return
        repo, tag = self.hub.repos[name], json.loads(self.body)["tag"]
        if tag in repo.tags:
            return self._json({"error": "Tag reference exists already"}, 409)
        repo.tags[tag] = commit[0]
        self._json({})

    def _resolve(self, name: str, revision: str, path: str) -> None:
        commit = self._files(name, revision)
        if commit is None:
            return
        if path not in commit[1]:
            headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit[0]}
            return self._json({"error": "Entry not found"}, 404, headers)
        data = commit[1][path]
        described = entry(path, data)
        headers = {
            "ETag": f'"{described.get("lfs", described)["oid"]}"',
            "X-Repo-Commit": commit[0],
            "Accept-Ranges": "bytes",
        }
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not asked:
            return self._bytes(data, 200, headers)
        start, end = int(asked[1]), int(asked[2] or len(data) - 1)
        headers["Content-Range"] = f"bytes {start}-{min(end, len(data) - 1)}/{len(data)}"
        self._bytes(data[start : end + 1], 206, headers)


_NAME = r"([\w.-]+/[\w.-]+)"
_ROUTES = (
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "yaml"),
    ("POST", rf"/api/datasets/{_NAME}/preupload/(.+)", "preupload"),
    ("POST", rf"/datasets/{_NAME}\.git/info/lfs/objects/batch", "batch"),
    ("PUT", r"/upload/([0-9a-f]{64})", "upload"),
    ("POST", rf"/api/datasets/{_NAME}/commit/([^/]+)", "commit"),
    ("GET", rf"/api/datasets/{_NAME}", "info"),
    ("GET", rf"/api/datasets/{_NAME}/revision/([^/]+)", "info"),
    ("GET", rf"/api/datasets/{_NAME}/tree/([^/]+)(/.*)?", "tree"),
    ("POST", rf"/api/datasets/{_NAME}/paths-info/([^/]+)", "paths"),
    ("GET", rf"/api/datasets/{_NAME}/refs", "refs"),
    ("POST", rf"/api/datasets/{_NAME}/tag/([^/]+)", "tag"),
    ("GET", rf"/datasets/{_NAME}/resolve/([^/]+)/(.+)", "resolve"),
    ("HEAD", rf"/datasets/{_NAME}/resolve/([^/]+)/(.+)", "resolve"),
)
