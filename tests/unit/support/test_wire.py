# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way in which an answer can be spoilt is told apart; the other side is a socket that misbehaves."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.net import HOST
from tests.support.wire import Connection, Exchange, LostError


def talk(answers: list[bytes], requests: int = 1) -> list[Exchange]:
    """Send requests to a server that gives ``answers``, one a connection, and then hangs up."""

    async def run() -> list[Exchange]:
        left = list(answers)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            answer = left.pop(0)
            writer.write(answer)
            await writer.drain()
            if answer:
                writer.close()
            else:
                await asyncio.sleep(5)

        server = await asyncio.start_server(serve, HOST, 0)
        connection = Connection(HOST, server.sockets[0].getsockname()[1], timeout=0.2)
        exchanges = []
        for _number in range(requests):
            exchanges.append(Exchange())
            await connection.request(exchanges[-1], "GET", "/")
            await asyncio.sleep(0.02)  # so that the end of the connection arrives while it is idle
        connection.close()
        server.close()
        return exchanges

    return asyncio.run(run())


def test_a_whole_answer_is_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Bluegreen-Colour: green\r\nX-App-Version: v2\r\n"
    (plain,) = talk([head + b"Content-Length: 2\r\n\r\nok"])
    assert (plain.body, plain.colour, plain.version) == (b"ok", "green", "v2")
    (chunked,) = talk([head + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n"])
    assert chunked.body == b"ok!"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "status 503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "without a whole answer"),
        (b"HTTP/1.1 200 OK\r\n", "truncated"),
        (b"", "timeout"),
    ],
)
def test_a_spoilt_answer_is_lost(answer: bytes, why: str) -> None:
    with pytest.raises(LostError, match=why):
        talk([answer])


def test_a_connection_closed_while_idle_loses_nothing() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert [exchange.status for exchange in talk([answer, answer], requests=2)] == [200, 200]


def test_a_refused_connection_is_lost() -> None:
    async def run() -> None:
        await Connection(HOST, 1, timeout=1).request(Exchange(), "GET", "/")

    with pytest.raises(LostError, match="ConnectionRefused"):
        asyncio.run(run())
