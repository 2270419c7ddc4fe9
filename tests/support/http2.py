# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP/2 client with prior knowledge (RFC 9113 section 3.3), many streams on one connection.

What is lost and what is not is the same for every router:

- A stream that is reset, or whose connection ends, before the whole answer is there is lost. So is one with any
  status but 200, and one that takes too long.
- A GOAWAY loses nothing by itself. Streams up to its last stream id are still owed an answer, and get the time for it.
- A stream above that id, or one reset with REFUSED_STREAM, "has not been processed", which is the server's word for it
  (RFC 9113 section 8.7): every client may send it again, whatever the method, and all do. This one sends it once more,
  on a new connection, and counts that in ``Exchange.refused``. Refused a second time, it is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import Frame, GoAwayFrame

from tests.support.wire import Exchange, LostError

FRAME_HEAD = 9  # bytes, RFC 9113 section 4.1
WINDOW = 1 << 20  # bytes that the router may send ahead, so that a slow moment of ours does not hold it up

Headers = Sequence[tuple[str, str]]


class RefusedError(Exception):
    """The server says that it has not processed the request."""


@dataclass
class Stream:
    """One request under way; ``unsent`` is what the router's window had no room for yet."""

    exchange: Exchange
    done: asyncio.Future[None]
    unsent: bytes = b""
    parts: list[bytes] = field(default_factory=list)

    def end(self, error: Exception | None = None) -> None:
        self.exchange.body = b"".join(self.parts)
        if self.done.done():
            return
        if error:
            self.done.set_exception(error)
        else:
            self.done.set_result(None)


