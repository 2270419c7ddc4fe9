# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of faults on the fleet: every kind of fault at every moment where it means something, in a seeded order.

The kinds take turns, so that any number of faults has them all as evenly as it can; within its kind, each fault comes
at every moment before it comes at one for the second time.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TypeVar

from tests.chaos.faults import HOST_FAULTS
from tests.chaos.moments import PHASES, Moment

T = TypeVar("T")
WAY = ("claimed", "deployed", "armed", "committed", "switched", "baked")
FLIP = ("armed", "committed", "switched", "baked")

#: What is done to the run that releases, and when.
RUN_FAULTS: dict[str, Sequence[str]] = {
    "kill": (*PHASES, "random", "random"),
    "kill-main": PHASES,
    "terminate": PHASES,
    "freeze": (*WAY, "random"),
    "race-rollback": WAY,
    "race-release": ("random", "claimed", "deployed", "armed", "switched"),
}
MOMENTS: dict[str, Sequence[str]] = {
    **RUN_FAULTS,
    "stop": WAY,
    "kill-daemon": WAY,
    "power-cut": WAY,
    "reboot": WAY,
    "cut": ("deployed", *FLIP),
    "blip": ("deployed", *FLIP),
    "isolate": ("deployed", *FLIP),
    "full-state": WAY,
    "full-split": WAY,
    "dead": ("switched",),
    "half-dead": ("deployed", "switched"),
}
#: Who dies most often is the run that steers.
ORDER = (
    "kill", "cut", "freeze", "kill-daemon", "full-state", "race-rollback", "kill-main", "power-cut", "dead",
    "terminate", "isolate", "reboot", "race-release", "full-split", "stop", "half-dead", "kill", "blip",
)  # fmt: skip
KINDS = tuple(MOMENTS)
RECOVERIES = ("rollback", "release")
#: What is left of a dead run ends by itself, and then somebody comes.
KILLS = ("kill", "kill-main", "terminate")


@dataclass(frozen=True)
class Case:
    """One fault.

    Args:
        kind: one of `KINDS`.
        moment: when it happens.
        router: what it happens to, if it is about a router.
        recovery: what the person on call runs afterwards; for ``wait``, a rollback when the routers have done what they do alone.
    """

    number: int
    kind: str
    moment: Moment
    router: str
    recovery: str

    @property
    def release(self) -> str:
        """The release that is under way."""
        return f"r{self.number}"

    def __str__(self) -> str:
        where = f" {self.router}" if self.kind in HOST_FAULTS else ""
        return f"{self.kind}{where} at {self.moment}, then {self.recovery}"


def draw(seed: int, routers: Sequence[str], only: Sequence[str] = ()) -> Iterator[Case]:
    """The faults one after the other, without an end; the same for the same seed.

    Args:
        only: of these kinds alone.
    """
    chance = random.Random(seed)
    moments = {kind: _turns(chance, MOMENTS[kind]) for kind in KINDS}
    order = [kind for kind in ORDER if not only or kind in only]
    victims = {kind: _turns(chance, routers) for kind in KINDS}
    recoveries = {kind: _turns(chance, (*RECOVERIES, "wait") if kind in KILLS else RECOVERIES) for kind in KINDS}
    first = {kind: _turns(chance, (True, False)) for kind in KINDS}

    def case(number: int, kind: str) -> Case:
        moment = Moment(next(moments[kind]), next(first[kind]), round(chance.random(), 2))
        return Case(number, kind, moment, next(victims[kind]), next(recoveries[kind]))

    yield from itertools.starmap(case, enumerate(cycle(order), 1))


def _turns(chance: random.Random, of: Sequence[T]) -> Iterator[T]:
    """Each one once, in any order, and again."""
    while True:
        yield from chance.sample(list(of), len(of))
