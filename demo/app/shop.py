# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample application: a small HTTP/1.1 server that is released, breaks and degrades on request.

Its version and behaviour come from ``release.json`` beside this file. The standard library is all
it needs, so a release is nothing but a tarball.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_HEAD = 64 * 1024
MAX_BODY = 16 * 1024 * 1024
STREAM_TRAILER = b"end-of-stream\n"
PREVIEW_HEADER = "x-bluegreen-preview"
SESSION_SECONDS = 3600
STORE_TIMEOUT = 2.0  # seconds
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
OP_CLOSE, OP_PING, OP_PONG = 0x8, 0x9, 0xA
GOING_AWAY = (1001).to_bytes(2, "big")
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class Release:
    """What ``release.json`` says.

    ``degrades`` adds ``degrade_ms`` after ``degrade_after`` s of traffic, for ``degrade_seconds`` (0: to the end); ``errors``
    answers ``error_percent`` of all requests with 500; ``silent`` has no metrics; ``logout`` knows no session of another release.
    """

    version: str = "v0"
    behaviour: str = "good"
    degrade_after: float = 5.0
    degrade_seconds: float = 0.0
    degrade_ms: float = 400.0
    error_percent: float = 0.0

    @classmethod
    def load(cls, path: Path) -> Release:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def is_real_traffic(self) -> bool:
        """Neither a health check, a look at the metrics nor one at the idle colour."""
        return self.path not in ("/health", "/metrics") and PREVIEW_HEADER not in self.headers

    @property
    def cookies(self) -> dict[str, str]:
        pairs = (part.strip().partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name: value for name, _equals, value in pairs}


@dataclass(frozen=True)
class Answer:
    """A whole body, or chunks that are sent as they come."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    chunks: AsyncIterator[bytes] | None = None


def as_json(value: object, status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode() + b"\n", status)


@dataclass
class Metrics:
    """What Prometheus is told (https://prometheus.io/docs/instrumenting/exposition_formats/): real traffic only."""

    labels: str
    requests: dict[int, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    seconds: float = 0.0

    def count(self, status: int, seconds: float) -> None:
        self.requests[status] = self.requests.get(status, 0) + 1
        self.seconds += seconds
        for number, bound in enumerate(BUCKETS):
            self.buckets[number] += seconds <= bound

    def text(self) -> str:
        lines = ["# TYPE http_requests_total counter"]
        lines += [f'http_requests_total{{{self.labels},code="{code}"}} {count}' for code, count in sorted(self.requests.items())]
        lines += ["# TYPE http_request_seconds histogram"]
        for bound, count in zip(BUCKETS, self.buckets, strict=True):
            lines.append(f'http_request_seconds_bucket{{{self.labels},le="{bound:g}"}} {count}')
        total = sum(self.requests.values())
        lines.append(f'http_request_seconds_bucket{{{self.labels},le="+Inf"}} {total}')
        lines += [
            f"http_request_seconds_sum{{{self.labels}}} {self.seconds}",
            f"http_request_seconds_count{{{self.labels}}} {total}",
        ]
        return "\n".join(lines) + "\n"


class StoreError(Exception):
    """The Redis of the sessions does not do what it was asked."""


@dataclass(frozen=True)
class SessionStore:
    """Sessions in a Redis, which all processes of both colours share.

    One connection for each command, so that there is none to keep. It knows of RESP2
    (https://redis.io/docs/latest/develop/reference/protocol-spec/) what two commands need.
    """

    url: str

    async def command(self, *words: str) -> bytes | None:
        """The answer to one command. Raises StoreError."""
        try:
            return await asyncio.wait_for(self._exchange(*words), STORE_TIMEOUT)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError) as error:
            raise StoreError(f"the session store can not be asked: {type(error).__name__}") from error

    async def _exchange(self, *words: str) -> bytes | None:
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 6379, limit=MAX_HEAD)
        try:
            if parts.password:
                await self._ask(reader, writer, "AUTH", *filter(None, [unquote(parts.username or "")]), unquote(parts.password))
            return await self._ask(reader, writer, *words)
        finally:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *words: str) -> bytes | None:
        writer.write(f"*{len(words)}\r\n".encode() + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in words))
        line = (await reader.readuntil(b"\r\n"))[:-2]
        if line[:1] == b"-":
            raise StoreError(f"the session store refuses {words[0]}")
        if line[:1] != b"$":
            return line[1:]
        length = int(line[1:])
        return None if length < 0 else (await reader.readexactly(length + 2))[:-2]


