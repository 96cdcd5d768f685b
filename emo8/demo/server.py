"""The demo's third source: a list of links to pictures of the sample, served on loopback.

The server states wishes like a real site, and the list holds links that must not be followed, so
that the demo shows what becomes of them.
"""

from __future__ import annotations

import csv
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from emo8.demo import sample
from emo8.engine.files import write_text

# The same every time if it is free: addresses are part of the dataset, and so of its bytes.
PORT = 47_400
NETWORK = "127.0.0.0/8"
# Links that must leave, and the reason they must leave with.
BAD = {
    "{base}/private/secret.webp": "opt_out",  # by robots.txt
    "{base}/noai.webp": "opt_out",  # by X-Robots-Tag
    "{base}/redirect": "refused_address",  # to a metadata service
    "file:///etc/hostname": "refused_address",
    "{base}/gone.webp": "fetch_failed",
}
_LISTED = ("url", "title", "style", "license", "attribution")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/robots.txt":
            return self._send(200, b"User-agent: *\nDisallow: /private/\n")
        if self.path == "/redirect":
            return self._send(302, b"", Location="http://169.254.169.254/latest/meta-data/")
        folder = (sample.root() / "web").resolve()
        wishes = {"X-Robots-Tag": "noai"} if self.path == "/noai.webp" else {}
        name = "cartoon/tiger.webp" if wishes else unquote(self.path.lstrip("/"))
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            return self._send(404, b"")
        self._send(200, path.read_bytes(), **wishes)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        return None


@contextmanager
def serve() -> Iterator[str]:
    """The address of a server of the sample's web pictures, as long as the context lasts."""
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), _Handler)
    except OSError:  # somebody has the port
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def write_inputs(out: Path, base: str) -> Path:
    """Write the list of links and the recipe of all three sources; the recipe's path comes back."""
    out.mkdir(parents=True, exist_ok=True)
    with (sample.root() / "web" / "credits.csv").open(encoding="utf-8", newline="") as file:
        credits = list(csv.DictReader(file))
    with (out / "urls.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_LISTED)
        for line in credits:
            style, told = line["file"].split("/")[0], (line["license"], line["attribution"])
            table.writerow([f"{base}/{line['file']}", line["caption"], style, *told])
        for link in BAD:
            told = ("CC0-1.0", "the emo8 authors")
            table.writerow([link.format(base=base), "must not arrive", "cartoon", *told])
    text = (sample.root() / "recipe.toml").read_text(encoding="utf-8")
    text = re.sub(
        r'^path = "(.+)"$',
        lambda found: f"path = {json.dumps(str(sample.root().resolve() / found[1]))}",
        text,
        flags=re.MULTILINE,
    )
    source = f"""
[[source]]
kind = "urls"
path = "urls.csv"
columns = {{ url = "url", caption = "title", style = "style", license = "license" }}
allow_networks = ["{NETWORK}"]   # the demo serves the pictures itself

[fetch]
host_delay_s = 0.0
"""
    write_text(out / "recipe.toml", text + source)
    return out / "recipe.toml"


def check(build: Path) -> tuple[str, bool, str]:
    """Whether every link of the list became what it must: what, whether it holds, in words."""
    import pyarrow.parquet as pq

    columns = ["source", "source_path", "reason"]
    rows = pq.read_table(build / "tables" / "rejected.parquet", columns=columns).to_pylist()
    lost = sorted(row["reason"] for row in rows if row["source"] == "urls.csv")
    right = lost == sorted(BAD.values())
    counts = ", ".join(f"{lost.count(reason)} {reason}" for reason in dict.fromkeys(lost))
    return ("links are fetched lawfully", right, f"the rest arrived; left: {counts or 'none'}")
