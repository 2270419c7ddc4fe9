# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One try of one target: the only part of the poll that does I/O."""

from __future__ import annotations

import asyncio
import functools
import io
import os
import re
import resource
import socket
import ssl
import time
from collections.abc import Iterable
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any, cast

from .expectations import BODY_LIMIT, HealthError, Outcome, Response
from .targets import Target, Tls, redacted

_HEAD_LIMIT = 64 * 1024
_DESCRIPTORS_KEPT = 64


class Client:
    """Tries targets, each time over a new connection, as a new user of the service would.

    Redirects are not followed, proxies of the environment are not used.

    :raises HealthError: when a certificate file of a target cannot be used
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        self._contexts = {tls: tls_context(tls) for tls in {target.tls for target in targets} if tls}

    async def probe(self, target: Target) -> Outcome:
        """One try. Never raises for what the endpoint does; the caller bounds the time."""
        started = time.perf_counter()
        try:
            response = await self._exchange(target)
        except (OSError, HTTPException, ValueError) as exc:
            return Outcome(None, failure_reason(exc))
        latency = time.perf_counter() - started
        error = target.expectation.failure(response, latency)
        return Outcome(latency, error and redacted(error, target.secrets))

    async def _exchange(self, target: Target) -> Response | None:
        loop = asyncio.get_running_loop()
        transport, exchange = await loop.create_connection(
            functools.partial(Exchange, target.method, target.request, loop.create_future()),
            target.host,
            target.port,
            ssl=self._contexts[target.tls] if target.tls else None,
            server_hostname=target.server_name,
        )
        try:
            return await exchange.answer if target.request else None
        except BaseException:
            transport.abort()
            raise
        finally:
            transport.close()


class Exchange(asyncio.Protocol):
    """One request and its answer. The standard library reads the head and the chunks (RFC 9112)."""

    def __init__(self, method: str, request: bytes, answer: asyncio.Future[Response]) -> None:
        self.answer = answer
        # A try may be cut between its failure and the moment it is awaited; asyncio would complain of that.
        self.answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._method = method
        self._request = request
        self._received = bytearray()
        self._head: HTTPResponse | None = None
        self._body_at = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._request:
            cast(asyncio.WriteTransport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        self._received += data
        try:
            if self._head is None:
                self._read_head()
            if self._head is not None:
                self._finish(self._head, at_end=False)
        except HTTPException as exc:
            self.answer.set_exception(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer.done() or not self._request:
            return
        try:
            if exc is not None:
                raise exc
            if self._head is None:
                raise ConnectionError("connection closed without an answer")
            self._finish(self._head, at_end=True)
        except Exception as failure:
            self.answer.set_exception(failure)

    def _read_head(self) -> None:
        while True:
            end = self._received.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(self._received) > _HEAD_LIMIT:
                    raise HTTPException("head too long")
                return
            if self._received[8:10] != b" 1":
                break
            del self._received[:end]  # an interim answer such as 103 (RFC 9110, section 15.2)
        self._head = self._parsed(bytes(self._received[:end]))
        self._body_at = end

    def _parsed(self, data: bytes) -> HTTPResponse:
        # HTTPResponse asks of its socket for makefile() only.
        head = HTTPResponse(cast(socket.socket, _Buffer(data)), method=self._method)
        head.begin()
        return head

    def _finish(self, head: HTTPResponse, at_end: bool) -> None:
        """Give the answer once its body is complete, or has reached the limit."""
        body = self._chunked_body(at_end) if head.chunked else self._plain_body(head.length, at_end)
        if body is None:
            return
        headers: dict[str, str] = {}
        for name, value in head.headers.items():
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self.answer.set_result(Response(head.status, headers, body[:BODY_LIMIT]))

    def _chunked_body(self, at_end: bool) -> bytes | None:
        full = len(self._received) - self._body_at >= BODY_LIMIT
        if not (at_end or full or self._received.endswith(b"0\r\n\r\n")):
            return None
        body, complete = _dechunked(self._parsed(bytes(self._received)))
        if at_end and not complete:
            raise IncompleteRead(body)
        return body if complete or full else None

    def _plain_body(self, length: int | None, at_end: bool) -> bytes | None:
        body = bytes(self._received[self._body_at :])
        if len(body) >= BODY_LIMIT:
            return body
        if length is None:
            return body if at_end else None
        if at_end and len(body) < length:
            raise IncompleteRead(body)
        return body[:length] if len(body) >= length else None


def _dechunked(response: HTTPResponse) -> tuple[bytes, bool]:
    """The body so far, and whether its last chunk has come."""
    pieces = []
    try:
        while piece := response.read1(BODY_LIMIT):
            pieces.append(piece)
    except IncompleteRead:
        return b"".join(pieces), False
    return b"".join(pieces), True


class _Buffer:
    """What :class:`HTTPResponse` wants to see of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *unused: Any) -> io.BytesIO:
        return io.BytesIO(self._data)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """A context for these settings; loading the system's certificates is slow, so share it.

    :raises HealthError: naming the option whose file cannot be used
    """
    try:
        context = ssl.create_default_context()
        if tls.ca_path:
            context.load_verify_locations(**{"capath" if os.path.isdir(tls.ca_path) else "cafile": tls.ca_path})
    except (OSError, ValueError) as exc:
        raise HealthError(f"ca_path {tls.ca_path}: {exc}") from exc
    if not tls.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.client_cert:
        try:
            # An empty password makes an encrypted key an error instead of a question to the terminal.
            context.load_cert_chain(tls.client_cert, tls.client_key, password=lambda: b"")
        except (OSError, ValueError) as exc:
            raise HealthError(f"client_cert {tls.client_cert}, client_key {tls.client_key}: {exc}") from exc
    elif tls.client_key:
        raise HealthError("client_key needs client_cert")
    return context


def descriptors_left() -> int:
    """How many connections this process may hold at once."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(1, soft - _DESCRIPTORS_KEPT)


def failure_reason(exc: Exception) -> str:
    """The same words for the same failure, with no address in them, so that targets can be grouped."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"TLS certificate not accepted: {exc.verify_message or exc.reason}"
    if isinstance(exc, ssl.SSLError):
        return f"TLS: {(getattr(exc, 'reason', None) or str(exc)).lower().replace('_', ' ')}"
    if isinstance(exc, socket.gaierror):
        return "host name not resolved"
    if isinstance(exc, IncompleteRead):
        return "connection closed before the answer was complete"
    if isinstance(exc, (HTTPException, ValueError)):
        return "malformed HTTP answer"
    # asyncio reports several failed addresses of one name as one OSError without errno.
    several = re.search(r"\[Errno (\d+)\]", str(exc))
    number = getattr(exc, "errno", None) or (several and int(several[1]))
    return os.strerror(number).lower() if number else str(exc) or type(exc).__name__
