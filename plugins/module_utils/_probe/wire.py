# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP/1.1 answer, read as its bytes come. Pure: no socket, no clock.

The body is read to its end and thrown away, so that an answer of any size needs no memory.
"""

from __future__ import annotations

import re
from http.client import HTTPException, IncompleteRead
from typing import Callable

_HEAD_LIMIT = 64 * 1024
_LINE_LIMIT = 8 * 1024


class Answer:
    """The answer to one request (RFC 9112). Header names are lower case, repeated headers are joined by a comma.

    Args:
        method: of the request; an answer to HEAD has no body.
    """

    def __init__(self, method: str = "GET") -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.begun = self.complete = False
        self._method = method
        self._data = bytearray()
        self._left = 0
        self._persistent = False
        self._step: Callable[[], bool] = self._read_head

    @property
    def reusable(self) -> bool:
        """Whether the next request may use the same connection: both sides keep it and nothing is left over."""
        return self.complete and self._persistent and not self._data

    def feed(self, data: bytes) -> None:
        """Read what has come.

        Raises:
            HTTPException: this is no HTTP/1.x answer.
        """
        self.begun = True
        self._data += data
        while not self.complete and self._step():
            pass

    def end(self) -> None:
        """The server has closed the connection.

        Raises:
            IncompleteRead: in the middle of the answer.
            ConnectionError: before its first line and headers were there.
        """
        if self._step == self._read_until_closed:
            self.complete = True
        elif not self.status:
            raise ConnectionError("connection closed without an answer")
        elif not self.complete:
            raise IncompleteRead(b"")

    # Each step takes from the data what it understands; False means that it needs more.

    def _read_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if len(self._data) > _HEAD_LIMIT:
                raise HTTPException("head too long")
            return False
        lines = self._data[:end].decode("latin-1").split("\r\n")
        del self._data[: end + 4]
        first = re.fullmatch(r"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?", lines[0])
        if first is None:
            raise HTTPException("no status line")
        status, headers = int(first[2]), _headers(lines[1:])
        if status == 101:
            raise HTTPException("another protocol, which nobody asked for")
        if status < 200:
            return True  # an interim answer such as 103 (RFC 9110, section 15.2)
        self.status, self.headers = status, headers
        words = {word.strip() for word in headers.get("connection", "").lower().split(",")}
        # RFC 9112, section 9.3
        self._persistent = "close" not in words and (first[1] == "1" or "keep-alive" in words)
        self._begin_body()
        return True

    def _begin_body(self) -> None:
        """How the end of the body is found (RFC 9112, section 6.3)."""
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        if self._method == "HEAD" or self.status in (204, 304):
            self.complete = True
        elif coding is not None and coding.lower().rpartition(",")[2].strip() == "chunked":
            self._step = self._read_chunk_size
        elif coding is not None or length is None:
            self._persistent = False
            self._step = self._read_until_closed
        else:
            self._left = _length(length)
            self._step = self._read_length

    def _take(self) -> bool:
        """Throw away what is there of the part under way; whether it is at its end."""
        taken = min(self._left, len(self._data))
        del self._data[:taken]
        self._left -= taken
        return not self._left

    def _read_length(self) -> bool:
        self.complete = self._take()
        return False

    def _read_until_closed(self) -> bool:
        self._data.clear()
        return False

    def _line(self) -> bytes | None:
        end = self._data.find(b"\r\n")
        if end < 0:
            if len(self._data) > _LINE_LIMIT:
                raise HTTPException("line too long")
            return None
        line = bytes(self._data[:end])
        del self._data[: end + 2]
        return line

    def _read_chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        size = re.fullmatch(rb"([0-9A-Fa-f]{1,15})\s*(?:;.*)?", line)
        if size is None:
            raise HTTPException("no chunk size")
        self._left = int(size[1], 16)
        self._step = self._read_chunk if self._left else self._read_trailer
        return True

    def _read_chunk(self) -> bool:
        if not self._take() or len(self._data) < 2:
            return False
        if self._data[:2] != b"\r\n":
            raise HTTPException("a chunk is longer than its size")
        del self._data[:2]
        self._step = self._read_chunk_size
        return True

    def _read_trailer(self) -> bool:
        line = self._line()
        self.complete = line == b""
        return line is not None


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise HTTPException("no header line")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _length(text: str) -> int:
    values = {value.strip() for value in text.split(",")}
    value = values.pop()
    if values or not re.fullmatch(r"\d{1,18}", value, re.ASCII):
        raise HTTPException("no content length")
    return int(value)
