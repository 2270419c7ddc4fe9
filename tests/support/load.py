# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load client: mixed traffic at a bounded rate for a bounded time, in its own process, without retries.

A request is lost when it gets a reset, no answer, a truncated body, any status but the expected one, a
wrong checksum or echo, or a time-out. A connection that is closed before anything was sent on it loses
nothing; one that is closed after that does. What that means for the streams of an HTTP/2 connection is said in
``tests.support.http2``; these clients are there when a port for them is given.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.net import HOST, REPOSITORY, end, short_directory, wait_until
from tests.support.timeline import Answer, Loss, Progress, Summary, replace
from tests.support.wire import OP_CLOSE, OP_TEXT, Connection, Exchange, LostError

if TYPE_CHECKING:
    from tests.support.http2 import Session

PACED = {"keepalive": 0.60, "new": 0.20, "post": 0.14, "session": 0.06, "h2": 0.25}  # parts of the rate
STEADY = {"slow": 4, "stream": 4, "websocket": 4, "h2_stream": 4}  # clients that are always busy with one long request
KINDS = (*PACED, *STEADY)
HTTP2 = ("h2", "h2_stream")  # kinds that share connections
PER_SESSION = 8  # clients on one of these
STREAM_TRAILER = b"end-of-stream\n"
FIRST_LOSSES = 20
PER_CLIENT = 40  # paced requests per second that one client is asked for at most


@dataclass(frozen=True)
class Profile:
    """What to send. ``rate`` is requests per second of all paced kinds together; times are in seconds.

    ``h2_port`` takes HTTP/2 without TLS and upgrade; the kinds that need it are left out while it is 0.
    """

    port: int
    h2_port: int = 0
    host: str = HOST
    rate: float = 300.0
    seconds: float = 600.0
    timeout: float = 15.0
    longest: float = 6.0
    kinds: tuple[str, ...] = KINDS
    preview: str = ""

    def chosen(self, kinds: Mapping[str, float]) -> dict[str, float]:
        """Those of the kinds that are asked for and possible."""
        return {kind: kinds[kind] for kind in kinds if kind in self.kinds and (self.h2_port or kind not in HTTP2)}


class Client:
    """One user of HTTP/1.1. Each ``<kind>`` method is one request of that kind."""

    def __init__(self, number: int, kind: str, profile: Profile, stopping: Callable[[], bool]) -> None:
        self.number, self.kind, self.profile, self.stopping = number, kind, profile, stopping
        self.connection = Connection(profile.host, profile.port, profile.timeout)
        self.headers = f"X-Bluegreen-Preview: {profile.preview}\r\n" if profile.preview else ""
        self.cookie = ""
        self.request: Callable[[Exchange], Awaitable[None]] = getattr(self, kind)

    async def keepalive(self, exchange: Exchange) -> None:
        await self.connection.request(exchange, "GET", "/", self.headers)

    async def new(self, exchange: Exchange) -> None:
        await self.connection.request(exchange, "GET", "/", f"{self.headers}Connection: close\r\n")

    async def post(self, exchange: Exchange) -> None:
        body = os.urandom(random.randrange(1, 8192))
        await self.connection.request(exchange, "POST", "/echo", self.headers, body)
        check_echo(exchange, body)

    async def session(self, exchange: Exchange) -> None:
        """Log in once; every later answer, of whichever colour, must know the user."""
        user = f"user{self.number}"
        if not self.cookie:
            await self.connection.request(exchange, "GET", f"/login?user={user}", self.headers)
            self.cookie = exchange.headers["set-cookie"].partition(";")[0]
            return
        await self.connection.request(exchange, "GET", "/me", f"{self.headers}Cookie: {self.cookie}\r\n")
        if json.loads(exchange.body)["user"] != user:
            raise LostError("session of another user")

    async def slow(self, exchange: Exchange) -> None:
        ms = random.randrange(100, int(self.profile.longest * 500))
        await self.connection.request(exchange, "GET", f"/slow?ms={ms}", self.headers)

    async def stream(self, exchange: Exchange) -> None:
        await self.connection.request(exchange, "GET", stream_path(self.profile), self.headers)
        check_stream(exchange)

    async def websocket(self, exchange: Exchange) -> None:
        """A conversation of 1 s up to ``longest``; the server may not end it."""
        await self.connection.upgrade(exchange, "/ws", self.headers)
        until = time.monotonic() + random.uniform(1, self.profile.longest)
        while time.monotonic() < until and not self.stopping():
            message = os.urandom(20).hex().encode()
            if await self.connection.frame(OP_TEXT, message) != message:
                raise LostError("wrong echo")
            await asyncio.sleep(0.1)
        await self.connection.frame(OP_CLOSE, (1000).to_bytes(2, "big"))
        self.connection.close()


