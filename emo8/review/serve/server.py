"""The page's server: this machine only, an address nobody can guess, the standard library."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from emo8.review.serve.session import Session

HOST = "127.0.0.1"
_MAX_BODY = 64_000


class ReviewServer(ThreadingHTTPServer):
    """Serves one session under a token."""

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.session = session
        self.token = secrets.token_urlsafe(16)
        self.page = files("emo8.review.serve").joinpath("page.html").read_bytes()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, handle: Callable[[str], None]) -> None:
        """Refuse strangers; a mistake in a request is told, and ends that request only."""
        _, token, path = [*urlsplit(self.path).path.split("/", 2), "", ""][:3]
        port = self.server.server_port
        hosts = (f"{HOST}:{port}", f"localhost:{port}")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self._send(404, b"not found", "text/plain")
        elif self.headers.get("Host") not in hosts:  # a page elsewhere that renamed itself
            self._send(403, b"use the address that emo8 printed", "text/plain")
        else:
            try:
                handle(path)
            except (ValueError, TypeError, AttributeError) as error:
                self._send_json({"error": str(error)}, 400)
            except KeyError:
                self._send(404, b"not found", "text/plain")

    def _get(self, path: str) -> None:
        session = self.server.session
        kind, _, name = path.partition("/")
        if path == "":
            self._send(200, self.server.page, "text/html; charset=utf-8")
        elif path == "state":
            query = parse_qs(urlsplit(self.path).query)
            self._send_json(session.state(query.get("who", [""])[0]))
        elif kind == "picture":
            self._send(200, session.picture(name), "image/jpeg")
        else:
            self._send(404, b"not found", "text/plain")

    def _post(self, path: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= _MAX_BODY or "json" not in self.headers.get("Content-Type", ""):
            self.close_connection = True
            raise ValueError("send an answer as JSON")
        said = json.loads(self.rfile.read(length))
        if path != "answer":
            raise ValueError(f"nothing is taken at {path!r}")
        self.server.session.record(said)
        self._send_json({"saved": True})

    def _send_json(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header(
            "Content-Security-Policy",
            "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; "
            "script-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'",
        )
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the address holds the token."""
