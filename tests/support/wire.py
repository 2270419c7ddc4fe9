# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP/1.1 and WebSocket client that never retries: what goes wrong is seen, not repaired."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OP_TEXT, OP_CLOSE = 0x81, 0x88  # FIN and opcode, RFC 6455 section 5.2
MAX_HEAD = 64 * 1024


class LostError(Exception):
    """A request that got no answer, or not the right one; the text says why."""


@dataclass
class Exchange:
    """What is known about one request so far; it stays readable when the request is lost half-way.

    ``refused`` counts how often a router said that it has not processed it, and it was sent again (HTTP/2 only).
    """

    sent: float = 0.0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    refused: int = 0

    @property
    def colour(self) -> str:
        return self.headers.get("x-bluegreen-colour", "")

    @property
    def version(self) -> str:
        return self.headers.get("x-app-version", "")


class Connection:
    """One TCP connection at a time, opened when there is none that can be used."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.address, self.timeout = (host, port), timeout
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection at hand, or a new one if it was closed *before* anything was sent on it."""
        if self._reader is None or self._writer is None or self._reader.at_eof() or self._writer.is_closing():
            self.close()
            self._reader, self._writer = await asyncio.open_connection(*self.address, limit=MAX_HEAD)
        return self._reader, self._writer

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Turn everything that can go wrong on the wire into LostError; cheaper than one task a request."""
        task = asyncio.current_task()
        assert task is not None
        fired = []

        def fire() -> None:
            fired.append(True)
            task.cancel()

        timer = asyncio.get_running_loop().call_later(self.timeout, fire)
        try:
            yield
        except asyncio.CancelledError:
            self.close()
            if not fired:
                raise
            raise LostError(f"timeout after {self.timeout:g} s") from None
        except asyncio.IncompleteReadError as error:
            self.close()
            raise LostError("truncated" if error.partial else "closed without a whole answer") from error
        except asyncio.LimitOverrunError as error:
            self.close()
            raise LostError("endless line in the answer") from error
        except OSError as error:
            self.close()
            raise LostError(f"{type(error).__name__}: {error.strerror or error}") from error
        except LostError:
            self.close()
            raise
        finally:
            timer.cancel()

    async def request(self, exchange: Exchange, method: str, path: str, headers: str = "", body: bytes = b"") -> None:
        """Send one request, read its whole answer into ``exchange``. Raises LostError unless it is 200."""
        async with self.deadline():
            reader, writer = await self.open()
            exchange.sent = time.monotonic()
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: shop\r\n{headers}{length}\r\n".encode() + body)
            await read_head(reader, exchange)
            exchange.body = await read_body(reader, exchange.headers)
        if exchange.headers.get("connection", "").lower() == "close":
            self.close()
        if exchange.status != 200:
            raise LostError(f"status {exchange.status}")

    async def upgrade(self, exchange: Exchange, path: str, headers: str = "") -> None:
        """Open a WebSocket. Raises LostError."""
        key = base64.b64encode(os.urandom(16)).decode()
        async with self.deadline():
            reader, writer = await self.open()
            exchange.sent = time.monotonic()
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: shop\r\n{headers}Upgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            await read_head(reader, exchange)
            if exchange.status != 101:
                raise LostError(f"status {exchange.status}")

    async def frame(self, first: int, payload: bytes) -> bytes:
        """Send one masked frame (at most 125 bytes), return the payload of the answer. Raises LostError."""
        async with self.deadline():
            if self._reader is None or self._writer is None:
                raise LostError("no connection")
            mask = os.urandom(4)
            masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
            self._writer.write(bytes((first, 0x80 | len(payload))) + mask + masked)
            answered, size = await self._reader.readexactly(2)
            answer = await self._reader.readexactly(size)
        if answered != first:
            raise LostError(f"frame {answered:#x} came for {first:#x}")
        return answer


async def read_head(reader: asyncio.StreamReader, exchange: Exchange) -> None:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines[1:-2])
    exchange.headers = {name.lower(): value for name, _colon, value in pairs}
    exchange.status = int(lines[0].split(" ", 2)[1])


async def read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    chunks: list[bytes] = []
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        chunk = await reader.readexactly(size + 2)
        if not size:
            return b"".join(chunks)
        chunks.append(chunk[:-2])