class Http2Client:
    """One user of HTTP/2, who shares a connection with others."""

    def __init__(self, number: int, kind: str, profile: Profile, session: Session) -> None:
        self.number, self.kind, self.profile, self.connection = number, kind, profile, session
        self.headers = [("x-bluegreen-preview", profile.preview)] if profile.preview else []
        self.request: Callable[[Exchange], Awaitable[None]] = getattr(self, kind)

    async def h2(self, exchange: Exchange) -> None:
        """A POST now and then, else a GET."""
        if random.random() < 0.8:
            await self.connection.request(exchange, "GET", "/", self.headers)
            return
        body = os.urandom(random.randrange(1, 8192))
        await self.connection.request(exchange, "POST", "/echo", self.headers, body)
        check_echo(exchange, body)

    async def h2_stream(self, exchange: Exchange) -> None:
        await self.connection.request(exchange, "GET", stream_path(self.profile), self.headers)
        check_stream(exchange)


def check_echo(exchange: Exchange, body: bytes) -> None:
    """Raises LostError unless the whole body has arrived at the application."""
    if json.loads(exchange.body)["sha256"] != hashlib.sha256(body).hexdigest():
        raise LostError("checksum")


def stream_path(profile: Profile) -> str:
    return f"/stream?chunks={random.randrange(10, int(profile.longest * 10) + 1)}&ms=100"


def check_stream(exchange: Exchange) -> None:
    """Raises LostError unless the stream has come to its end."""
    if not exchange.body.endswith(STREAM_TRAILER):
        raise LostError("truncated stream")


