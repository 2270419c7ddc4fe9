from __future__ import annotations

from http.client import HTTPException, IncompleteRead

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.wire import Answer
from hypothesis import given
from hypothesis import strategies as st

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n7;x=y\r\na0\r\n\r\nb\r\n0\r\nX-T: z\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + LENGTH
EMPTY = b"HTTP/1.1 204 No Content\r\nX-A: 1, 2\r\n\r\n"


def read(data: bytes, method: str = "GET") -> Answer:
    answer = Answer(method)
    answer.feed(data)
    return answer


@given(st.sampled_from([LENGTH, CHUNKED, INTERIM, EMPTY]), st.lists(st.integers(0, 200), max_size=6))
def test_an_answer_is_complete_at_its_last_byte_however_it_is_cut(data, cuts):
    answer = Answer()
    edges = [0, *sorted(min(cut, len(data) - 1) for cut in cuts), len(data) - 1]
    for low, high in zip(edges, edges[1:]):
        answer.feed(data[low:high])
        assert not answer.complete
    answer.feed(data[-1:])
    assert (answer.complete, answer.reusable) == (True, True)
    answer.end()


def test_repeated_headers_are_joined():
    assert read(LENGTH).headers["x-a"] == "1, 2"


@pytest.mark.parametrize(
    ("head", "method", "complete"),
    [
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HEAD", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", True),
        (b"HTTP/1.1 200\r\nContent-Length: 3, 3\r\n\r\nabc", "GET", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", "GET", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "GET", False),
    ],
)
def test_how_the_end_is_found(head, method, complete):
    assert read(head, method).complete is complete


def test_without_a_length_the_end_of_the_connection_ends_the_body():
    open_still, closed = (read(b"HTTP/1.1 200 OK\r\n\r\nhello") for _n in range(2))
    closed.end()
    assert (open_still.complete, closed.complete, closed.reusable) == (False, True, False)


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_whether_the_connection_is_kept(head, reusable):
    assert read(head + b"Content-Length: 0\r\n\r\n").reusable is reusable
    assert not read(head + b"Content-Length: 0\r\n\r\nHTTP/1.1 408 x\r\n").reusable


def test_a_large_body_is_not_kept():
    answer = read(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _piece in range(100):
        answer.feed(b"x" * 100_000)
    assert len(answer._data) == 0
    with pytest.raises(IncompleteRead):
        answer.end()


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_the_end_before_the_headers_is_no_answer(data):
    with pytest.raises(ConnectionError):
        read(data).end()


@pytest.mark.parametrize("cut", [LENGTH[:-1], CHUNKED[:-1], CHUNKED[:-12], CHUNKED[:70]])
def test_the_end_in_the_middle_is_seen(cut):
    with pytest.raises(IncompleteRead):
        read(cut).end()


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 2xx OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\n",
        CHUNKED.replace(b"7", b"z"),
        CHUNKED.replace(b"7", b"6"),
        b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 9000,
    ],
)
def test_what_is_no_http_is_refused(data):
    with pytest.raises(HTTPException):
        read(data)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data):
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        answer = Answer()
        try:
            answer.feed(start + data)
            answer.end()
        except (HTTPException, ConnectionError):
            continue
        assert answer.complete
