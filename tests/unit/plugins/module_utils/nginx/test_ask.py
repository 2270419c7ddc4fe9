# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions over real sockets to servers of every kind of manners."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.ask import (
    Address,
    Endpoint,
    Question,
    ask_all,
    resolve,
)


class Peer:
    """Sends fixed parts to whoever asks, with a pause between them; remembers what it was asked."""

    def __init__(self, *parts, close=True):
        self.parts, self.close, self.asked, self._ended = parts, close, [], threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = self._server.getsockname()
        self._threads = [threading.Thread(target=self._accept)]

    def _accept(self):
        while not self._ended.is_set():
            client, _address = self._server.accept()
            self._threads.append(threading.Thread(target=self._talk, args=(client,)))
            self._threads[-1].start()

    def _talk(self, client):
        with client, suppress(ConnectionError):  # who asked may have heard enough
            client.settimeout(5)
            self.asked.append(client.recv(65536))
            for part in self.parts:
                client.sendall(part)
                self._ended.wait(0.02)
            if not self.close:
                self._ended.wait(30)

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *failure):
        self._ended.set()
        socket.create_connection(self.address).close()
        for thread in self._threads:
            thread.join()
        self._server.close()

    def question(self, **given):
        return Question(Endpoint(socket.AF_INET, self.address), "shop.example", "/health", **given)


def ask(peer, **given):
    return ask_all([peer.question(**given)])[0]


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",), b"hello"),
        ((b"HTTP/1.1 200 OK\r\nContent-", b"Length: 5\r\n\r\nhe", b"llo"), b"hello"),
        ((b"HTTP/1.0 200\r\n\r\nhello",), b"hello"),
        ((b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), b"ok"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n0\r\n\r\n"), b"2\r\nok\r\n0\r\n\r\n"),
    ],
    ids=["whole", "in parts", "until the end", "after an interim answer", "chunked"],
)
def test_an_answer_is_read(parts, body):
    with Peer(*parts) as peer:
        answer = ask(peer)
    assert (answer.status, answer.body, answer.failure) == (200, body, "")
    assert peer.asked[0].startswith(b"GET /health HTTP/1.1\r\nHost: shop.example\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_nobody_waits_for_a_connection_that_stays_open(head):
    with Peer(head, close=False) as peer:
        began = time.monotonic()
        answer = ask(peer, timeout=20)
        assert time.monotonic() - began < 10
    assert answer.status == int(head[9:12])


def test_a_status_counts_even_when_the_body_does_not_come():
    with Peer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", close=False) as peer:
        assert ask(peer, timeout=0.2).status == 200


def test_header_lines_are_found():
    with Peer(b"HTTP/1.1 200 OK\r\nx-colour:  blue \r\nContent-Length: 0\r\n\r\n") as peer:
        answer = ask(peer, headers=(("X-Ask", "a"),))
    assert (answer.header("X-Colour"), answer.header("X-Other")) == ("blue", None)
    assert b"\r\nX-Ask: a\r\n" in peer.asked[0]


def test_what_goes_before_the_request_does():
    with Peer(b"HTTP/1.1 204 No\r\n\r\n") as peer:
        ask(peer, preamble=b"PROXY UNKNOWN\r\n")
    assert peer.asked[0].startswith(b"PROXY UNKNOWN\r\nGET /health ")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((), "closed without an answer"),
        ((b"SSH-2.0-OpenSSH\r\n",), "which is no HTTP"),
        ((b"HTTP/1.1 999 Odd\r\n\r\n",), "which is no HTTP"),
        ((b"HTTP/1.1 200 OK\r\nContent-",), "which is no HTTP"),
    ],
)
def test_an_answer_that_is_none(parts, told):
    with Peer(*parts) as peer:
        answer = ask(peer)
    assert (answer.status, answer.failure) == (0, "other")
    assert told in answer.why


def test_an_endless_answer_ends():
    with Peer(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000, b"x" * 100_000) as peer:
        assert len(ask(peer).body) <= 64 * 1024


def test_a_refused_connection():
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint = Endpoint(socket.AF_INET, free.getsockname())
    (answer,) = ask_all([Question(endpoint, "x", "/")])
    assert (answer.failure, answer.why) == ("refused", "connection refused")


def test_all_are_asked_at_the_same_time_and_the_slowest_does_not_hold_the_others():
    with Peer(close=False) as silent, Peer(b"HTTP/1.1 204 No\r\n\r\n") as quick:
        began = time.monotonic()
        answers = ask_all([silent.question(timeout=0.5), quick.question(), *[silent.question(timeout=0.5)] * 20])
        took = time.monotonic() - began
    assert answers[1].status == 204
    assert {answer.failure for number, answer in enumerate(answers) if number != 1} == {"silent"}
    assert answers[0].why == "no answer within 0.5 s"
    assert 0.5 <= took < 5


def test_names_and_numbers_are_resolved():
    wanted = [Address("127.0.0.1", 80), Address("::1", 81), Address("localhost", 82), Address("no-such-host.invalid", 83)]
    found = resolve(wanted, timeout=5)
    assert found[wanted[0]] == (Endpoint(socket.AF_INET, ("127.0.0.1", 80)),)
    assert found[wanted[1]] == (Endpoint(socket.AF_INET6, ("::1", 81, 0, 0)),)
    assert "127.0.0.1" in [endpoint.sockaddr[0] for endpoint in found[wanted[2]]]
    assert found[wanted[3]] == ()


@pytest.mark.parametrize("text", ["10.0.0.1:8080", "[fd00::2]:80", "app.example:65535"])
def test_an_address_is_written_as_it_was_read(text):
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize("text", ["", "10.0.0.1", ":80", "a:b", "a:0", "a:65536", "fd00::2:80", "a b:80", "[x]:80"])
def test_an_address_that_is_none(text):
    with pytest.raises(ValueError, match="an address and a port"):
        Address.parse(text)
