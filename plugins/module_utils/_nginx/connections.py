# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections from this host to servers, counted by the kernel: nginx itself counts none for each upstream.

The layout is that of proc(5), ``/proc/net/tcp``: addresses are 32-bit words in the byte order of the machine.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Collection, Iterable, Mapping

from .._files import storage_error
from .ask import Endpoint

_TABLES = {socket.AF_INET: "/proc/net/tcp", socket.AF_INET6: "/proc/net/tcp6"}
# Established, and on its way there: what nginx has just begun to open is a request as well.
_COUNTED = (b"01", b"02")


def count(groups: Mapping[str, Iterable[Endpoint]], users: Collection[int] = ()) -> dict[str, int]:
    """Open connections to each group of endpoints.

    Args:
        groups: endpoints by the name of their group.
        users: count only what these users have opened; empty for all.

    Raises:
        StorageError: the kernel's table can not be read.
    """
    wanted = {_encoded(endpoint): name for name, endpoints in groups.items() for endpoint in endpoints}
    families = {endpoint.family for endpoints in groups.values() for endpoint in endpoints}
    totals = dict.fromkeys(groups, 0)
    for family in sorted(families):
        for line in _lines(_TABLES[socket.AddressFamily(family)]):
            words = line.split(None, 8)
            if words[3] in _COUNTED and words[2] in wanted and (not users or int(words[7]) in users):
                totals[wanted[words[2]]] += 1
    return totals


def _encoded(endpoint: Endpoint) -> bytes:
    """A remote address as the kernel prints it."""
    packed = socket.inet_pton(endpoint.family, endpoint.sockaddr[0].partition("%")[0])
    words = [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4)]
    return ("".join(f"{word:08X}" for word in words) + f":{endpoint.sockaddr[1]:04X}").encode()


def _lines(path: str) -> list[bytes]:
    try:
        with open(path, "rb") as file:
            return file.read().splitlines()[1:]
    except FileNotFoundError:
        return []  # a kernel without IPv6
    except OSError as error:
        raise storage_error("reading", path, error) from error
