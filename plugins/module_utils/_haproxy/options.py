# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where HAProxy is on a host: the provider's options and their defaults, which fit Debian's package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import BadInput
from .._routing import COLOURS

SPEC: dict[str, dict[str, Any]] = {
    "sockets": {"type": "list", "elements": "path", "default": ["/run/haproxy/admin.sock"]},
    "master_sockets": {"type": "list", "elements": "path", "default": ["/run/haproxy-master.sock"]},
    "map_file": {"type": "path", "default": "/etc/haproxy/bluegreen/split.map"},
    "state_dir": {"type": "path", "default": "/var/lib/turnout"},
    "backends": {"type": "dict", "default": {}},
    "socket_timeout": {"type": "float", "default": 5.0},
}


@dataclass(frozen=True)
class HAProxyOptions:
    """Where HAProxy is on this host.

    Args:
        sockets: paths of the stats sockets with level admin, one for each HAProxy.
        master_sockets: paths of the master CLIs; one that does not exist is no master.
        map_file: the map file, spelled as in HAProxy's configuration.
        state_dir: folder of the journals.
        backends: name of the backend of each colour.
        socket_timeout: seconds for one exchange.
    """

    sockets: tuple[str, ...]
    master_sockets: tuple[str, ...]
    map_file: str
    state_dir: str
    backends: Mapping[str, str]
    socket_timeout: float

    @classmethod
    def parse(cls, service: str, params: Mapping[str, Any]) -> HAProxyOptions:
        """Options from a mapping; what is missing or None has its default.

        Raises:
            BadInput: an unknown colour, no socket.
        """
        given = {name: spec["default"] if params.get(name) is None else params[name] for name, spec in SPEC.items()}
        for colour in given["backends"]:
            if colour not in COLOURS:
                raise BadInput(f"backends has the unknown colour {colour!r}: expected blue and green")
        if not given["sockets"]:
            raise BadInput("sockets is empty: expected at least one stats socket of HAProxy")
        return cls(
            sockets=tuple(given["sockets"]),
            master_sockets=tuple(given["master_sockets"]),
            map_file=given["map_file"],
            state_dir=given["state_dir"],
            backends={colour: given["backends"].get(colour) or f"{service}_{colour}" for colour in COLOURS},
            socket_timeout=float(given["socket_timeout"]),
        )
