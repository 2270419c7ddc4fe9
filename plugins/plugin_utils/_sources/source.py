# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of a source, and what the options of all sources have in common."""

from __future__ import annotations

import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput, TurnoutError
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading

#: The keys of a gate that belong to a source, and the types that each may have.
Options = Mapping[str, tuple[type, ...]]

_COLOUR = re.compile(r"\{\{\s*colour\s*\}\}")


class NoData(TurnoutError):
    """There is no number now, and the message says why."""

    reason = "no_data"


@dataclass(frozen=True)
class Surroundings:
    """What a source may know besides its own options.

    Args:
        service: whose traffic is watched.
        feeds: what is collected on the routers meanwhile, by name; see ``_watch``.
        interval: seconds from one reading to the next.
        clock: tells the time of readings, seconds.
    """

    service: str = ""
    feeds: Mapping[str, Any] = field(default_factory=dict)
    interval: float = 5.0
    clock: Callable[[], float] = time.monotonic


def fill(text: str, colour: str) -> str:
    """The text with ``{{ colour }}`` filled in; all other braces stay."""
    return _COLOUR.sub(colour, text)


class Source(ABC):
    """One gate's way to its numbers.

    Args:
        gate: the gate's name, for messages.
        options: the gate's keys that belong to its source.
        around: what else is known.

    Raises:
        BadInput: an option that can not be meant.
    """

    OPTIONS: ClassVar[Options]
    REQUIRED: ClassVar[tuple[str, ...]] = ()

    def __init__(self, gate: str, options: Mapping[str, Any], around: Surroundings) -> None:
        self.gate, self.around = gate, around
        for name in self.REQUIRED:
            if options.get(name) in (None, "", []):
                raise BadInput(f"gate {gate!r}: {name} is missing", f"its keys are {', '.join(sorted(self.OPTIONS))}")
        for name, value in options.items():
            kinds = self.OPTIONS[name]
            if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
                raise BadInput(f"gate {gate!r}: {name} is {value!r}, expected {' or '.join(kind.__name__ for kind in kinds)}")
        self.options = {name: value for name, value in options.items() if value is not None}
        self.timeout = self.seconds("timeout", 5.0)
        self.prepare()

    def prepare(self) -> None:
        """Check the options of this source, once, before anything is read."""
        return

    def seconds(self, name: str, default: float) -> float:
        """An option that is a time."""
        value = float(self.options.get(name, default))
        if not 0 < value < math.inf:
            raise BadInput(f"gate {self.gate!r}: {name} is {value:g}, expected a positive number of seconds")
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """An option that is one of a few words."""
        value = str(self.options.get(name, default))
        if value not in choices:
            raise BadInput(f"gate {self.gate!r}: {name} is {value!r}, expected one of {', '.join(choices)}")
        return value

    def read(self, colours: Sequence[str]) -> dict[str, Reading]:
        """What is there now, for each colour that is asked for; never raises for what the outside does."""
        readings = {}
        for colour in colours:
            try:
                readings[colour] = self.measure(colour)
            except NoData as error:
                readings[colour] = Reading.missing(self.around.clock(), error.message)
        return readings

    @abstractmethod
    def measure(self, colour: str) -> Reading:
        """One number of one colour.

        Raises:
            NoData: there is none now.
        """

    def close(self) -> None:
        """Let go of all that was opened."""
        return

    def reading(self, value: Any, samples: Any = 1, points: Sequence[tuple[float, float]] = ()) -> Reading:
        """A reading of now; :class:`NoData` for what is no number."""
        return Reading(self.around.clock(), number(value), int(number(samples)), points=tuple(points))


def number(value: Any) -> float:
    """A number, or a text that is one; true is 1."""
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        shown = "nothing" if value is None else repr(value)[:80]
        raise NoData(f"{shown} is no number") from error
