# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that closes an idle connection while HAProxy sends a request on it, as every server does when it stops."""

from __future__ import annotations

import http.client
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.benchmark._routers import RoleHAProxy
from tests.support.haproxy import Service
from tests.support.net import HOST, wait_until

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server(socketserver.ThreadingTCPServer):
    """Answers the first request of each connection and closes it on the second one, without an answer."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        super().__init__((HOST, 0), _Connection)


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Server)
        for number in range(2):
            line = self.rfile.readline().decode()
            length = 0
            while (header := self.rfile.readline().strip().lower()) != b"":
                if header.startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            self.rfile.read(length)
            if not line:
                return
            if "/health" not in line:
                self.server.seen[f"{line.split()[0]} {number}"] += 1
            if number == 0:
                self.wfile.write(ANSWER)


def requests(port: int, method: str) -> list[int]:
    """Statuses of a few requests of one client, 0 for none."""
    statuses = []
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    for _number in range(6):
        try:
            connection.request(method, "/", body=b"once" if method == "POST" else None)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        except (http.client.HTTPException, OSError):
            statuses.append(0)
            connection.close()
    connection.close()
    return statuses


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def port(server: Server) -> Iterator[int]:
    number = server.server_address[1]
    service = Service.on_free_ports("shop", [number], [number])
    with RoleHAProxy([service]) as haproxy:
        wait_until(lambda: requests(service.port, "GET")[0] == 200, "HAProxy sees the server")
        server.seen.clear()
        yield haproxy.services["shop"].port


def test_a_get_is_sent_once_more(server: Server, port: int) -> None:
    assert requests(port, "GET") == [200] * 6
    assert server.seen["GET 1"] > 0, "a connection was used again, and closed"


def test_a_post_is_never_sent_twice(server: Server, port: int) -> None:
    statuses = requests(port, "POST")
    assert sum(server.seen.values()) == 6, "each was sent exactly once"
    assert statuses.count(200) == server.seen["POST 0"]
