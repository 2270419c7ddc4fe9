# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a service's traffic is divided between two colours, and what of a colour can serve: values without behaviour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._errors import BadInput

COLOURS = ("blue", "green")
STICKY = ("none", "cookie", "source")


def other(colour: str) -> str:
    """The opposite colour."""
    return COLOURS[1 - COLOURS.index(colour)]


def known_colour(value: Any, what: str = "colour") -> str:
    """Return ``value`` when it is a colour, raise :class:`BadInput` otherwise."""
    if value not in COLOURS:
        raise BadInput(f"{what} {value!r} is unknown: expected blue or green", "name one of the two environments")
    return str(value)


@dataclass(frozen=True)
class Split:
    """Weights of both colours in percent, blue has what green has not; and where the service's cohort goes.

    Args:
        green: percent of the traffic that goes to green, 0..100.
        cohort: the colour that clients of the cohort go to, whatever the percents; None when they are clients as any other.
    """

    green: int
    cohort: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.green, bool) or not isinstance(self.green, int) or not 0 <= self.green <= 100:
            raise BadInput(f"weight {self.green!r} is not a whole number of percent from 0 to 100")
        if self.cohort is not None:
            known_colour(self.cohort, "cohort")

    @property
    def blue(self) -> int:
        """Percent of the traffic that goes to blue."""
        return 100 - self.green

    @classmethod
    def all_on(cls, colour: str) -> Split:
        """All traffic on one colour."""
        return cls(100 if known_colour(colour) == "green" else 0)

    @classmethod
    def parse(cls, weights: Mapping[str, Any]) -> Split:
        """Build a split from ``{colour: percent}``; a colour left out gets the rest. ``cohort: colour`` may be added.

        Raises:
            BadInput: unknown colour, a weight that is no whole percent, or weights that do not add up to 100.
        """
        named = {colour: value for colour, value in weights.items() if colour != "cohort"}
        if not named:
            raise BadInput(f"split {'has no weight' if weights else 'is empty'}: expected for example {{green: 100}}")
        percents = {known_colour(colour): _percent(colour, value) for colour, value in named.items()}
        if len(percents) == 2 and sum(percents.values()) != 100:
            raise BadInput(
                f"split blue={percents['blue']} green={percents['green']} adds up to {sum(percents.values())}: expected 100",
                "give one colour and leave the rest to the other",
            )
        return cls(percents.get("green", 100 - percents.get("blue", 0)), weights.get("cohort"))

    def percent(self, colour: str) -> int:
        """Percent of the traffic that goes to ``colour``."""
        return self.green if colour == "green" else self.blue

    def serves(self, colour: str) -> bool:
        """Whether ``colour`` gets any traffic."""
        return self.percent(colour) > 0 or self.cohort == colour

    def gaining(self, former: Split | None) -> list[str]:
        """The colours that get more traffic than they had."""
        if former is None:
            return [colour for colour in COLOURS if self.serves(colour)]
        joined = self.cohort if self.cohort != former.cohort else None
        return [colour for colour in COLOURS if self.percent(colour) > former.percent(colour) or colour == joined]

    def as_dict(self) -> dict[str, Any]:
        """``{"blue": percent, "green": percent}``, and ``cohort`` where it has a colour of its own."""
        return {"blue": self.blue, "green": self.green, **({"cohort": self.cohort} if self.cohort else {})}

    def __str__(self) -> str:
        percents = ", ".join(f"{self.percent(colour)}% {colour}" for colour in COLOURS if self.percent(colour))
        return percents + (f", the cohort on {self.cohort}" if self.cohort else "")


def _percent(colour: str, value: Any) -> int:
    text = str(value).strip()
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise BadInput(f"weight {value!r} of {colour} is not a whole number of percent from 0 to 100")
    percent = int(text)
    if not 0 <= percent <= 100:
        raise BadInput(f"weight {percent} of {colour} is not within 0..100")
    return percent


@dataclass(frozen=True)
class Routing:
    """What a router does with a service's traffic: how much goes where, and who stays where.

    Args:
        split: weights of both colours.
        sticky: what a client is recognised by: ``none``, ``cookie`` or ``source``.
    """

    split: Split
    sticky: str = "none"

    def as_dict(self) -> dict[str, Any]:
        """``{"blue": percent, "green": percent, "sticky": word}``, and ``cohort`` as in :meth:`Split.as_dict`."""
        return {**self.split.as_dict(), "sticky": self.sticky}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Routing:
        """Build a routing from what :meth:`as_dict` gave; ``LookupError``, ``ValueError`` or ``BadInput`` when it is damaged."""
        return cls(Split(data["green"], data.get("cohort")), STICKY[STICKY.index(data["sticky"])])

    def __str__(self) -> str:
        return str(self.split) + ("" if self.sticky == "none" else f", sticky by {self.sticky}")


@dataclass(frozen=True)
class Capacity:
    """How much of a colour can serve, as the router itself sees it.

    Args:
        healthy: servers that the router would send traffic to.
        total: servers that the router knows.
        sick: one text for each server that is not healthy: its name and why.
    """

    healthy: int
    total: int
    sick: tuple[str, ...] = ()

    def enough(self, min_healthy: int) -> bool:
        """At least one server, and at least ``min_healthy`` percent of all of them, can serve."""
        return self.healthy >= 1 and self.healthy * 100 >= min_healthy * self.total

    def as_dict(self) -> dict[str, Any]:
        """``{"healthy": n, "total": n, "sick": [texts]}``."""
        return {"healthy": self.healthy, "total": self.total, "sick": list(self.sick)}

    def __str__(self) -> str:
        return f"{self.healthy} of {self.total} healthy" + (f" ({'; '.join(self.sick)})" if self.sick else "")
