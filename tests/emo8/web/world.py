"""A hostile internet in a network namespace: names, servers, and traps on closed addresses.

`python -m tests.emo8.web.world FOLDER`, inside `unshare -n -m`, writes a list of links, builds it
with `emo8 build`, and leaves what every listener saw in `FOLDER/seen.json`.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import itertools
import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.conftest import encoded, picture

PUBLIC, PUBLIC6, FULL, DNS = "93.184.216.34", "2606:2800:220:1::1", "93.184.216.35", "9.9.9.9"
CLOSED = (
    "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
    "168.63.129.16", "198.18.0.1", "192.0.2.1", "203.0.113.9", "fd00::1", "64:ff9b::a00:1",
    "2002:a00:1::1", "2001:db8::1", "fec0::1", "127.0.0.1", "::1",
)  # fmt: skip
JPEG = [encoded(picture(1000 + k)) for k in range(60)]
AGENT = "worldtest/1.0 (+https://example.org)"

Answer = Callable[[socket.socket, str], None]


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


REDIRECTS = (
    "http://10.0.0.1/a.jpg", "http://127.0.0.1/a.jpg", "http://localhost/a.jpg",
    "http://[::1]/a.jpg", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd",
    "http://2130706433/a.jpg", "http://0x7f000001/", "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::a00:1]/", "http://private.example/a.jpg", "http://100.100.100.200/",
    "ftp://10.0.0.1/a.jpg", "http://0.0.0.0/a.jpg", "http://168.63.129.16/",
)  # fmt: skip
X_ROBOTS = ("noai", "noimageai, nofollow", "NOINDEX", "noml", "none", "otherbot: noindex",
            "worldtest: noai", "max-image-preview:large")  # fmt: skip

# link -> (reason, cause) or None where it arrives. A cause of None: any.
LINKS: dict[str, tuple[str, str | None] | None] = {
    **{f"http://good.example/{k}.jpg": None for k in range(20)},
    **{f"http://redirect.example/{k}": ("refused_address", None) for k in range(len(REDIRECTS))},
    **{f"http://{name}.example/a.jpg": ("refused_address", cause)
       for name, cause in (("private", "private 10.0.0.1"), ("shared", "shared 100.64.0.1"),
                           ("metadata", "metadata 169.254.169.254"), ("loop", None),
                           ("nat64", "nat64 64:ff9b::a00:1"),
                           ("mapped", "ipv4_mapped ::ffff:10.0.0.1"),
                           ("rebind", "loopback 127.0.0.1"),
                           ("redirectrobots", "private 10.0.0.1"))},
    **{f"http://{host}/a.jpg": ("refused_address", None)
       for host in ("10.0.0.1", "127.1", "0177.0.0.1", "2130706433", "192.168.1.1", "172.16.0.1",
                    "[::1]", "[fd00::1]", "[2002:a00:1::1]", "[::ffff:169.254.169.254]", "0",
                    "[2001:db8::1]", "[fec0::1]", "198.18.0.1", "192.0.2.1", "203.0.113.9",
                    "224.0.0.1", "255.255.255.255", "[ff02::1]", "localhost")},
    "file:///etc/passwd": ("refused_address", "scheme file"),
    "ftp://good.example/a.jpg": ("refused_address", "scheme ftp"),
    "data:image/png;base64,iVBORw0KGgo=": ("refused_address", "scheme data"),
    "javascript:alert(1)": ("refused_address", "scheme javascript"),
    "gopher://10.0.0.1:80/_x": ("refused_address", "scheme gopher"),
    "../../x": ("fetch_failed", "not_a_url"),
    "not a link": ("fetch_failed", "not_a_url"),
    "http://": ("fetch_failed", "not_a_url"),
    "http://[broken/": ("fetch_failed", "not_a_url"),
    "http://good.example:99999/": ("fetch_failed", "not_a_url"),
    "http://user:secret@good.example/1.jpg": ("fetch_failed", "credentials_in_url"),
    "http://good.example/" + "x" * 20_000: ("fetch_failed", "not_a_url"),
    "http://good.example/../../21.jpg": None,
    "http://good.example/a b/22 ü.jpg": None,
    "HTTP://GOOD.example:80/23.jpg#part": None,
    "http://bücher.example/24.jpg": None,
    "http://mixed.example/25.jpg": None,
    "http://six.example/26.jpg": None,
    "http://twohops.example/a": ("duplicate_exact", None),
    "http://toforbidden.example/a": ("opt_out", "robots.txt"),
    "http://chain.example/0": ("fetch_failed", "too_many_redirects"),
    "http://endless.example/a.jpg": ("too_many_bytes", "body"),
    "http://biglength.example/a.jpg": ("too_many_bytes", "content_length"),
    "http://drip.example/a.jpg": ("fetch_failed", "total_timeout"),
    "http://dripheader.example/a.jpg": ("fetch_failed", "total_timeout"),
    "http://bomb.example/a.jpg": ("too_many_bytes", "body"),
    "http://zipped.example/a.jpg": None,
    "http://brotli.example/a.jpg": ("fetch_failed", "content_encoding br"),
    "http://short.example/a.jpg": ("fetch_failed", "body_too_short"),
    "http://long.example/a.jpg": ("truncated", None),
    "http://wrongtype.example/a.jpg": ("not_an_image", "image/jpeg"),
    "http://mislabelled.example/a.jpg": None,
    "http://garbage.example/a.jpg": ("fetch_failed", "not_http"),
    "http://closing.example/a.jpg": ("fetch_failed", "closed"),
    "http://hangheader.example/a.jpg": ("fetch_failed", "timeout"),
    "http://hangbody.example/a.jpg": ("fetch_failed", "timeout"),
    "https://hangtls.example/a.jpg": ("fetch_failed", "tls_timeout"),
    "http://full.example/a.jpg": ("fetch_failed", "connect_timeout"),
    "http://refuses.example/a.jpg": ("fetch_failed", None),
    "http://noname.example/a.jpg": ("fetch_failed", "dns"),
    "http://slowdns.example/a.jpg": ("fetch_failed", "dns_timeout"),
    **{f"http://broken.example/{status}": ("fetch_failed", f"http_{status}")
       for status in (204, 404, 410, 403, 500, 418)},
    "http://forbid.example/private/a.jpg": ("opt_out", "robots.txt"),
    "http://forbid.example/open/27.jpg": None,
    "http://named.example/a.jpg": ("opt_out", "robots.txt"),
    "http://peer.example/a.jpg": ("opt_out", "robots.txt"),
    "http://others.example/28.jpg": None,
    "http://wild.example/a.jpg": ("opt_out", "robots.txt"),
    "http://hugerobots.example/a.jpg": ("opt_out", "robots.txt"),
    "http://movedrobots.example/private/a.jpg": ("opt_out", "robots.txt"),
    "http://failing.example/a.jpg": ("fetch_failed", "robots.txt http_500"),
    "http://hangrobots.example/a.jpg": ("fetch_failed", "timeout"),
    **{f"http://xrobots.example/{k}": ("opt_out", f"x-robots-tag {word}")
       for k, word in enumerate(("noai", "noimageai", "noindex", "noml", "noindex"))},
    "http://xrobots.example/5": None,
    "http://xrobots.example/6": ("opt_out", "x-robots-tag noai"),
    "http://xrobots.example/7": ("duplicate_exact", None),
    "http://tdmheader.example/a.jpg": ("opt_out", "tdm-reservation"),
    "http://tdmfile.example/a.jpg": ("opt_out", "tdmrep.json"),
    "http://tdmfile.example/free/29.jpg": None,
    "http://tdmpage.example/30.jpg": None,
    "http://throttle.example/a.jpg": None,
    "http://forever.example/a.jpg": ("fetch_failed", "http_503"),
}  # fmt: skip
REPEATED = "http://good.example/3.jpg"
EMPTY_LINES = 2
HASHED = {  # link -> the hash the list gives, and whether it is right
    "http://good.example/31.jpg": hashlib.sha256(JPEG[31]).hexdigest(),
    "http://good.example/32.jpg": hashlib.sha256(b"something else").hexdigest(),
}

RECIPE = f"""
name = "world"
[[source]]
kind = "urls"
path = "urls.csv"
style = "natural"
license = "CC0-1.0"
columns = {{ caption = "title" }}
[ingest]
max_bytes = 2_000_000
part_rows = 40
[fetch]
user_agent = "{AGENT}"
timeout_s = 1.5
total_timeout_s = 4.0
retries = 1
max_rest_s = 5
host_delay_s = 0.02
threads = 48
[people]
detector = "off"
[labels]
clip = ["embedded"]
[decide]
near_neighbours = 0
"""


def write_list(folder: Path) -> None:
    with (folder / "urls.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["url", "title", "sha256"])
        for link in [*LINKS, REPEATED, *[""] * EMPTY_LINES]:
            table.writerow([link, "a picture", ""])
        for link, digest in HASHED.items():
            table.writerow([link, "a picture", digest.upper()])
    (folder / "recipe.toml").write_text(RECIPE)


def main(folder: Path, *options: str) -> None:
    for address in (*CLOSED, PUBLIC, PUBLIC6, FULL, DNS):
        size = 128 if ":" in address else 32
        add = ["ip", "addr", "add", f"{address}/{size}", "dev", "lo"]
        subprocess.run(add, capture_output=True, check=False)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {DNS}\noptions timeout:1 attempts:2\n")
    where = Path("/etc/resolv.conf").resolve()
    subprocess.run(["mount", "--bind", str(resolver), str(where)], check=True)
    world = World()
    world.start()
    write_list(folder)
    command = [sys.executable, "-m", "emo8.cli", "build", str(folder / "recipe.toml")]
    command += ["-o", str(folder / "BUILD"), "--workers", "1", *options]
    reply = subprocess.run(command, capture_output=True, text=True, check=False)
    seen = {
        "code": reply.returncode,
        "output": reply.stdout + reply.stderr,
        "trapped": world.trapped,
        "requests": world.requests,
        "most_busy": world.most_busy,
    }
    (folder / "seen.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
