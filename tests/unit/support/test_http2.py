# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is lost on an HTTP/2 connection and what is not; the other side is a server that says frame by frame what it likes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hpack import Encoder
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from tests.support.http2 import FRAME_HEAD, Session
from tests.support.net import HOST
from tests.support.wire import Exchange, LostError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REFUSED_STREAM = 7


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.encoder = reader, writer, Encoder()
        self.received: dict[int, int] = {}

    def write(self, *frames: Frame) -> None:
        self.writer.write(b"".join(frame.serialize() for frame in frames))

    async def frame(self) -> Frame:
        frame, size = Frame.parse_frame_header(memoryview(await self.reader.readexactly(FRAME_HEAD)))
        frame.parse_body(memoryview(await self.reader.readexactly(size)))
        return frame

    async def requests(self, count: int) -> list[int]:
        """The ids of the next requests whose last frame has come; bodies are counted in ``received``."""
        whole: list[int] = []
        while len(whole) < count:
            frame = await self.frame()
            if isinstance(frame, DataFrame):
                self.received[frame.stream_id] = self.received.get(frame.stream_id, 0) + len(frame.data)
            if isinstance(frame, (HeadersFrame, DataFrame)) and "END_STREAM" in frame.flags:
                whole.append(frame.stream_id)
        return whole

    def head(self, number: int, status: int = 200, last: bool = False) -> None:
        headers = [(":status", str(status)), ("x-bluegreen-colour", "green"), ("x-app-version", "v2")]
        flags = ["END_HEADERS", *(["END_STREAM"] if last else [])]
        self.write(HeadersFrame(number, self.encoder.encode(headers), flags=flags))

    def answer(self, number: int, status: int = 200, body: bytes = b"ok") -> None:
        self.head(number, status)
        self.write(DataFrame(number, body, flags=["END_STREAM"]))


Script = Callable[[Peer], Awaitable[None]]


def talk(scripts: list[Script], requests: int = 1, body: bytes = b"", timeout: float = 5.0) -> list[Exchange | BaseException]:
    """Requests side by side to a server that plays one script a connection, and then hangs up."""

    async def run() -> list[Exchange | BaseException]:
        left = list(scripts)
        plays: list[asyncio.Task[None]] = []

        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                assert await reader.readexactly(len(PREFACE)) == PREFACE
                writer.write(SettingsFrame(0).serialize())
                await left.pop(0)(Peer(reader, writer))
                await writer.drain()
            finally:
                writer.close()

        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            plays.append(asyncio.create_task(play(reader, writer)))

        server = await asyncio.start_server(serve, HOST, 0)
        session = Session(HOST, server.sockets[0].getsockname()[1], timeout)

        async def ask() -> Exchange:
            exchange = Exchange()
            await session.request(exchange, "POST" if body else "GET", "/", body=body)
            return exchange

        seen = await asyncio.gather(*(ask() for _number in range(requests)), return_exceptions=True)
        session.close()
        server.close()
        await asyncio.gather(*plays)
        assert left == []
        return seen

    return asyncio.run(run())


def good(seen: list[Exchange | BaseException]) -> list[Exchange]:
    """The answers, when nothing was lost."""
    exchanges = [each for each in seen if isinstance(each, Exchange)]
    assert len(exchanges) == len(seen), seen
    return exchanges


async def answer_all(peer: Peer, count: int = 1) -> None:
    for number in await peer.requests(count):
        peer.answer(number)


async def hang_on(peer: Peer) -> None:
    """Until the client has closed."""
    await peer.reader.read()


def test_streams_of_one_connection_are_answered_in_any_order() -> None:
    async def script(peer: Peer) -> None:
        numbers = await peer.requests(3)
        assert numbers == [1, 3, 5]
        for number in reversed(numbers):
            peer.answer(number, body=b"%d" % number)
        await hang_on(peer)

    exchanges = good(talk([script], requests=3))
    assert [exchange.body for exchange in exchanges] == [b"1", b"3", b"5"]
    assert {(exchange.colour, exchange.version, exchange.refused) for exchange in exchanges} == {("green", "v2", 0)}


