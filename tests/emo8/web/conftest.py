"""A polite little web on loopback, and a recipe for a list of its links."""

from __future__ import annotations

import csv
import http.server
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import encoded, picture, write_recipe


def rejected(build: Path) -> list[dict[str, Any]]:
    """The lines of `tables/rejected.parquet`."""
    return list(pq.read_table(build / "tables" / "rejected.parquet").to_pylist())


class Site:
    """A server on loopback whose pages a test sets; it counts what it is asked for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.delay_s = 0.0
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with site.lock:
                    site.asked[self.path] += 1
                time.sleep(site.delay_s)
                status, headers, body = site.page(self.path)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                with site.lock:
                    site.asked[f"POST {self.path}"] += 1
                status, _, body = site.page(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return None

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_port}"

    def page(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """What was set for a path, else the picture that its number names."""
        if path in self.pages:
            return self.pages[path]
        number = path.strip("/").removesuffix(".jpg")
        if number.isdigit():
            return 200, {"Content-Type": "image/jpeg"}, encoded(picture(int(number)))
        return 404, {}, b""

    def pictures(self) -> Counter[str]:
        """How often each picture was asked for."""
        return Counter({path: n for path, n in self.asked.items() if path.endswith(".jpg")})


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()


def list_recipe(folder: Path, links: list[str], fetch: str = "") -> Path:
    """A recipe over `urls.csv` with these links, in parts of ten, loopback allowed."""
    folder.mkdir(exist_ok=True)
    with (folder / "urls.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["url", "title"])
        table.writerows([link, f"picture {n}"] for n, link in enumerate(links))
    source = """
[[source]]
kind = "urls"
path = "urls.csv"
style = "natural"
license = "CC0-1.0"
columns = { caption = "title" }
allow_networks = ["127.0.0.0/8"]
[ingest]
part_rows = 10
[fetch]
host_delay_s = 0.0
timeout_s = 5.0
"""
    return write_recipe(folder, source + fetch, name="links")


@pytest.fixture
def make_list() -> Callable[..., Path]:
    return list_recipe