class RequestError(Exception):
    """The bytes on the wire are not a request that this server understands."""


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, begun: Callable[[], None]) -> Request:
    """Read one request and call ``begun`` when its head is in. Raises IncompleteReadError at the end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    begun()
    line, _crlf, rest = head.partition("\r\n")
    headers: dict[str, str] = {}
    for header in rest.split("\r\n"):
        name, _separator, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    try:
        method, target, version = line.split(" ")
        length = int(headers.get("content-length", "0"))
    except ValueError as error:
        raise RequestError(str(error)) from error
    if version not in ("HTTP/1.0", "HTTP/1.1") or "transfer-encoding" in headers or not 0 <= length <= MAX_BODY:
        raise RequestError(f"HTTP/1.1 with a Content-Length of at most {MAX_BODY} only")
    if version == "HTTP/1.0":  # the health checks of HAProxy
        headers["connection"] = "close"
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(length) if length else b""
    parts = urlsplit(target)
    return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one masked frame (RFC 6455, section 5.2): its first byte (FIN and opcode) and its payload."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length > 125:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    if not second & 0x80 or length > MAX_BODY:
        raise RequestError("client frames are masked and of bounded length")
    mask = await reader.readexactly(4)
    data = await reader.readexactly(length)
    key = (mask * (length // 4 + 1))[:length]
    return first, (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")


def frame(first: int, payload: bytes) -> bytes:
    """A server frame, unmasked."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


