# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nginx is on a host: the provider's options and their defaults, which fit Debian's package and the role."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import BadInput
from .ask import Address

SPEC: dict[str, dict[str, Any]] = {
    "directory": {"type": "path", "default": "/etc/nginx/bluegreen"},
    "state_dir": {"type": "path", "default": "/var/lib/turnout"},
    "preview": {"type": "str", "default": "127.0.0.1:8404"},
    "pid_file": {"type": "path", "default": "/run/nginx.pid"},
    "health_timeout": {"type": "float", "default": 1.0},
    "socket_timeout": {"type": "float", "default": 5.0},
}


@dataclass(frozen=True)
class NginxOptions:
    """Where nginx is on this host.

    Args:
        directory: folder of the files that nginx includes, and of the splits.
        state_dir: folder of the journals.
        preview: address and port of the server that answers questions about the running configuration.
        pid_file: file with the pid of nginx's master process.
        health_timeout: seconds that a server of a colour has for its answer to the health question.
        socket_timeout: seconds that nginx has for an answer.
    """

    directory: str
    state_dir: str
    preview: Address
    pid_file: str
    health_timeout: float
    socket_timeout: float

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> NginxOptions:
        """Options from a mapping; what is missing or None has its default.

        Raises:
            BadInput: an address without a port, or a time that is not positive.
        """
        given = {name: spec["default"] if params.get(name) is None else params[name] for name, spec in SPEC.items()}
        for name in ("health_timeout", "socket_timeout"):
            given[name] = float(given[name])
            if not given[name] > 0 or math.isinf(given[name]):
                raise BadInput(f"{name} {given[name]} is not a positive number of seconds")
        try:
            given["preview"] = Address.parse(given["preview"])
        except ValueError as error:
            raise BadInput(f"preview {given['preview']!r}: {error}") from error
        return cls(**given)
