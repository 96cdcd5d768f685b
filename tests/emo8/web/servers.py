"""The servers of the hostile internet: names, pages, and traps on closed addresses."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import re
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable

from tests.emo8.web.links import JPEG, REDIRECTS, X_ROBOTS

PUBLIC, PUBLIC6, FULL, DNS = "93.184.216.34", "2606:2800:220:1::1", "93.184.216.35", "9.9.9.9"
CLOSED = (
    "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
    "168.63.129.16", "198.18.0.1", "192.0.2.1", "203.0.113.9", "fd00::1", "64:ff9b::a00:1",
    "2002:a00:1::1", "2001:db8::1", "fec0::1", "127.0.0.1", "::1",
)  # fmt: skip


class World:
    """All servers, and what they saw."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.trapped: list[str] = []
        self.requests: list[tuple[str, str, str]] = []  # host, path, user agent
        self.busy: Counter[str] = Counter()
        self.most_busy: Counter[str] = Counter()
        self.asked: dict[str, int] = defaultdict(int)  # names, by DNS
        self.throttled = itertools.count()
        self.bomb = gzip.compress(JPEG[0] + b"\0" * 200_000_000, compresslevel=1)

    def start(self) -> None:
        for address in CLOSED:
            self.listen(address, 80, self.trap(address))
        self.listen(PUBLIC, 80, self.serve)
        self.listen(PUBLIC6, 80, self.serve)
        self.listen(PUBLIC, 443, lambda connection: time.sleep(60))  # TLS never begins
        full = socket.create_server((FULL, 80), backlog=0)  # never accepts
        self.kept = [full, *(_knock(FULL) for _ in range(4))]
        threading.Thread(target=self.names, daemon=True).start()

    def listen(self, address: str, port: int, serve: Callable[[socket.socket], None]) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = socket.create_server((address, port), family=family, backlog=128)

        def accept() -> None:
            while True:
                connection, _ = server.accept()
                threading.Thread(target=_quietly, args=(serve, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def trap(self, address: str) -> Callable[[socket.socket], None]:
        def spring(connection: socket.socket) -> None:
            connection.settimeout(2)
            try:
                said = connection.recv(1000).decode(errors="replace")
            except OSError:
                said = ""
            with self.lock:
                self.trapped.append(f"{address}: {said}")

        return spring

    # --- names ---------------------------------------------------------------------------------

    def names(self) -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((DNS, 53))
        while True:
            query, peer = server.recvfrom(4096)
            answer = self.resolve(query)
            if answer:
                server.sendto(answer, peer)

    def resolve(self, query: bytes) -> bytes | None:
        labels, place = [], 12
        while query[place]:
            labels.append(query[place + 1 : place + 1 + query[place]].decode())
            place += 1 + query[place]
        question = query[12 : place + 5]
        (kind,) = struct.unpack(">H", query[place + 1 : place + 3])
        name = ".".join(labels)
        if name == "slowdns.example":
            return None
        with self.lock:
            self.asked[f"{name}/{kind}"] += 1
            times = self.asked[f"{name}/{kind}"]
        found = [a for a in addresses(name, times) if (":" in a) == (kind == 28)]
        records = b""
        for address in found:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            data = socket.inet_pton(family, address)
            records += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(data)) + data
        code = 3 if name == "noname.example" else 0
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0)
        return head + question + records

    # --- pages ---------------------------------------------------------------------------------

    def serve(self, connection: socket.socket) -> None:
        file = connection.makefile("rb")
        while line := file.readline():
            path = line.split()[1].decode()
            headers = {}
            while (text := file.readline().strip()) != b"":
                name, _, value = text.decode().partition(":")
                headers[name.lower()] = value.strip()
            host = headers["host"]
            with self.lock:
                self.requests.append((host, path, headers.get("user-agent", "")))
                self.busy[host] += 1
                self.most_busy[host] = max(self.most_busy[host], self.busy[host])
            try:
                self.answer(connection, host, path)
            finally:
                with self.lock:
                    self.busy[host] -= 1
            if not host.startswith("good"):
                return

    def answer(self, connection: socket.socket, host: str, path: str) -> None:
        if path == "/robots.txt":
            return robots(connection, host)
        if path == "/.well-known/tdmrep.json":
            return tdmrep(connection, host)
        name = host.split(".")[0]
        special = getattr(self, "at_" + name.replace("-", "_"), None)
        if special:
            return special(connection, path)
        number = int((re.findall(r"(\d+)(?:%20%C3%BC)?\.jpg", path) or [0])[-1])
        send(connection, 200, JPEG[number % len(JPEG)], keep=name.startswith("good"))

    def at_redirect(self, connection: socket.socket, path: str) -> None:
        send(connection, 302, b"", Location=REDIRECTS[int(path.strip("/"))])

    def at_chain(self, connection: socket.socket, path: str) -> None:
        number = int(path.strip("/"))
        target = f"/{number + 1}" if number < 1000 else "http://good.example/1.jpg"
        send(connection, 301, b"", Location=target)

    def at_twohops(self, connection: socket.socket, path: str) -> None:
        target = "/b" if path == "/a" else "http://good.example/7.jpg"
        send(connection, 302, b"", Location=target)

    def at_toforbidden(self, connection: socket.socket, path: str) -> None:
        send(connection, 302, b"", Location="http://forbid.example/private/a.jpg")

    def at_endless(self, connection: socket.socket, path: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + JPEG[0])
        while True:
            connection.sendall(b"\0" * 65536)

    def at_biglength(self, connection: socket.socket, path: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n" + JPEG[0])
        time.sleep(5)

    def at_drip(self, connection: socket.socket, path: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
        for byte in JPEG[0]:
            connection.sendall(bytes([byte]))
            time.sleep(0.2)

    def at_dripheader(self, connection: socket.socket, path: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            connection.sendall(b"a")
            time.sleep(0.2)

    def at_bomb(self, connection: socket.socket, path: str) -> None:
        send(connection, 200, self.bomb, Content_Encoding="gzip")

    def at_zipped(self, connection: socket.socket, path: str) -> None:
        send(connection, 200, gzip.compress(JPEG[40]), Content_Encoding="gzip")

    def at_brotli(self, connection: socket.socket, path: str) -> None:
        send(connection, 200, JPEG[0], Content_Encoding="br")

    def at_short(self, connection: socket.socket, path: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + JPEG[0])

    def at_long(self, connection: socket.socket, path: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + JPEG[41])

    def at_wrongtype(self, connection: socket.socket, path: str) -> None:
        send(connection, 200, b"<html><body>not found</body></html>" * 5, Content_Type="image/jpeg")

    def at_mislabelled(self, connection: socket.socket, path: str) -> None:
        send(connection, 200, JPEG[42], Content_Type="text/plain")

    def at_garbage(self, connection: socket.socket, path: str) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    def at_closing(self, connection: socket.socket, path: str) -> None:
        return None

    def at_hangheader(self, connection: socket.socket, path: str) -> None:
        time.sleep(60)

    def at_hangbody(self, connection: socket.socket, path: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + JPEG[0][:900])
        time.sleep(60)

    def at_broken(self, connection: socket.socket, path: str) -> None:
        send(connection, int(path.strip("/")), b"no")

    def at_xrobots(self, connection: socket.socket, path: str) -> None:
        send(connection, 200, JPEG[43], X_Robots_Tag=X_ROBOTS[int(path.strip("/"))])

    def at_tdmheader(self, connection: socket.socket, path: str) -> None:
        send(connection, 200, JPEG[44], TDM_Reservation="1")

    def at_throttle(self, connection: socket.socket, path: str) -> None:
        if next(self.throttled) < 1:
            return send(connection, 429, b"slow down", Retry_After="1")
        send(connection, 200, JPEG[45])

    def at_forever(self, connection: socket.socket, path: str) -> None:
        send(connection, 503, b"closed", Retry_After="86400")


def addresses(name: str, times: int) -> list[str]:
    """What our DNS says about a name when it is asked for the `times`-th time."""
    known = {
        "private.example": ["10.0.0.1"],
        "metadata.example": ["169.254.169.254"],
        "shared.example": ["100.64.0.1"],
        "nat64.example": ["64:ff9b::a00:1"],
        "mapped.example": ["::ffff:10.0.0.1"],
        "loop.example": ["127.0.0.1", "::1"],
        "mixed.example": ["10.0.0.1", PUBLIC],
        "six.example": [PUBLIC6],
        "full.example": [FULL],
        "refuses.example": ["93.184.216.36"],
        "noname.example": [],
        "rebind.example": [PUBLIC] if times <= 2 else ["127.0.0.1"],
    }
    return known.get(name, [PUBLIC])


def robots(connection: socket.socket, host: str) -> None:
    texts = {
        "forbid.example": b"User-agent: *\nDisallow: /private/\n",
        "named.example": b"User-agent: worldtest\nDisallow: /\n\nUser-agent: *\nAllow: /\n",
        "peer.example": b"User-agent: img2dataset\nDisallow: /\n",
        "others.example": b"User-agent: otherbot\nDisallow: /\n",
        "wild.example": b"User-agent: *\nDisallow: /*.jpg$\n",
        "hugerobots.example": b"User-agent: *\nDisallow: /\n" + b"# nothing\n" * 500_000,
    }
    if host == "failing.example":
        return send(connection, 500, b"")
    if host == "movedrobots.example":
        return send(connection, 301, b"", Location="http://forbid.example/robots.txt")
    if host == "redirectrobots.example":
        return send(connection, 301, b"", Location="http://10.0.0.1/robots.txt")
    if host == "hangrobots.example":
        time.sleep(60)
    if host in texts:
        return send(connection, 200, texts[host])
    send(connection, 404, b"", keep=host.startswith("good"))


def tdmrep(connection: socket.socket, host: str) -> None:
    if host == "tdmfile.example":
        rules = [{"location": "/free/", "tdm-reservation": 0},
                 {"location": "/*", "tdm-reservation": 1}]  # fmt: skip
        return send(connection, 200, json.dumps(rules).encode())
    if host == "tdmpage.example":
        return send(connection, 200, b"<html>Welcome</html>")
    send(connection, 404, b"", keep=host.startswith("good"))


def send(
    connection: socket.socket, status: int, body: bytes, keep: bool = False, **headers: str
) -> None:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [] if keep else ["Connection: close"]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def _quietly(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        serve(connection)


def _knock(address: str) -> socket.socket:
    """A connection that fills a backlog."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex((address, 80))
    return sock