def test_a_body_larger_than_the_window_is_sent_as_room_comes() -> None:
    async def script(peer: Peer) -> None:
        more = 100_000
        peer.write(WindowUpdateFrame(0, window_increment=more))
        await asyncio.wait_for(answered(peer, more), 5)

    async def answered(peer: Peer, more: int) -> None:
        peer.write(WindowUpdateFrame(1, window_increment=more))
        (number,) = await peer.requests(1)
        assert peer.received == {number: 150_000}
        peer.answer(number)
        await hang_on(peer)

    good(talk([script], body=bytes(150_000)))


def test_an_answer_before_the_end_of_the_body_is_taken() -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        peer.answer(1)
        await hang_on(peer)

    good(talk([script], body=bytes(150_000)))


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (lambda peer: peer.answer(1, status=503), "status 503"),
        (lambda peer: peer.write(RstStreamFrame(1, error_code=2)), "RST_STREAM INTERNAL_ERROR"),
        (lambda peer: peer.head(1), "truncated"),
        (lambda peer: None, "closed without a whole answer"),
        (lambda peer: peer.write(GoAwayFrame(0, last_stream_id=1)), "closed without a whole answer"),
        (lambda peer: peer.writer.write(b"\0\0\1\3\0\0\0\0\1?"), "not HTTP/2"),
    ],
)
def test_a_spoilt_answer_is_lost(act: Callable[[Peer], None], why: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.requests(1)
        act(peer)

    (lost,) = talk([script])
    assert isinstance(lost, LostError)
    assert why in str(lost)


def test_a_stream_that_takes_too_long_is_reset_alone() -> None:
    async def script(peer: Peer) -> None:
        first, second = await peer.requests(2)
        peer.answer(first)
        frame = await peer.frame()
        while not isinstance(frame, RstStreamFrame):
            frame = await peer.frame()
        assert frame.stream_id == second

    answered, lost = talk([script], requests=2, timeout=0.2)
    assert isinstance(answered, Exchange)
    assert "timeout after 0.2 s" in str(lost)


def test_a_goaway_lets_the_streams_below_its_id_end() -> None:
    async def script(peer: Peer) -> None:
        first, second = await peer.requests(2)
        peer.head(first)
        peer.write(GoAwayFrame(0, last_stream_id=second), DataFrame(first, b"ok", flags=["END_STREAM"]))
        peer.answer(second)
        await hang_on(peer)

    exchanges = good(talk([script], requests=2))
    assert [(exchange.body, exchange.refused) for exchange in exchanges] == [(b"ok", 0), (b"ok", 0)]


def test_a_goaway_in_two_steps_refuses_nothing_in_the_first() -> None:
    async def script(peer: Peer) -> None:
        (number,) = await peer.requests(1)
        peer.write(GoAwayFrame(0, last_stream_id=0x7FFFFFFF), GoAwayFrame(0, last_stream_id=number))
        peer.answer(number)
        await hang_on(peer)

    assert good(talk([script]))[0].refused == 0


@pytest.mark.parametrize(
    "refusal",
    [GoAwayFrame(0, last_stream_id=1), RstStreamFrame(3, error_code=REFUSED_STREAM)],
    ids=["GOAWAY", "REFUSED_STREAM"],
)
def test_what_was_not_processed_is_sent_once_more_on_a_new_connection(refusal: Frame) -> None:
    async def refuse_the_second(peer: Peer) -> None:
        await peer.requests(2)
        peer.write(refusal)
        peer.answer(1)
        await hang_on(peer)

    async def answer(peer: Peer) -> None:
        await answer_all(peer)
        await hang_on(peer)

    exchanges = good(talk([refuse_the_second, answer], requests=2))
    assert [exchange.refused for exchange in exchanges] == [0, 1]


def test_what_is_refused_twice_is_lost() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.requests(1)
        peer.write(GoAwayFrame(0, last_stream_id=0))

    (lost,) = talk([refuse, refuse])
    assert "refused twice" in str(lost)


def test_a_frame_may_come_in_pieces() -> None:
    async def script(peer: Peer) -> None:
        (number,) = await peer.requests(1)
        whole = GoAwayFrame(0, last_stream_id=number).serialize()
        for byte in whole:
            peer.writer.write(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0)
        peer.answer(number)
        await hang_on(peer)

    good(talk([script]))


def test_a_refused_connection_is_lost() -> None:
    async def run() -> None:
        await Session(HOST, 1, timeout=1).request(Exchange(), "GET", "/")

    with pytest.raises(LostError, match="ConnectionRefused"):
        asyncio.run(run())
