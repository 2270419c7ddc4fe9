from __future__ import annotations

import errno
import socket
import ssl
from http.client import HTTPException

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.client import (
    Client,
    Exchange,
    failure_reason,
    tls_context,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.expectations import (
    BODY_LIMIT,
    Expectation,
    HealthError,
    Outcome,
    Response,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.targets import Policy, Target, Tls
from hypothesis import given
from hypothesis import strategies as st

from .conftest import JumpingLoop

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\na0\r\n\r\nb\r\n0\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.0 503 Down\r\n\r\nhello"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + LENGTH


def exchange(*pieces: bytes, method: str = "GET", closed: bool = False) -> Exchange:
    loop = JumpingLoop()
    made = Exchange(method, b"GET / HTTP/1.1\r\n\r\n", loop.create_future())
    for piece in pieces:
        made.data_received(piece)
    if closed:
        made.connection_lost(None)
    loop.close()
    return made


def answer(*pieces: bytes, **more) -> Response:
    return exchange(*pieces, **more).answer.result()


@given(
    st.sampled_from([(LENGTH, b"hello"), (CHUNKED, b"a0\r\n\r\nb"), (INTERIM, b"hello")]),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_an_answer_is_the_same_however_it_is_cut(sent, cuts):
    data, body = sent
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    response = answer(*(data[low:high] for low, high in zip(edges, edges[1:])))
    assert (response.status, response.body) == (200, body)


def test_repeated_headers_are_joined():
    assert answer(LENGTH).headers == {"content-length": "5", "x-a": "1, 2"}


def test_without_a_length_the_end_of_the_connection_ends_the_body():
    assert not exchange(UNTIL_CLOSED).answer.done()
    assert answer(UNTIL_CLOSED, closed=True) == Response(503, {}, b"hello")


@pytest.mark.parametrize(
    ("head", "method"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "GET"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HEAD"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET"),
    ],
)
def test_an_answer_without_body_is_complete_with_its_head(head, method):
    assert answer(head, method=method).body == b""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "connection closed without an answer"),
        (b"HTTP/1.1 200 OK\r\n", "connection closed without an answer"),
        (LENGTH[:-1], "connection closed before the answer was complete"),
        (CHUNKED[:-5], "connection closed before the answer was complete"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "malformed HTTP answer"),
        (b"HTTP/1.1 2xx OK\r\n\r\n", "malformed HTTP answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n", "malformed HTTP answer"),
        (b"x" * 70_000, "malformed HTTP answer"),
        (CHUNKED.replace(b"7", b"z"), "connection closed before the answer was complete"),
    ],
)
def test_half_an_answer_is_none(data, reason):
    error = exchange(data, closed=True).answer.exception()
    assert isinstance(error, (OSError, HTTPException))
    assert failure_reason(error) == reason


@pytest.mark.parametrize("framing", [b"Content-Length: 99999999", b"X: y", b"Transfer-Encoding: chunked"])
def test_no_more_of_a_body_is_read_than_the_limit(framing):
    start = b"5f5e0ff\r\n" if b"chunked" in framing else b""
    made = exchange(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + start, b"x" * (BODY_LIMIT + 9))
    assert made.answer.result().body == b"x" * BODY_LIMIT
    made.data_received(b"more")
    made.connection_lost(None)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('::1', 1)"), "connection refused"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), ..."),
            "connection refused",
        ),
        (OSError(errno.EHOSTUNREACH, "x"), "no route to host"),
        (socket.gaierror(-2, "Name or service not known"), "host name not resolved"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "TLS: "),
        (ConnectionError("connection closed without an answer"), "connection closed without an answer"),
        (ConnectionAbortedError(), "ConnectionAbortedError"),
    ],
)
def test_equal_failures_of_different_targets_read_the_same(error, reason):
    assert failure_reason(error).startswith(reason)


@pytest.mark.parametrize(
    ("tls", "option"),
    [
        (Tls(ca_path="/nonexistent"), "ca_path"),
        (Tls(client_cert="/nonexistent"), "client_cert"),
        (Tls(client_key="/nonexistent"), "client_key"),
    ],
)
def test_a_certificate_that_cannot_be_read_names_its_option(tls, option):
    with pytest.raises(HealthError, match=option):
        tls_context(tls)


def test_turning_validation_off_turns_all_of_it_off():
    context = tls_context(Tls(validate_certs=False))
    assert (context.check_hostname, context.verify_mode) == (False, ssl.CERT_NONE)
    assert tls_context(Tls()).verify_mode == ssl.CERT_REQUIRED


def test_a_secret_that_an_answer_repeats_is_not_shown(run, monkeypatch):
    async def echo(_client, _target):
        return Response(200, {"x-echo": "Bearer s3cret!"})

    monkeypatch.setattr(Client, "_exchange", echo)
    wanted = Expectation(headers={"x-echo": "other"})
    target = Target("a", "http://a/", "a", 80, Policy(), wanted, secrets=("Bearer s3cret!", "s3cret!"))
    outcome: Outcome = run(Client([target]).probe(target))
    assert outcome.error == "header x-echo is '********', expected 'other'"
