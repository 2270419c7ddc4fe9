# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router contract.

A router divides a service's traffic between two colours. A provider (one package for each kind of router)
answers the questions of :class:`Router` and does no more; every decision is made by the engine in
``_traffic``, from frozen values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ._errors import BadInput, JournalError
from ._journal import Journal
from ._pending import Pending, PendingStore
from ._routing import Capacity, Routing
from ._servers import Server
from ._statistics import Statistics


@dataclass(frozen=True)
class Capabilities:
    """What a kind of router can do; the engine asks for these and never for a kind's name.

    Args:
        weights: it can divide traffic, not only switch it.
        sticky: it can keep a client on its colour.
        counts_in_flight: it can say how many requests or connections a colour still has.
        sees_health: it has its own view of each colour's health.
        cuts: it can end what is still in flight.
        statistics: it can say what each colour has answered.
        cohorts: it can send some clients, known by a header or a cookie, to a colour of their own.
        servers: it can take single servers of a colour out and bring them back, without a reload.
    """

    weights: bool = True
    sticky: bool = True
    counts_in_flight: bool = True
    sees_health: bool = True
    cuts: bool = False
    statistics: bool = True
    cohorts: bool = True
    servers: bool = False


@dataclass(frozen=True)
class Observation:
    """One look at a router.

    Args:
        in_force: what the data path does now; None when its processes disagree.
        durable: what it would do after a restart.
        capacity: for each colour.
        in_flight: for each colour, requests and connections under way, those of old processes included.
        clock: the router's clock, seconds since the Unix epoch.
        journal: the record, or None when there is none or it can not be read.
        journal_error: why it can not be read.
        interrupted: a change was prepared and not finished.
        pending: a flip that waits for its instant, or for the run's confirmation.
        doubts: what was found that is not as it should be, one text each.
    """

    in_force: Routing | None
    durable: Routing | None
    capacity: Mapping[str, Capacity]
    in_flight: Mapping[str, int]
    clock: float
    journal: Journal | None = None
    journal_error: JournalError | None = None
    interrupted: bool = False
    pending: Pending | None = None
    doubts: tuple[str, ...] = ()

    def where(self) -> str:
        """Where the traffic is, for a message."""
        if self.in_force is None:
            return "in doubt: " + "; ".join(self.doubts)
        return str(self.in_force)


class Router(ABC):
    """What every kind of router answers. All methods raise a ``TurnoutError`` when they can not.

    Attributes:
        name: the inventory name of the router, for messages.
        pending: where a flip that is to be made at an instant is kept; None when this kind can not make one by itself.
    """

    name: str
    pending: PendingStore | None = None

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this kind can do."""

    @abstractmethod
    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the service on this router for the length of one change."""

    @abstractmethod
    def observe(self) -> Observation:
        """Look, and change nothing."""

    @abstractmethod
    def stage(self, routing: Routing | None, journal: Journal, urgent: bool = False) -> None:
        """Do everything that can fail, and nothing that acts: validate, write what is inert.

        Args:
            routing: what shall be in force; None when only the journal changes.
            journal: what shall be stored.
            urgent: a way back, that a full disk must not hinder: rather overwrite in place than refuse.
        """

    @abstractmethod
    def discard(self) -> None:
        """Throw away what was staged."""

    @abstractmethod
    def commit(self, routing: Routing) -> None:
        """The one atomic act: what was staged is in force and durable."""

    @abstractmethod
    def confirm(self, routing: Routing) -> None:
        """Return when the data path does what was committed; raise ``NotInForce`` otherwise."""

    @abstractmethod
    def store(self, journal: Journal, expected_epoch: int) -> None:
        """Put the journal in place of the one with ``expected_epoch`` (-1: of none); ``Fenced`` when it is another."""

    @abstractmethod
    def in_flight(self, colour: str) -> int:
        """How many requests and connections are under way on ``colour``."""

    def cut(self, colour: str) -> None:
        """End what is still in flight on ``colour``: clients lose those requests."""
        raise BadInput(f"{self.name}: this kind of router can not end the sessions of {colour}")

    def statistics(self, cursor: str) -> Statistics:
        """What each colour has answered since the look that gave ``cursor``; an empty one begins to count."""
        raise BadInput(f"{self.name}: this kind of router keeps no statistics")

    def servers(self, colour: str) -> tuple[Server, ...]:
        """Every server of ``colour``."""
        raise self._no_servers(colour)

    def take_out(self, colour: str, names: Sequence[str]) -> None:
        """Send no new requests to these servers of ``colour``; what is under way there goes on."""
        raise self._no_servers(colour)

    def bring_back(self, colour: str, names: Sequence[str]) -> None:
        """Send requests to these servers of ``colour`` again, as far as they are healthy."""
        raise self._no_servers(colour)

    def cut_servers(self, colour: str, names: Sequence[str]) -> None:
        """End what is still in flight on these servers of ``colour``: clients lose those requests."""
        raise self._no_servers(colour)

    def _no_servers(self, colour: str) -> BadInput:
        return BadInput(
            f"this kind of router can not take a single server of {colour} out without a reload",
            "release to the other colour (release.yml), or put a router in front that can: HAProxy",
        )