@dataclass
class Shop:
    """One process of the application."""

    release: Release
    name: str
    colour: str
    session_key: bytes
    store: SessionStore | None = None
    stopping: bool = False
    first_traffic: float | None = None
    debt: float = 0.0
    idle: set[asyncio.StreamWriter] = field(default_factory=set)
    busy: set[asyncio.StreamWriter] = field(default_factory=set)
    websockets: set[asyncio.StreamWriter] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.metrics = Metrics(f'colour="{self.colour}",version="{self.release.version}"')
        self.routes: dict[tuple[str, str], Callable[[Request], Awaitable[Answer]]] = {
            ("GET", "/"): self.index,
            ("GET", "/health"): self.health,
            ("GET", "/slow"): self.slow,
            ("GET", "/stream"): self.stream,
            ("POST", "/echo"): self.echo,
            ("GET", "/login"): self.login,
            ("POST", "/login"): self.login,
            ("GET", "/me"): self.me,
            ("GET", "/metrics"): self.tell_metrics,
        }

    # -- endpoints

    def identity(self) -> dict[str, object]:
        return {"version": self.release.version, "name": self.name, "colour": self.colour, "pid": os.getpid()}

    async def index(self, request: Request) -> Answer:
        return as_json(self.identity())

    async def health(self, request: Request) -> Answer:
        broken = self.release.behaviour == "broken"
        return as_json({"status": "broken" if broken else "ok", **self.identity()}, 503 if broken else 200)

    async def slow(self, request: Request) -> Answer:
        await asyncio.sleep(float(request.query.get("ms", "1000")) / 1000)
        return as_json(self.identity())

    async def stream(self, request: Request) -> Answer:
        chunks, pause = int(request.query.get("chunks", "10")), float(request.query.get("ms", "100")) / 1000

        async def produce() -> AsyncIterator[bytes]:
            for number in range(chunks):
                yield b"%d %s\n" % (number, b"." * 64)
                await asyncio.sleep(pause)
            yield STREAM_TRAILER

        return Answer(headers=(("Content-Type", "text/plain"),), chunks=produce())

    async def echo(self, request: Request) -> Answer:
        return as_json({"sha256": hashlib.sha256(request.body).hexdigest(), "bytes": len(request.body)})

    async def tell_metrics(self, request: Request) -> Answer:
        if self.release.behaviour == "silent":
            return as_json({"error": "no such page"}, 404)
        return Answer(self.metrics.text().encode(), headers=(("Content-Type", "text/plain; version=0.0.4"),))

    @property
    def session_scope(self) -> str:
        """A release that logs out knows only sessions of its own."""
        return self.release.version if self.release.behaviour == "logout" else ""

    def signature(self, user: str) -> str:
        return hmac.new(self.session_key, f"{user}{self.session_scope}".encode(), hashlib.sha256).hexdigest()[:32]

    async def login(self, request: Request) -> Answer:
        """The session lives in the Redis, or else in a signed cookie: either way each colour can go on with it."""
        user = (dict(parse_qsl(request.body.decode())) if request.method == "POST" else request.query).get("user", "guest")
        if self.store is None:
            session = f"{user}.{self.signature(user)}"
        else:
            session = secrets.token_urlsafe(24)
            await self.store.command("SET", self.session_name(session), user, "EX", str(SESSION_SECONDS))
        cookie = f"session={session}; Path=/; HttpOnly"
        return Answer(json.dumps({"user": user}).encode() + b"\n", headers=(("Set-Cookie", cookie),))

    async def me(self, request: Request) -> Answer:
        user = await self.user_of(request.cookies.get("session", ""))
        return as_json({"user": user}) if user else as_json({"error": "no session"}, 401)

    def session_name(self, session: str) -> str:
        return f"shop:session:{self.session_scope}:{session}"

    async def user_of(self, session: str) -> str:
        """Whose session this is; empty when it is nobody's."""
        if self.store is not None:
            return (await self.store.command("GET", self.session_name(session)) or b"").decode() if session else ""
        user, _dot, signature = session.rpartition(".")
        return user if hmac.compare_digest(signature, self.signature(user)) else ""

    # -- connections

    def slowness(self, request: Request) -> float:
        """Seconds that a release which degrades adds to this answer."""
        if self.release.behaviour != "degrades" or request.path in ("/health", "/metrics"):
            return 0.0
        now = time.monotonic()
        if self.first_traffic is None and request.is_real_traffic:
            self.first_traffic = now
        since = (0.0 if self.first_traffic is None else now - self.first_traffic) - self.release.degrade_after
        slow = since >= 0 and (self.release.degrade_seconds == 0 or since < self.release.degrade_seconds)
        return self.release.degrade_ms / 1000 if slow else 0.0

    def fails(self, request: Request) -> bool:
        """A release with errors spreads them evenly over its requests."""
        if self.release.behaviour != "errors" or request.path in ("/health", "/metrics"):
            return False
        self.debt += self.release.error_percent / 100
        if self.debt < 1:
            return False
        self.debt -= 1
        return True

    async def answer(self, request: Request) -> Answer:
        began = time.monotonic()
        answer = await self.respond(request)
        if request.is_real_traffic:
            self.metrics.count(answer.status, time.monotonic() - began)
        return answer

    async def respond(self, request: Request) -> Answer:
        await asyncio.sleep(self.slowness(request))
        if self.fails(request):
            return as_json({"error": "this release has errors"}, 500)
        handler = self.routes.get((request.method, request.path))
        if handler is None:
            return as_json({"error": "no such page"}, 404)
        try:
            return await handler(request)
        except StoreError as error:
            return as_json({"error": str(error)}, 503)
        except ValueError as error:
            return as_json({"error": str(error)}, 400)

    async def send(self, writer: asyncio.StreamWriter, answer: Answer, keep: bool) -> None:
        headers = [
            f"HTTP/1.1 {answer.status} {REASONS[answer.status]}",
            f"X-App-Version: {self.release.version}",
            "Connection: keep-alive" if keep else "Connection: close",
            "Transfer-Encoding: chunked" if answer.chunks else f"Content-Length: {len(answer.body)}",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        writer.write("\r\n".join(headers).encode("latin-1") + b"\r\n\r\n" + answer.body)
        if answer.chunks:
            async for chunk in answer.chunks:
                writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def websocket(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Echo every frame until the client closes (RFC 6455)."""
        accept = base64.b64encode(hashlib.sha1(request.headers["sec-websocket-key"].encode() + WEBSOCKET_GUID).digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"X-App-Version: %s\r\nSec-WebSocket-Accept: %s\r\n\r\n" % (self.release.version.encode(), accept)
        )
        self.websockets.add(writer)
        try:
            while True:
                first, payload = await read_frame(reader)
                opcode = first & 0xF
                writer.write(frame(0x80 | OP_PONG if opcode == OP_PING else first, payload))
                await writer.drain()
                if opcode == OP_CLOSE:
                    return
        finally:
            self.websockets.discard(writer)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, request after request."""

        def begun() -> None:
            self.idle.discard(writer)
            self.busy.add(writer)

        keep = True
        while keep:
            self.busy.discard(writer)
            self.idle.add(writer)
            request = await read_request(reader, writer, begun)
            if request.path == "/ws" and "sec-websocket-key" in request.headers:
                return await self.websocket(request, reader, writer)
            answer = await self.answer(request)
            keep = not self.stopping and request.headers.get("connection", "").lower() != "close"
            await self.send(writer, answer, keep)
        return None

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side is gone; there is nobody left to tell
        except (RequestError, asyncio.LimitOverrunError) as error:
            await self.send(writer, as_json({"error": str(error)}, 400), keep=False)
        finally:
            self.idle.discard(writer)
            self.busy.discard(writer)
            writer.close()

    # -- life

    async def serve(self, host: str, port: int, grace: float) -> None:
        """Serve until SIGTERM or SIGINT, then finish what is in flight for at most ``grace`` seconds."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = await asyncio.start_server(self.connection, host, port, limit=MAX_HEAD, backlog=4096)
        print(f"{self.name} {self.release.version} listens on {host}:{port}", flush=True)
        await stop.wait()
        server.close()
        await self.drain(grace)

    async def drain(self, grace: float, linger: float = 0.3) -> None:
        """From now on each answer closes its connection; idle ones get ``linger`` s for one more request."""
        self.stopping = True
        begin = time.monotonic()
        while self.idle or self.busy:
            waited = time.monotonic() - begin
            if waited >= grace:
                for writer in self.websockets:
                    writer.write(frame(0x80 | OP_CLOSE, GOING_AWAY))
                break
            if waited >= linger:
                for writer in tuple(self.idle):
                    writer.close()
            await asyncio.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description="Sample application")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", default="shop")
    parser.add_argument("--colour", default="")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds that requests in flight get at a stop")
    parser.add_argument("--release-file", type=Path, default=Path(__file__).resolve().parent / "release.json")
    options = parser.parse_args()
    key = os.environ.get("SHOP_SESSION_KEY", "only-for-demonstration").encode()
    redis_url = os.environ.get("SHOP_REDIS_URL", "")
    store = SessionStore(redis_url) if redis_url else None
    shop = Shop(Release.load(options.release_file), options.name, options.colour, key, store)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(shop.serve(options.host, options.port, options.grace))


if __name__ == "__main__":
    main()
