# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends one request after the other, over connections that are kept or new ones. The only I/O on the network.

It does not follow redirects, keeps no cookies and uses no proxy of the environment.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Callable, cast

from .._errors import BadInput
from .._health.client import failure_reason, tls_context
from .._health.expectations import HealthError
from .requests import Origin, Request
from .wire import Answer

#: Seconds that the end of a connection may need, besides the way to the server and back, to count as one that was on its way.
_SLACK = 0.25
#: Rounds of the event loop from the arrival of bytes, through TLS, to whoever waits for the answer.
_ROUNDS = 4


@dataclass(frozen=True)
class Outcome:
    """What became of one request.

    Args:
        seconds: from its start, the connection included, to the end of the answer or to the failure.
        answer: the whole answer, or None.
        failure: why there is none, in the same words for the same cause; else empty.
        retried: it was sent a second time, because the server had closed the kept connection.
    """

    seconds: float
    answer: Answer | None = None
    failure: str = ""
    retried: bool = False


class Client:
    """A client of one origin. Use it in one event loop, and close it there.

    Args:
        origin: where to connect.
        timeout: seconds that one request may take in all.

    Raises:
        BadInput: a file of certificates that can not be used.
    """

    def __init__(self, origin: Origin, timeout: float) -> None:
        if not timeout > 0:
            raise BadInput(f"timeout is {timeout:g}: expected more than 0 seconds")
        try:
            self._context = tls_context(origin.tls) if origin.tls else None
        except HealthError as error:
            raise BadInput(str(error)) from error
        self._origin, self._timeout = origin, timeout
        self._idle: list[_Connection] = []

    async def fetch(self, request: Request, keep_alive: bool) -> Outcome:
        """Send a request and read the whole answer. Raises nothing for what network and server do."""
        loop = asyncio.get_running_loop()
        task = cast(asyncio.Task[Any], asyncio.current_task())
        retries: list[None] = []
        began, expired = loop.time(), False

        def expire() -> None:
            nonlocal expired
            expired = True
            task.cancel()

        timer = _Timer(loop, self._timeout, expire)
        answer, failure = None, ""
        try:
            answer = await self._exchange(request, keep_alive, retries)
        except asyncio.CancelledError:
            if not expired:
                raise
            failure = f"no answer within {self._timeout:g} s"
        except (OSError, HTTPException, ValueError) as error:
            failure = failure_reason(error)
        finally:
            timer.cancel()
        return Outcome(loop.time() - began, answer, failure, bool(retries))

    async def _exchange(self, request: Request, keep_alive: bool, retries: list[None]) -> Answer:
        if not keep_alive:
            return await self._ask(await self._open(), request.method, request.closing)
        while self._idle:
            connection = self._idle.pop()
            if connection.closed:
                continue
            try:
                return await self._ask(connection, request.method, request.kept)
            except _ClosedWhileIdle:
                retries.append(None)
                break
        return await self._ask(await self._open(), request.method, request.kept)

    async def _open(self) -> _Connection:
        loop = asyncio.get_running_loop()
        began = loop.time()
        origin = self._origin
        _transport, connection = await loop.create_connection(
            functools.partial(_Connection, loop), origin.host, origin.port, ssl=self._context, server_hostname=origin.server_name
        )
        connection.grace = _SLACK + loop.time() - began
        return connection

    async def _ask(self, connection: _Connection, method: str, request: bytes) -> Answer:
        try:
            answer = await connection.ask(method, request)
        except BaseException:
            connection.abort()
            raise
        if answer.reusable and b"\r\nConnection: keep-alive\r\n" in request:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    async def close(self) -> None:
        """Close the connections that are kept."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # the loop closes sockets in its next round


class _Timer:
    """Calls back after some seconds, and not before what has come over the network by then was looked at.

    When this process was held up, the answer may be there and only unread: that is no fault of the server.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, call: Callable[[], None]) -> None:
        self._loop, self._call = loop, call
        self._handle: asyncio.Handle = loop.call_later(seconds, self._look, _ROUNDS)

    def _look(self, rounds: int) -> None:
        if rounds:
            self._handle = self._loop.call_soon(self._look, rounds - 1)
        else:
            self._call()

    def cancel(self) -> None:
        self._handle.cancel()


class _ClosedWhileIdle(ConnectionError):
    """The server had closed the kept connection before the request came to it."""


class _Connection(asyncio.Protocol):
    """One connection: at most one request at a time.

    ``grace`` is the time in seconds within which the end of a kept connection may still be one that was on its way when
    the request was sent (RFC 9112, section 9.3.1). Later the server had the request, and has dropped it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.closed = False
        self.grace = _SLACK
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._timer: _Timer | None = None
        self._may_be_idle = False

    def ask(self, method: str, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the future gets its answer."""
        self._answer, self._waiter = Answer(method), self._loop.create_future()
        if self._may_be_idle:
            self._timer = _Timer(self._loop, self.grace, self._was_not_idle)
        cast(asyncio.Transport, self._transport).write(request)
        return self._waiter

    def _was_not_idle(self) -> None:
        self._may_be_idle = False

    def close(self) -> None:
        self.closed = True
        cast(asyncio.Transport, self._transport).close()

    def abort(self) -> None:
        self.closed = True
        cast(asyncio.Transport, self._transport).abort()

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.abort()  # nothing was asked: whatever this is, it must not become the next answer
            return
        try:
            self._answer.feed(data)
        except HTTPException as error:
            self._end(error)
            return
        if self._answer.complete:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._answer is None:
            return
        if self._may_be_idle and not self._answer.begun:
            self._end(_ClosedWhileIdle())
            return
        try:
            if exc is not None:
                raise exc
            self._answer.end()
        except Exception as error:
            self._end(error)
        else:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        """The request under way is answered, or has failed."""
        answer, waiter = self._answer, self._waiter
        self._answer = self._waiter = None
        self._may_be_idle = True
        if self._timer is not None:
            self._timer.cancel()
        if waiter is None or waiter.done():
            return
        if error is not None:
            waiter.set_exception(error)
        elif answer is not None:
            waiter.set_result(answer)
