# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections from this host to servers, counted by the kernel: nginx itself counts none for each upstream.

The kernel is asked by sock_diag(7), which looks only at open connections. A router that has answered 1,000 requests a second
has 60,000 more that are over, and ``/proc/net/tcp`` (proc(5)) takes a quarter of a second to list them; it is read where the
kernel does not know the question.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from .._files import storage_error
from .ask import Endpoint

#: Established, and on its way there (tcp_states.h): what nginx has just begun to open is a request as well.
_STATES = (1, 2)
_TABLES = {socket.AF_INET: "/proc/net/tcp", socket.AF_INET6: "/proc/net/tcp6"}

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_REQUEST_DUMP = 0x301
_ERROR, _DONE = 2, 3
_HEAD = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBBI48x")
_CONNECTION = struct.Struct("=4x2xH16x16s24xI")  # behind the head: port at network order, address, user id


@dataclass(frozen=True)
class Connection:
    """One open connection of this host.

    Args:
        address: of the other end, packed.
        port: of the other end.
        user: id of the user that opened it.
    """

    address: bytes
    port: int
    user: int


def count(groups: Mapping[str, Iterable[Endpoint]], users: Collection[int] = ()) -> dict[str, int]:
    """Open connections to each group of endpoints.

    Args:
        groups: endpoints by the name of their group.
        users: count only what these users have opened; empty for all.

    Raises:
        StorageError: the kernel does not say.
    """
    wanted = {_key(endpoint): name for name, endpoints in groups.items() for endpoint in endpoints}
    totals = dict.fromkeys(groups, 0)
    for family in sorted({endpoint.family for endpoints in groups.values() for endpoint in endpoints}):
        for connection in _opened(family):
            name = wanted.get((connection.address, connection.port))
            if name is not None and (not users or connection.user in users):
                totals[name] += 1
    return totals


def _key(endpoint: Endpoint) -> tuple[bytes, int]:
    return socket.inet_pton(endpoint.family, endpoint.sockaddr[0].partition("%")[0]), endpoint.sockaddr[1]


def _opened(family: int) -> list[Connection]:
    try:
        return list(asked(family))
    except OSError:
        return list(listed(family))


def asked(family: int) -> Iterator[Connection]:
    """The open connections of a family, by sock_diag(7).

    Raises:
        OSError: the kernel does not know the question, or does not answer it here.
    """
    states = sum(1 << state for state in _STATES)
    question = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, states)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(5)
        kernel.send(_HEAD.pack(_HEAD.size + len(question), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + question)
        while True:
            answer = kernel.recv(1 << 18)
            at = 0
            while at < len(answer):
                length, kind = _HEAD.unpack_from(answer, at)[:2]
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", answer, at + _HEAD.size)[0]
                    raise OSError(number, os.strerror(number))
                port, address, user = _CONNECTION.unpack_from(answer, at + _HEAD.size)
                yield Connection(address[: 4 if family == socket.AF_INET else 16], socket.ntohs(port), user)
                at += (length + 3) & ~3


def listed(family: int) -> Iterator[Connection]:
    """The same from the kernel's table.

    Raises:
        StorageError: it can not be read.
    """
    path = _TABLES[socket.AddressFamily(family)]
    try:
        with open(path, "rb") as file:
            lines = file.read().splitlines()[1:]
    except FileNotFoundError:
        return  # a kernel without IPv6
    except OSError as error:
        raise storage_error("reading", path, error) from error
    for line in lines:
        words = line.split(None, 8)
        if int(words[3], 16) in _STATES:
            address, port = words[2].split(b":")
            # 32-bit words in the byte order of the machine.
            packed = b"".join(int(address[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(address), 8))
            yield Connection(packed, int(port, 16), int(words[7]))
