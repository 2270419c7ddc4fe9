# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections of this very process, as the kernel's table has them."""

from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.ask import Endpoint
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.connections import Connection, asked, count, listed


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"])
def server(request):
    family, host = request.param
    with socket.create_server((host, 0), family=family) as listening:
        yield listening


def endpoint(server):
    return Endpoint(server.family, server.getsockname())


def test_open_connections_are_counted_and_only_the_client_s_end(server):
    groups = {"blue": [endpoint(server)], "green": []}
    assert count(groups) == {"blue": 0, "green": 0}
    with socket.create_connection(server.getsockname()[:2]), socket.create_connection(server.getsockname()[:2]):
        accepted = [server.accept()[0] for _number in range(2)]
        assert count(groups) == {"blue": 2, "green": 0}
    assert count(groups) == {"blue": 0, "green": 0}  # closed by this side: nothing is on its way any more
    for connection in accepted:
        connection.close()


def test_connections_of_other_users_can_be_left_out(server):
    with socket.create_connection(server.getsockname()[:2]):
        assert count({"blue": [endpoint(server)]}, {os.geteuid()}) == {"blue": 1}
        assert count({"blue": [endpoint(server)]}, {os.geteuid() + 1}) == {"blue": 0}


def test_a_connection_that_is_being_opened_counts():
    """Nobody accepts it, and the queue of those who wait is full: the kernel goes on asking."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _number in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        try:
            assert count({"blue": [Endpoint(socket.AF_INET, full.getsockname())]}) == {"blue": 4}
        finally:
            for client in waiting:
                client.close()


@pytest.mark.parametrize("look", [asked, listed])
def test_both_ways_to_ask_the_kernel_say_the_same(server, look):
    address = server.getsockname()
    with socket.create_connection(address[:2]) as client, socket.create_connection(address[:2]):
        packed = socket.inet_pton(server.family, address[0])
        forth = Connection(packed, address[1], os.geteuid())
        back = Connection(packed, client.getsockname()[1], os.geteuid())
        accepted = [server.accept()[0] for _number in range(2)]
        found = list(look(server.family))
        for connection in accepted:
            connection.close()
    assert found.count(forth) == 2
    assert found.count(back) == 1


def test_a_family_that_the_kernel_does_not_know():
    with pytest.raises(OSError, match="Invalid argument"):
        list(asked(77))