class Line(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False))
        self.streams: dict[int, Stream] = {}
        self.usable = False
        self._bytes = b""
        self._transport: asyncio.Transport | None = None
        self._on_event: dict[type[Event], Callable[[Any], None]] = {
            ResponseReceived: self._head,
            DataReceived: self._data,
            StreamEnded: self._ended,
            StreamReset: self._reset,
            WindowUpdated: self._room,
            RemoteSettingsChanged: self._room,
        }

    # -- what the clients ask for

    def send(self, exchange: Exchange, headers: Headers, body: bytes) -> int:
        """Begin a request; the id of its stream."""
        number = self.h2.get_next_available_stream_id()
        self.streams[number] = Stream(exchange, asyncio.get_running_loop().create_future(), body)
        exchange.sent = time.monotonic()
        self.h2.send_headers(number, headers, end_stream=not body)
        self._pump(number)
        return number

    def abandon(self, number: int) -> None:
        """Reset a stream that is still under way."""
        if self.streams.pop(number, None) is not None:
            self.h2.reset_stream(number, ErrorCodes.CANCEL)
            self._flush()

    def retire(self) -> None:
        """Take no new stream; close when the last one has ended."""
        self.usable = False
        if not self.streams and self._transport is not None:
            self._transport.close()

    # -- what asyncio reports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.usable = transport, True
        self.h2.local_settings.enable_push = 0
        self.h2.local_settings.initial_window_size = WINDOW
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(WINDOW)
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self.h2.receive_data(self._without_goaway(self._bytes + data)):
                act = self._on_event.get(type(event))
                if act is not None:
                    act(event)
        except (H2Error, HyperframeError) as error:
            self._fail(f"not HTTP/2: {error!r}")
        self._flush()
        if not self.usable:
            self.retire()

    def eof_received(self) -> None:
        """The other side has ended; there is nothing left to wait for."""
        self._fail("closed without a whole answer")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"{type(exc).__name__}: {exc}" if exc else "closed without a whole answer")

    # -- inside

    def _without_goaway(self, data: bytes) -> bytes:
        """Whole frames of ``data`` without its GOAWAYs, which are acted upon; the rest is kept for the next time.

        H2Connection reads nothing any more after a GOAWAY, although the streams below its id are still to be answered.
        """
        kept, at = [], 0
        while len(data) - at >= FRAME_HEAD:
            frame, size = Frame.parse_frame_header(memoryview(data)[at : at + FRAME_HEAD])
            until = at + FRAME_HEAD + size
            if len(data) < until:
                break
            if isinstance(frame, GoAwayFrame):
                frame.parse_body(memoryview(data)[at + FRAME_HEAD : until])
                self._going_away(frame.last_stream_id)
            else:
                kept.append(data[at:until])
            at = until
        self._bytes = data[at:]
        return b"".join(kept)

    def _going_away(self, last: int) -> None:
        self.usable = False
        for number in [number for number in self.streams if number > last]:
            self.streams.pop(number).end(RefusedError(f"GOAWAY up to stream {last}"))

    def _pump(self, number: int) -> None:
        """Send of a body what the router has room for."""
        stream = self.streams[number]
        while stream.unsent:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if room <= 0:
                break
            part, stream.unsent = stream.unsent[:room], stream.unsent[room:]
            self.h2.send_data(number, part, end_stream=not stream.unsent)
        self._flush()

    def _flush(self) -> None:
        data = self.h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _fail(self, why: str) -> None:
        """Lose every stream, and the connection."""
        self.usable = False
        for stream in self.streams.values():
            stream.end(LostError("truncated" if stream.exchange.status and why.startswith("closed") else why))
        self.streams.clear()
        if self._transport is not None:
            self._transport.close()

    def _head(self, event: ResponseReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.exchange.headers = {str(name): str(value) for name, value in event.headers}
            stream.exchange.status = int(stream.exchange.headers[":status"])

    def _data(self, event: DataReceived) -> None:
        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if event.stream_id in self.streams:
            self.streams[event.stream_id].parts.append(event.data)

    def _ended(self, event: StreamEnded) -> None:
        stream = self.streams.pop(event.stream_id, None)
        if stream is not None:
            if stream.unsent:
                self.h2.reset_stream(event.stream_id, ErrorCodes.CANCEL)
            stream.end()

    def _reset(self, event: StreamReset) -> None:
        stream = self.streams.pop(event.stream_id, None)
        if stream is not None:
            refused = event.error_code == ErrorCodes.REFUSED_STREAM
            name = getattr(event.error_code, "name", event.error_code)
            stream.end(RefusedError(f"RST_STREAM {name}") if refused else LostError(f"RST_STREAM {name}"))

    def _room(self, _event: WindowUpdated | RemoteSettingsChanged) -> None:
        for number in [number for number, stream in self.streams.items() if stream.unsent]:
            self._pump(number)


class Session:
    """Requests of any number of clients over one connection, which is opened when there is none that takes new streams.

    Args:
        host: the router's address.
        port: where it takes cleartext HTTP/2 without an upgrade.
        timeout: seconds for a connection, and for a whole request.
    """

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.address, self.timeout = (host, port), timeout
        self._line: Line | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> Line:
        """The connection at hand, or a new one. Raises LostError."""
        async with self._opening:
            line = self._line
            if line is None or not line.usable:
                connecting = asyncio.get_running_loop().create_connection(Line, *self.address)
                try:
                    _transport, opened = await asyncio.wait_for(connecting, self.timeout)
                except asyncio.TimeoutError:
                    raise LostError(f"timeout after {self.timeout:g} s") from None
                except OSError as error:
                    raise LostError(f"{type(error).__name__}: {error.strerror or error}") from error
                line = self._line = opened
            return line

    def close(self) -> None:
        """Leave the connection; it closes when the requests on it have ended."""
        if self._line is not None:
            self._line.retire()
            self._line = None

    async def request(self, exchange: Exchange, method: str, path: str, headers: Headers = (), body: bytes = b"") -> None:
        """Send one request, read its whole answer into ``exchange``. Raises LostError unless it is 200."""
        length = [("content-length", str(len(body)))] if body else []
        head = [(":method", method), (":scheme", "http"), (":authority", "shop"), (":path", path), *headers, *length]
        try:
            await self._attempt(exchange, head, body)
        except RefusedError:
            exchange.refused += 1
            try:
                await self._attempt(exchange, head, body)
            except RefusedError as error:
                raise LostError(f"refused twice: {error}") from error
        if exchange.status != 200:
            raise LostError(f"status {exchange.status}")

    async def _attempt(self, exchange: Exchange, head: Headers, body: bytes) -> None:
        line = await self.open()
        number = line.send(exchange, head, body)
        stream = line.streams[number]
        timer = asyncio.get_running_loop().call_later(self.timeout, stream.end, LostError(f"timeout after {self.timeout:g} s"))
        try:
            await stream.done
        except RefusedError:
            line.retire()
            raise
        finally:
            timer.cancel()
            line.abandon(number)
