# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a router: the options of every ``traffic`` task, whatever the kind of router."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .._errors import BadInput
from .._journal import ANSWERS, ON_TIMEOUT, Journal
from .._journal_file import known_service
from .._routing import COLOURS, STICKY, Split, known_colour

DRIFT = ("fail", "adopt", "overwrite")
STATES = (
    "present",
    "claimed",
    "renewed",
    "healthy",
    "staged",
    "committed",
    "switched",
    "held",
    "promoted",
    "drained",
    "settled",
    "rolled_back",
    "abandoned",
    "retired",
    "drilled",
    "taken_out",
    "brought_back",
)

SPEC: dict[str, dict[str, Any]] = {
    "service": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "switched"},
    "split": {"type": "dict"},
    "sticky": {"type": "str", "choices": list(STICKY)},
    "colour": {"type": "str", "choices": list(COLOURS)},
    "release": {"type": "str"},
    "phase": {"type": "str"},
    "epoch": {"type": "int"},
    "run": {"type": "str"},
    "owner": {"type": "str"},
    "take_over": {"type": "list", "elements": "str", "default": []},
    "lease_seconds": {"type": "int"},
    "window_seconds": {"type": "int", "default": 3600},
    "end_window": {"type": "bool", "default": False},
    "min_healthy": {"type": "int"},
    "timeout": {"type": "float", "default": 60.0},
    "interval": {"type": "float", "default": 0.1},
    "on_timeout": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
    "shutdown_sessions": {"type": "bool", "default": False},
    "confirm_url": {"type": "str"},
    "at": {"type": "float"},
    "confirm_within": {"type": "float", "default": 15.0},
    "drift": {"type": "str", "choices": list(DRIFT), "default": "fail"},
    "reference": {"type": "dict"},
    "hold_on_timeout": {"type": "str", "choices": list(ON_TIMEOUT), "default": "rollback"},
    "answer": {"type": "str", "choices": list(ANSWERS), "default": "go"},
    "step": {"type": "int"},
    "drill": {"type": "bool", "default": False},
    "rollback_ms": {"type": "float"},
    "lost": {"type": "int"},
    "rolling": {"type": "bool", "default": False},
    "servers": {"type": "list", "elements": "str"},
    "force": {"type": "bool", "default": False},
}

REQUIRED_IF = [
    ("state", "claimed", ["release"]),
    ("state", "switched", ["split"]),
    ("state", "staged", ["split"]),
    ("state", "committed", ["split", "at"]),
    ("state", "healthy", ["colour"]),
    ("state", "drained", ["colour"]),
    ("state", "renewed", ["epoch"]),
    ("state", "held", ["epoch"]),
    ("state", "settled", ["epoch"]),
    ("state", "abandoned", ["epoch"]),
    ("state", "drilled", ["rollback_ms", "lost"]),
    ("state", "taken_out", ["colour", "servers"]),
    ("state", "brought_back", ["colour", "servers"]),
]


@dataclass(frozen=True)
class Request:
    """One ``traffic`` task. The fields are the module's options of the same name."""

    service: str
    state: str
    split: Split | None = None
    sticky: str | None = None
    colour: str | None = None
    release: str | None = None
    phase: str | None = None
    epoch: int | None = None
    run: str = ""
    owner: str = ""
    take_over: tuple[str, ...] = ()
    lease_seconds: int | None = None
    window_seconds: int = 3600
    end_window: bool = False
    min_healthy: int | None = None
    timeout: float = 60.0
    interval: float = 0.1
    on_timeout: str = "fail"
    shutdown_sessions: bool = False
    confirm_url: str | None = None
    at: float | None = None
    confirm_within: float = 15.0
    drift: str = "fail"
    reference: Journal | None = None
    hold_on_timeout: str = "rollback"
    answer: str = "go"
    step: int | None = None
    drill: bool = False
    rollback_ms: float | None = None
    lost: int | None = None
    rolling: bool = False
    servers: tuple[str, ...] = ()
    force: bool = False
    check_mode: bool = False

    @classmethod
    def parse(cls, params: Mapping[str, Any], check_mode: bool = False) -> Request:
        """A request from a module's parameters, or from the same mapping that came another way.

        Raises:
            BadInput: a value outside of its choices or bounds, or one that is missing for the state.
        """
        known = {item.name for item in fields(cls)}
        given = {name: value for name, value in params.items() if name in known and value is not None}
        given["check_mode"] = check_mode
        known_service(str(given.get("service", "")))
        if given.get("state") not in STATES:
            raise BadInput(f"state {given.get('state')!r} is unknown: expected one of {', '.join(STATES)}")
        if "split" in given:
            given["split"] = Split.parse(given["split"])
        if "colour" in given:
            known_colour(given["colour"])
        if given.get("sticky", "none") not in STICKY:
            raise BadInput(f"sticky {given['sticky']!r} is unknown: expected one of {', '.join(STICKY)}")
        for name, choices in (("drift", DRIFT), ("answer", ANSWERS), ("hold_on_timeout", ON_TIMEOUT)):
            if given.get(name, choices[0]) not in choices:
                raise BadInput(f"{name} {given[name]!r} is unknown: expected one of {', '.join(choices)}")
        if "reference" in given:
            given["reference"] = Journal.from_dict(given["reference"])
        for name in ("take_over", "servers"):
            given[name] = tuple(given.get(name, ()))
        request = cls(**given)
        request._check()
        return request

    def _check(self) -> None:
        for _dummy, state, names in REQUIRED_IF:
            missing = [name for name in names if getattr(self, name) in (None, ())]
            if self.state == state and missing:
                raise BadInput(f"state {state} needs {' and '.join(missing)}")
        if self.min_healthy is not None and not 0 <= self.min_healthy <= 100:
            raise BadInput(f"min_healthy {self.min_healthy} is not a percent from 0 to 100")
        for name in ("lease_seconds", "timeout", "interval", "confirm_within"):
            value = getattr(self, name)
            if value is not None and (value <= 0 or math.isnan(value)):
                raise BadInput(f"{name} {value} is not a positive number of seconds")
        if self.window_seconds < 0:
            raise BadInput(f"window_seconds {self.window_seconds} is negative")
        for name in ("rollback_ms", "lost"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise BadInput(f"{name} {value} is not a number from 0 on")
