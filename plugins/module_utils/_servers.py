# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server of a colour, as a router sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Server:
    """What a router knows about one server.

    Args:
        name: the router's name for it.
        healthy: it passes the router's checks, whether it is out or not.
        drained: the router was told to send it no new requests, in all its processes.
        in_service: healthy, and it gets its full share of the requests.
        in_flight: requests and connections under way there, those of old processes included.
        state: the same in the router's words, for messages.
    """

    name: str
    healthy: bool
    drained: bool
    in_service: bool
    in_flight: int
    state: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values without the name."""
        return {name: value for name, value in vars(self).items() if name != "name"}

    def __str__(self) -> str:
        return f"{self.name} {self.state}"
