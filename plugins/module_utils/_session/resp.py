# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of Redis that knows as much of RESP2 as it needs.

The protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from .._errors import BadInput
from .._health.client import failure_reason, tls_context
from .._health.expectations import HealthError
from .._health.targets import Tls
from .errors import StoreError

_LINE = 8 * 1024
_BULK = 4 << 20


@dataclass(frozen=True)
class Address:
    """Where a Redis is, and who asks."""

    host: str
    port: int
    tls: bool
    user: str
    password: str
    database: int

    @classmethod
    def parse(cls, url: str) -> Address:
        """``redis://user:password@host:port/db``, or ``rediss://`` with TLS.

        Raises:
            BadInput: it is no such URL. It is not repeated, it may hold a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 6379
            database = int(parts.path.strip("/") or 0)
        except ValueError as error:
            raise BadInput("redis_url has a malformed port or database, expected redis://host:6379/0") from error
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise BadInput("redis_url must begin with redis:// or rediss:// and name a host")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.hostname, port, parts.scheme == "rediss", user, password, database)

    @property
    def place(self) -> str:
        """For people: no user, no password."""
        return f"{self.host}:{self.port}/{self.database}"


class Redis:
    """One connection; use it in a ``with`` block.

    Args:
        address: where to.
        tls: how to check a certificate.
        timeout: seconds for each step: to connect, to send, to get more bytes.

    Raises:
        StoreError: nobody answers there, or refuses the login.
        BadInput: a file of certificates that can not be used.
    """

    def __init__(self, address: Address, tls: Tls, timeout: float) -> None:
        self._address, self._tls, self._timeout = address, tls, timeout

    def __enter__(self) -> Redis:
        self._socket = self._connect()
        self._file: BinaryIO = self._socket.makefile("rb")
        try:
            self._greet()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_failure: object) -> None:
        self._file.close()
        self._socket.close()

    def _connect(self) -> socket.socket:
        try:
            context = tls_context(self._tls) if self._address.tls else None
        except HealthError as error:
            raise BadInput(str(error)) from error
        try:
            plain = socket.create_connection((self._address.host, self._address.port), self._timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return plain if context is None else _wrapped(plain, context, self._address.host)
        except (OSError, ValueError) as error:
            raise self._unreachable(error) from error

    def _greet(self) -> None:
        address = self._address
        if address.password:
            self.command("AUTH", *filter(None, [address.user]), address.password)
        if address.database:
            self.command("SELECT", str(address.database))

    def command(self, *words: str) -> str:
        """Send one command and read its answer, which is a text, a number, or nothing.

        Raises:
            StoreError: it is refused, or there is no answer. Only the name of the command is repeated.
        """
        parts = [word.encode() for word in words]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        try:
            self._socket.sendall(request)
            return self._answer(words[0])
        except (OSError, ValueError) as error:
            raise self._unreachable(error) from error

    def _answer(self, command: str) -> str:
        line = self._file.readline(_LINE)
        if not line:
            raise ConnectionError("the connection was closed without an answer")
        kind, rest = line[:1], line[1:].rstrip(b"\r\n").decode("utf-8", "replace")
        if not line.endswith(b"\r\n") or kind not in b"+-:$":
            raise ConnectionError("that is no answer of a Redis")
        if kind == b"-":  # the rest of an error may repeat what was sent
            word = re.match(r"[A-Z]+", rest)
            raise StoreError(f"the Redis at {self._address.place} refuses {command}: {word[0] if word else 'ERR'}")
        return self._bulk(int(rest)) if kind == b"$" else rest

    def _bulk(self, length: int) -> str:
        if length > _BULK:
            raise ConnectionError("its answer is too long")
        if length < 0:
            return ""
        data = self._file.read(length + 2)
        if len(data) < length + 2:
            raise ConnectionError("the connection was closed in the middle of an answer")
        return data[:length].decode("utf-8", "replace")

    def _unreachable(self, error: Exception) -> StoreError:
        timed_out = isinstance(error, socket.timeout)
        why = f"no answer within {self._timeout:g} s" if timed_out else failure_reason(error)
        return StoreError(f"the Redis at {self._address.place} can not be asked: {why}")


def _wrapped(plain: socket.socket, context: ssl.SSLContext, host: str) -> socket.socket:
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise
