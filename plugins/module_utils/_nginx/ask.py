# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many short questions over HTTP/1.1 at the same time, each with its own connection and a common deadline.

The standard library's clients would take longer to import than a rollback takes.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

#: More of an answer is never needed.
LIMIT = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r\n]")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """Where something listens.

    Args:
        host: a name or a numeric address, IPv6 without brackets.
        port: of TCP.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """An address from ``host:port`` or ``[v6]:port``.

        Raises:
            ValueError: it is none.
        """
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]/\s]+)):([0-9]{1,5})", text)
        if not match or not 0 < int(match[3]) < 65536:
            raise ValueError("expected an address and a port, such as 10.0.0.1:8080")
        return cls(match[1] or match[2], int(match[3]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Endpoint:
    """One numeric address to connect to."""

    family: int
    sockaddr: tuple[Any, ...]


@dataclass(frozen=True)
class Question:
    """One GET.

    Args:
        endpoint: where to.
        host: for the header Host.
        path: begins with a slash.
        headers: further headers.
        timeout: seconds for the whole of it.
        preamble: bytes before the request, for a port with the PROXY protocol.
        tls: encrypt; the certificate is not looked at, because the question stays on this host.
    """

    endpoint: Endpoint
    host: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    timeout: float = 5.0
    preamble: bytes = b""
    tls: bool = False

    def encoded(self) -> bytes:
        """What is sent."""
        lines = [f"GET {self.path} HTTP/1.1", f"Host: {self.host}", "User-Agent: turnout", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return self.preamble + ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Answer:
    """What came back.

    Args:
        status: of HTTP; 0 when there was no answer.
        body: the first bytes of it.
        head: all header lines.
        failure: why there is no answer: ``refused``, ``silent`` or ``other``; empty when there is one.
        why: the same for people.
    """

    status: int = 0
    body: bytes = b""
    head: bytes = field(default=b"", repr=False)
    failure: str = ""
    why: str = ""

    def header(self, name: str) -> str | None:
        """Value of a header line; None when there is none."""
        match = re.search(rb"\r\n" + re.escape(name.encode()) + rb":[ \t]*([^\r\n]*?)[ \t]*\r\n", self.head, re.IGNORECASE)
        return match[1].decode(errors="replace") if match else None


def resolve(addresses: Sequence[Address], timeout: float) -> dict[Address, tuple[Endpoint, ...]]:
    """All numeric addresses of each; none for a name that can not be resolved in time.

    Args:
        addresses: names are looked up at the same time.
        timeout: seconds for all of them.
    """
    found = {address: _numeric(address) for address in addresses}
    names = [address for address, endpoints in found.items() if not endpoints]
    if names:
        found.update(_lookup_names(names, timeout))
    return found


def _numeric(address: Address) -> tuple[Endpoint, ...]:
    # getaddrinfo() would import all of IDNA first.
    for family, sockaddr in (
        (socket.AF_INET, (address.host, address.port)),
        (socket.AF_INET6, (address.host, address.port, 0, 0)),
    ):
        with suppress(OSError):
            socket.inet_pton(family, address.host)
            return (Endpoint(family, sockaddr),)
    return ()


def _lookup(address: Address) -> tuple[Endpoint, ...]:
    rows = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return tuple(Endpoint(row[0], row[4]) for row in rows)


def _lookup_names(names: Sequence[Address], timeout: float) -> dict[Address, tuple[Endpoint, ...]]:
    import threading  # a resolver has no other way to be left alone

    found: dict[Address, tuple[Endpoint, ...]] = dict.fromkeys(names, ())

    def look(address: Address) -> None:
        with suppress(OSError, UnicodeError):
            found[address] = _lookup(address)

    threads = [threading.Thread(target=look, args=(address,), daemon=True) for address in names]
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return dict(found)


_Steps = Generator[int, None, Answer]


class _Silent(Exception):
    """The time of a question is over."""


def ask_all(questions: Sequence[Question]) -> list[Answer]:
    """Ask all at the same time; the answers in the same order. Never raises for what the other side does."""
    answers = [Answer()] * len(questions)
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        waiting: dict[int, tuple[_Steps, float]] = {}
        sockets: dict[int, socket.socket] = {}
        for number, question in enumerate(questions):
            if question.tls:
                continue
            connection = socket.socket(question.endpoint.family, socket.SOCK_STREAM)
            connection.setblocking(False)
            sockets[number] = connection
            waiting[number] = (_exchange(connection, question), began + question.timeout)
        try:
            for number in list(waiting):
                _advance(selector, sockets[number], number, waiting, answers)
            _drive(selector, sockets, waiting, answers)
        finally:
            for connection in sockets.values():
                connection.close()
    for number, question in enumerate(questions):
        if question.tls:
            answers[number] = _ask_encrypted(question)
    return answers


def _drive(
    selector: selectors.BaseSelector,
    sockets: dict[int, socket.socket],
    waiting: dict[int, tuple[_Steps, float]],
    answers: list[Answer],
) -> None:
    while waiting:
        left = min(deadline for _steps, deadline in waiting.values()) - time.monotonic()
        for key, _events in selector.select(max(left, 0)):
            _advance(selector, sockets[key.data], key.data, waiting, answers)
        now = time.monotonic()
        for number in [number for number, (_steps, deadline) in waiting.items() if deadline <= now]:
            _advance(selector, sockets[number], number, waiting, answers, late=True)


def _advance(
    selector: selectors.BaseSelector,
    connection: socket.socket,
    number: int,
    waiting: dict[int, tuple[_Steps, float]],
    answers: list[Answer],
    late: bool = False,
) -> None:
    steps = waiting[number][0]
    try:
        event = steps.throw(_Silent()) if late else next(steps)
    except StopIteration as end:
        answers[number] = end.value
        del waiting[number]
        with suppress(KeyError):
            selector.unregister(connection)
        connection.close()
        return
    if connection not in selector.get_map():
        selector.register(connection, event, number)
    else:
        selector.modify(connection, event, number)


def _exchange(connection: socket.socket, question: Question) -> _Steps:
    """Yields what it waits for, returns the answer."""
    received = bytearray()
    try:
        with suppress(BlockingIOError):
            connection.connect(question.endpoint.sockaddr)
        yield selectors.EVENT_WRITE
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        data = question.encoded()
        while data:
            with suppress(BlockingIOError):
                data = data[connection.send(data) :]
            if data:
                yield selectors.EVENT_WRITE
        while not _complete(received):
            yield selectors.EVENT_READ
            try:
                chunk = connection.recv(65536)
            except BlockingIOError:
                continue
            if not chunk:
                break
            received += chunk
            _drop_interim(received)
        return _answer(received)
    except _Silent:
        if _status(received):
            return _answer(received)
        return Answer(failure="silent", why=f"no answer within {question.timeout:g} s")
    except OSError as error:
        return _failed(error)


def _ask_encrypted(question: Question) -> Answer:
    import ssl  # a fifth of the time of a whole call, and seldom needed

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    received = bytearray()
    try:
        with socket.socket(question.endpoint.family, socket.SOCK_STREAM) as plain:
            plain.settimeout(question.timeout)
            plain.connect(question.endpoint.sockaddr)
            plain.sendall(question.preamble)
            with context.wrap_socket(plain, server_hostname=question.host.partition(":")[0]) as connection:
                connection.sendall(question.encoded()[len(question.preamble) :])
                while not _complete(received):
                    chunk = connection.recv(65536)
                    if not chunk:
                        break
                    received += chunk
        return _answer(received)
    except socket.timeout:
        return Answer(failure="silent", why=f"no answer within {question.timeout:g} s")
    except OSError as error:
        return _failed(error)


def _failed(error: OSError) -> Answer:
    failure = "refused" if isinstance(error, ConnectionRefusedError) else "other"
    return Answer(failure=failure, why=(error.strerror or str(error)).lower())


def _drop_interim(received: bytearray) -> None:
    """An answer such as 103 comes before the one that counts (RFC 9110, section 15.2)."""
    while 100 <= _status(received) < 200:
        del received[: received.index(b"\r\n\r\n") + 4]


def _status(received: bytearray) -> int:
    match = _STATUS.match(received)
    return int(match[1]) if match and b"\r\n\r\n" in received else 0


def _complete(received: bytearray) -> bool:
    """The whole answer is there, or as much of it as anybody needs."""
    if len(received) >= LIMIT:
        return True
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    if _status(received) in (204, 304):
        return True
    length = _LENGTH.search(head + b"\r\n")
    if length:
        return len(body) >= int(length[1])
    return bool(_CHUNKED.search(head)) and body.endswith(b"0\r\n\r\n")


def _answer(received: bytearray) -> Answer:
    status = _status(received)
    if not status:
        began = bytes(received[:40])
        return Answer(failure="other", why=f"answered {began!r}, which is no HTTP" if began else "closed without an answer")
    head, _end, body = bytes(received).partition(b"\r\n\r\n")
    return Answer(status, body[:LIMIT], head + b"\r\n")
