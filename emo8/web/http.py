"""Connections that cannot be led astray: resolve, check, connect to what was checked, in time.

Idle connections are kept and used again. Every operation on a socket is bounded twice: by the
silence a caller bears, and by the time that is left to the whole link, so that neither a server
that hangs nor one that drips holds a worker.
"""

from __future__ import annotations

import http.client
import io
import queue
import select
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from emo8.core.networks import Network, refusal
from emo8.web.links import Target
from emo8.web.outcome import FetchFailed, failed

LookUp = Callable[[str, int], Sequence[str]]
MAX_IDLE = 64  # connections kept per process
_NETWORK_ERRORS = (OSError, http.client.HTTPException, ValueError)


class Clock:
    """The time one link may take on the network; it stands still while the link waits its turn."""

    def __init__(self, total_s: float, silence_s: float) -> None:
        self.left_s, self.silence_s = total_s, silence_s
        self.started: float | None = None

    def __enter__(self) -> Clock:
        self.started = time.monotonic()
        return self

    def __exit__(self, *exception: object) -> None:
        assert self.started is not None
        self.left_s -= time.monotonic() - self.started
        self.started = None

    def bound(self) -> float:
        """Seconds that the next operation may take; LostError when the time is up."""
        spent = time.monotonic() - self.started if self.started is not None else 0.0
        left = self.left_s - spent
        if left <= 0:
            raise failed("total_timeout")
        return min(left, self.silence_s)


class _Stream(io.RawIOBase):
    """The reading side of a socket under a clock."""

    def __init__(self, link: _Socket) -> None:
        self.link = link

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.link.reader_closed()

    def readinto(self, buffer: Any) -> int:
        clock = self.link.clock
        self.link.sock.settimeout(clock.bound())
        try:
            return self.link.sock.recv_into(buffer)
        except TimeoutError:
            clock.bound()  # says so when it was the whole that took too long
            raise


class _Socket:
    """What http.client sees of a socket; its clock is that of the link now served."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self.sock, self.clock = sock, clock
        self.readers, self.closing = 0, False

    def sendall(self, data: Any) -> None:
        self.sock.settimeout(self.clock.bound())
        self.sock.sendall(data)

    def makefile(self, mode: str = "rb", *_: Any) -> io.BufferedReader:
        self.readers += 1
        return io.BufferedReader(_Stream(self), 1 << 16)

    def close(self) -> None:
        """Close once nobody reads: http.client lets go of a socket before its last body is read."""
        self.closing = True
        if not self.readers:
            self.sock.close()

    def reader_closed(self) -> None:
        self.readers -= 1
        if self.closing and not self.readers:
            self.sock.close()

    def fileno(self) -> int:
        return self.sock.fileno()


class Connection(http.client.HTTPConnection):
    """One HTTP connection over a socket that `GuardedHttp` opened."""

    def __init__(self, target: Target, link: _Socket) -> None:
        super().__init__(target.host, target.port)
        self.sock: Any = link
        self.auto_open = 0  # never reconnect past the guard

    def is_fresh(self) -> bool:
        """Whether the other side has neither closed nor spoken out of turn."""
        try:
            return not select.select([self.sock], [], [], 0)[0]
        except (OSError, ValueError):
            return False


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The head of an answer, its body not yet read."""

    status: int
    headers: http.client.HTTPMessage
    body: http.client.HTTPResponse
    connection: Connection
    target: Target


class GuardedHttp:
    """Opens and keeps connections; one per process, used by many threads."""

    def __init__(
        self,
        *,
        allowed: tuple[Network, ...] = (),
        use_proxies: bool = False,
        look_up: LookUp | None = None,
    ) -> None:
        self.allowed = allowed
        self.proxies = urllib.request.getproxies() if use_proxies else {}
        self.look_up = look_up or _look_up
        self.lock = threading.Lock()
        self.idle: dict[str, list[Connection]] = {}
        self.num_idle = 0
        self.tls: ssl.SSLContext | None = None

    def request(
        self,
        target: Target,
        headers: dict[str, str],
        clock: Clock,
        *,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Reply:
        """The head of the answer to one request; LostError says at which stage it was lost."""
        connection = self._take_idle(target)
        if connection is not None:
            connection.sock.clock = clock
            try:
                return self._ask(connection, target, headers, method, body)
            except FetchFailed as error:
                # a kept connection that was closed under us says nothing about the host
                if error.cause not in ("reset", "closed"):
                    raise
        connection = self._connect(target, clock)
        return self._ask(connection, target, headers, method, body)

    def done(self, reply: Reply) -> None:
        """Keep the connection of an answer that was read to its end, close any other."""
        connection, body = reply.connection, reply.body
        at_end = body.isclosed() or body.length == 0
        body.close()
        if at_end and not body.will_close:
            with self.lock:
                if self.num_idle < MAX_IDLE:
                    self.idle.setdefault(reply.target.origin, []).append(connection)
                    self.num_idle += 1
                    return
        connection.close()

    def _ask(
        self,
        connection: Connection,
        target: Target,
        headers: dict[str, str],
        method: str,
        body: bytes | None,
    ) -> Reply:
        path = target.url if self._proxy(target) and target.scheme == "http" else target.path
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", target.host_header)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
        except FetchFailed:
            connection.close()
            raise
        except _NETWORK_ERRORS as error:
            connection.close()
            raise _lost(error) from None
        return Reply(
            status=response.status,
            headers=response.headers,
            body=response,
            connection=connection,
            target=target,
        )

    def _take_idle(self, target: Target) -> Connection | None:
        while True:
            with self.lock:
                waiting = self.idle.get(target.origin)
                if not waiting:
                    return None
                connection = waiting.pop()
                self.num_idle -= 1
                if not waiting:
                    del self.idle[target.origin]
            if connection.is_fresh():
                return connection
            connection.close()

    # --- from a name to a socket ---------------------------------------------------------------

    def _connect(self, target: Target, clock: Clock) -> Connection:
        proxy = self._proxy(target)
        host, port = proxy or (target.host, target.port)
        if proxy:  # what we can still check: the proxy itself connects where it likes
            self._addresses(target.host, target.port, clock)
        sock = self._open(host, port, clock, checked=proxy is None)
        link = _Socket(sock, clock)
        try:
            if target.scheme == "https":
                if proxy:
                    _tunnel(link, target)
                sock.settimeout(clock.bound())
                link.sock = self._tls().wrap_socket(sock, server_hostname=target.host)
        except FetchFailed:
            sock.close()
            raise
        except _NETWORK_ERRORS as error:
            sock.close()
            raise _lost(error, "tls") from None
        return Connection(target, link)

    def _open(self, host: str, port: int, clock: Clock, *, checked: bool) -> socket.socket:
        """A socket connected to one of the host's addresses, and to no refused one."""
        lost: FetchFailed | None = None
        for address in self._addresses(host, port, clock, checked=checked):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(clock.bound())
                sock.connect((address, port))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
            except FetchFailed:
                sock.close()
                raise
            except OSError as error:
                sock.close()
                lost = _lost(error, "connect")
        assert lost is not None
        raise lost

    def _addresses(
        self, host: str, port: int, clock: Clock, *, checked: bool = True
    ) -> Sequence[str]:
        """The addresses of a name that may be connected to; LostError when there is none."""
        found = self._resolve(host, port, clock)
        if not checked:
            return found
        refused = {address: refusal(address, self.allowed) for address in found}
        open_ones = [address for address, kind in refused.items() if kind is None]
        if not open_ones:
            address, kind = next(iter(refused.items()))
            raise FetchFailed("refused_address", f"{kind} {address}")
        return open_ones

    def _resolve(self, host: str, port: int, clock: Clock) -> Sequence[str]:
        """All addresses of a name. The system's resolver knows no deadline, so a thread waits."""
        answer: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answer.put(self.look_up(host, port))
            except (OSError, UnicodeError) as error:
                answer.put(OSError(str(error)))

        threading.Thread(target=ask, daemon=True).start()
        try:
            found = answer.get(timeout=clock.bound())
        except queue.Empty:
            raise failed("dns_timeout") from None
        if isinstance(found, OSError) or not found:
            raise failed("dns")
        return found

    def _proxy(self, target: Target) -> tuple[str, int] | None:
        """Host and port of the proxy the environment names for a target, if proxies are used."""
        url = self.proxies.get(target.scheme)
        if not url or urllib.request.proxy_bypass(target.host):
            return None
        parts = urlsplit(url if "://" in url else f"http://{url}")
        return (parts.hostname, parts.port or 80) if parts.hostname else None

    def _tls(self) -> ssl.SSLContext:
        with self.lock:
            self.tls = self.tls or ssl.create_default_context()
            return self.tls


def _look_up(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _tunnel(link: _Socket, target: Target) -> None:
    """Ask a proxy to connect us through; LostError when it will not."""
    link.sendall(f"CONNECT {target.host}:{target.port} HTTP/1.1\r\n\r\n".encode())
    response = http.client.HTTPResponse(link)  # type: ignore[arg-type]
    response.begin()
    if response.status != 200:
        raise failed("proxy", response.status)


def _lost(error: Exception, stage: str = "") -> FetchFailed:
    """Which kind of loss an error of the socket or HTTP layer is."""
    before = f"{stage}_" if stage else ""
    if isinstance(error, TimeoutError):
        return failed(f"{before}timeout")
    if isinstance(error, ssl.SSLError):
        return failed("tls")
    if isinstance(error, ConnectionRefusedError):
        return failed("connect_refused")
    if isinstance(error, http.client.RemoteDisconnected):
        return failed("closed")
    if isinstance(error, ConnectionError):
        return failed(f"{before}reset")
    if isinstance(error, OSError):
        return failed(f"{stage or 'network'}_error", error.errno)
    return failed("not_http")


def body_lost(error: Exception) -> FetchFailed:
    """The loss of a body that broke off."""
    if isinstance(error, http.client.IncompleteRead):
        return failed("body_too_short")
    return _lost(error)