@dataclass
class Load:
    """The running load: its clients and what they saw."""

    profile: Profile
    status: Path | None = None
    answers: list[Answer] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    lost_by_kind: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    stopping: bool = False

    def clients(self) -> list[tuple[Client | Http2Client, float]]:
        """Every client with its interval in seconds between requests (0: the next one at once)."""
        paced = self.profile.chosen(PACED)
        plan: list[tuple[str, float]] = []
        for kind, share in paced.items():
            rate = self.profile.rate * share / sum(paced.values())
            count = max(4, int(rate / PER_CLIENT) + 1)
            plan += [(kind, count / rate)] * count
        plan += [(kind, 0.0) for kind, count in self.profile.chosen(STEADY).items() for _n in range(int(count))]
        return [*self.http1(plan), *self.http2(plan)]

    def http1(self, plan: Sequence[tuple[str, float]]) -> Iterator[tuple[Client, float]]:
        for number, (kind, interval) in enumerate(plan):
            if kind not in HTTP2:
                yield Client(number, kind, self.profile, lambda: self.stopping), interval

    def http2(self, plan: Sequence[tuple[str, float]]) -> Iterator[tuple[Http2Client, float]]:
        """Short and long requests are dealt out evenly, so that every connection has both."""
        mine = [(number, *entry) for number, entry in enumerate(plan) if entry[0] in HTTP2]
        if not mine:
            return
        from tests.support.http2 import Session  # the other kinds need no more than the standard library

        profile = self.profile
        sessions = [Session(profile.host, profile.h2_port, profile.timeout) for _n in range((len(mine) - 1) // PER_SESSION + 1)]
        for place, (number, kind, interval) in enumerate(mine):
            yield Http2Client(number, kind, profile, sessions[place % len(sessions)]), interval

    async def once(self, client: Client | Http2Client) -> None:
        exchange, began = Exchange(), time.monotonic()
        try:
            await client.request(exchange)
        except (LostError, ValueError, LookupError) as error:
            self.refused += exchange.refused
            why = str(error) if isinstance(error, LostError) else f"not understood: {error!r}"
            self.lost_by_kind[client.kind] += 1
            ms = round((time.monotonic() - began) * 1000, 1)
            self.losses.append(Loss(began, client.kind, why, exchange.colour, ms))
            client.connection.close()
            await asyncio.sleep(0.02)  # nobody hammers a router that is down
            return
        now = time.monotonic()
        self.refused += exchange.refused
        self.answers.append(Answer(exchange.sent, now, client.kind, exchange.colour, exchange.version, client.number))

    async def work(self, client: Client | Http2Client, interval: float) -> None:
        """Keep to the pace; a client that fell behind does not catch up in a burst."""
        due = time.monotonic() + random.uniform(0, interval)
        while not self.stopping:
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(min(wait, 0.2))
                continue
            due = max(due + interval, time.monotonic() - interval)
            await self.once(client)
        client.connection.close()

    async def report(self, began: float) -> None:
        """Write the progress file twice a second."""
        seen = 0
        while self.status is not None:
            colours = Counter(answer.colour for answer in self.answers[seen:])
            seen = len(self.answers)
            lost = sum(self.lost_by_kind.values())
            seconds = round(time.monotonic() - began, 1)
            replace(self.status, asdict(Progress(seen + lost, lost, seconds, dict(colours))))
            await asyncio.sleep(0.5)

    async def run(self) -> Summary:
        """Send until the time is over or a signal comes; what is in flight is then waited for and counted."""
        stop, began = asyncio.Event(), time.monotonic()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.call_later(self.profile.seconds, stop.set)
        workers = [asyncio.create_task(self.work(*pair)) for pair in self.clients()]
        reporter = asyncio.create_task(self.report(began))
        await stop.wait()
        self.stopping = True
        await asyncio.gather(*workers)
        reporter.cancel()
        lost = sum(self.lost_by_kind.values())
        return Summary(
            requests=len(self.answers) + lost,
            lost=lost,
            seconds=round(time.monotonic() - began, 3),
            cpu_seconds=round(time.process_time(), 3),
            wall_offset=time.time() - time.monotonic(),
            preview=self.profile.preview,
            lost_by_kind=dict(self.lost_by_kind),
            losses=tuple(self.losses[:FIRST_LOSSES]),
            answers=tuple(self.answers),
            refused=self.refused,
        )


class LoadProcess:
    """The load client in a process of its own.

    >>> with LoadProcess(Profile(port=8080)) as load:
    ...     ...
    >>> assert load.summary.lost == 0
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._folder = short_directory("load")
        self.output = Path(self._folder.name) / "summary.json"
        self.status = Path(self._folder.name) / "status.json"
        self.process: subprocess.Popen[bytes] | None = None
        self._summary: Summary | None = None

    def start(self, timeout: float = 15.0) -> None:
        """Start, and return when the first requests have been made."""
        command = [sys.executable, "-m", "tests.support.load", "--output", str(self.output), "--status"]
        command += [str(self.status), *self._options()]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL)
        wait_until(self._began, "first request of the load client", timeout)

    def _began(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError("the load client did not start")
        return self.progress().requests > 0

    def _options(self) -> list[str]:
        values = {**vars(self.profile), "kinds": ",".join(self.profile.kinds)}
        return [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]

    def progress(self) -> Progress:
        return Progress.load(self.status)

    def stop(self) -> Summary:
        """Stop; requests in flight are waited for. Raises RuntimeError if the client left no result."""
        if self._summary is None:
            if self.process is None or end(self.process, self.profile.timeout + 10) != 0:
                raise RuntimeError("the load client ended without a result")
            self._summary = Summary.load(self.output)
            self._folder.cleanup()
        return self._summary

    @property
    def summary(self) -> Summary:
        if self._summary is None:
            raise RuntimeError("the load still runs")
        return self._summary

    def __enter__(self) -> LoadProcess:
        try:
            self.start()
        except BaseException:
            self.__exit__(RuntimeError)
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        if not failure or failure[0] is None:
            self.stop()
            return
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._folder.cleanup()


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Mixed load without retries")
    for name in ("host", "preview"):
        parser.add_argument(f"--{name}", default=getattr(Profile, name))
    for name in ("rate", "seconds", "timeout", "longest"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Profile, name))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--h2-port", type=int, default=Profile.h2_port, help="takes HTTP/2 without TLS and upgrade")
    parser.add_argument("--kinds", type=lambda text: tuple(text.split(",")), default=KINDS, help=",".join(KINDS))
    parser.add_argument("--output", type=Path, required=True, help="JSON summary, written at the end")
    parser.add_argument("--status", type=Path, help="JSON progress, replaced twice a second")
    return parser.parse_args(arguments)


def main() -> None:
    options = vars(parse())
    output, status = options.pop("output"), options.pop("status")
    gc.freeze()
    gc.set_threshold(100_000)
    summary = asyncio.run(Load(Profile(**options), status).run())
    summary.dump(output)
    print(f"load: requests={summary.requests} lost={summary.lost} seconds={summary.seconds}", flush=True)


if __name__ == "__main__":
    main()
