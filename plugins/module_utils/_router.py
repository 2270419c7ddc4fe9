# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router contract and the value objects that pass through it.

A router divides a service's traffic between two colours. A provider (one package for each kind of router)
answers the questions of :class:`Router` and does no more; every decision is made by the engine in
``_traffic``, from frozen values.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from ._errors import BadInput, JournalError
from ._servers import Server
from ._statistics import Statistics

COLOURS = ("blue", "green")
STICKY = ("none", "cookie", "source")
#: What a person says to a release that waits, and what follows when nobody does.
ANSWERS = ("go", "stop")
ON_TIMEOUT = ("rollback", "go")
#: A lease without a sign of life, unless the claim says otherwise.
LEASE_SECONDS = 120
JOURNAL_FORMAT = 1


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


@dataclass(frozen=True)
class Lease:
    """Who holds the service now.

    Args:
        run: id of the run, new for each start of a playbook.
        owner: who started it, for people to read: ``user@control-node``.
        until: end of the lease, seconds since the Unix epoch by the router's clock.
        seconds: how long it is from the last sign of life.
    """

    run: str
    owner: str
    until: float
    seconds: float = LEASE_SECONDS

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Lease:
        """Build a lease from what :meth:`as_dict` gave; ``LookupError``, ``TypeError`` or ``ValueError`` when it is damaged."""
        run, owner, until = str(data["run"]), str(data["owner"]), _seconds(data["until"])
        seconds = _seconds(data.get("seconds", LEASE_SECONDS))
        if seconds <= 0:
            raise ValueError(f"a lease of {seconds:g} s is none")
        return cls(run, owner, until, seconds)


@dataclass(frozen=True)
class Hold:
    """A release that waits until a person says go. Times are seconds since the Unix epoch by the router's clock.

    Args:
        step: percent of the candidate that waits for approval; 0 before any traffic has moved.
        since: when the run began to wait.
        until: when it stops waiting.
        on_timeout: what it does then: ``rollback`` or ``go``.
        answer: ``go`` or ``stop``; None until somebody has answered.
        by: who answered.
        answered_at: when.
    """

    step: int
    since: float
    until: float
    on_timeout: str = "rollback"
    answer: str | None = None
    by: str = ""
    answered_at: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Hold:
        """Build one from what :meth:`as_dict` gave; ``LookupError``, ``TypeError`` or ``ValueError`` when it is damaged."""
        answer, answered_at = data["answer"], data["answered_at"]
        return cls(
            step=_counted(data["step"]),
            since=_seconds(data["since"]),
            until=_seconds(data["until"]),
            on_timeout=ON_TIMEOUT[ON_TIMEOUT.index(data["on_timeout"])],
            answer=None if answer is None else ANSWERS[ANSWERS.index(answer)],
            by=_text(data["by"]),
            answered_at=None if answered_at is None else _seconds(answered_at),
        )


@dataclass(frozen=True)
class Proof:
    """A rollback that was tried out under load.

    Args:
        at: when, seconds since the Unix epoch by the router's clock.
        ms: from its start until no client got the other colour any more, milliseconds.
        lost: requests that were lost.
    """

    at: float
    ms: float
    lost: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Proof:
        """Build one from what :meth:`as_dict` gave; ``LookupError``, ``TypeError`` or ``ValueError`` when it is damaged."""
        return cls(_seconds(data["at"]), _seconds(data["ms"]), _counted(data["lost"]))


@dataclass(frozen=True)
class Journal:
    """The small record that lives with the router. Times are seconds since the Unix epoch by its clock.

    Args:
        service: what is released.
        stable: the colour that users trust now.
        routing: the routing that the last finished change put in force.
        epoch: fencing token; only grows.
        candidate: the colour being released, while a release is under way.
        release: id of the release under way.
        rollback_to: after ``settled``, the old colour, for as long as it is kept hot.
        hot_until: end of the rollback window.
        releases: release id deployed on each colour, as far as known.
        phase: last phase that was reached.
        lease: who holds the service.
        changed_at: when the journal was last written.
        changed_by: who wrote it.
        forced: why guards were overridden in the last change, or empty.
        interrupted: a switch was interrupted, and what it has left half done is not yet put right.
        hold: the release waits for a person, or has waited.
        drill: while a drill tries the way back, the phase that it returns to.
        rollback_proven: the last drill.
        rolling: the release that goes through the hosts of the stable colour one by one, or was stopped on that way. ``releases``
            has the one before it for that colour, and each host has one of both.
    """

    service: str
    stable: str
    routing: Routing
    epoch: int = 0
    candidate: str | None = None
    release: str | None = None
    rollback_to: str | None = None
    hot_until: float | None = None
    releases: Mapping[str, str] = field(default_factory=dict)
    phase: str = "idle"
    lease: Lease | None = None
    changed_at: float = 0.0
    changed_by: str = ""
    forced: str = ""
    interrupted: bool = False
    hold: Hold | None = None
    drill: str | None = None
    rollback_proven: Proof | None = None
    rolling: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the format's number."""
        return {
            "format": JOURNAL_FORMAT,
            "service": self.service,
            "epoch": self.epoch,
            "stable": self.stable,
            "candidate": self.candidate,
            "release": self.release,
            "rollback_to": self.rollback_to,
            "hot_until": self.hot_until,
            "releases": dict(self.releases),
            "routing": self.routing.as_dict(),
            "phase": self.phase,
            "lease": self.lease.as_dict() if self.lease else None,
            "changed_at": self.changed_at,
            "changed_by": self.changed_by,
            "forced": self.forced,
            "interrupted": self.interrupted,
            "hold": self.hold.as_dict() if self.hold else None,
            "drill": self.drill,
            "rollback_proven": self.rollback_proven.as_dict() if self.rollback_proven else None,
            "rolling": self.rolling,
        }

    @classmethod
    def from_dict(cls, data: Any) -> Journal:
        """Build a journal from what :meth:`as_dict` gave.

        Raises:
            JournalError: the format is newer than this code, or the record is damaged.
        """
        if not isinstance(data, dict) or not _is_int(data.get("format")):
            raise JournalError("it is no journal: the field 'format' is missing")
        if data["format"] > JOURNAL_FORMAT:
            raise JournalError(
                f"it has format {data['format']}, and this version reads up to {JOURNAL_FORMAT}",
                "use the newer turnout.bluegreen that wrote it",
            )
        try:
            return cls._from_fields(data)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, BadInput) as error:
            raise JournalError(f"it is damaged: {type(error).__name__}: {error}") from error

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Journal:
        lease = data["lease"]
        # A record that was written before these fields were known has none of them.
        hold, drill, proof, rolling = (data.get(name) for name in ("hold", "drill", "rollback_proven", "rolling"))
        optional = {name: data[name] for name in ("candidate", "rollback_to") if data[name] is not None}
        for name, colour in {**optional, "stable": data["stable"]}.items():
            known_colour(colour, name)
        return cls(
            service=str(data["service"]),
            stable=data["stable"],
            routing=Routing.from_dict(data["routing"]),
            epoch=_counted(data["epoch"]),
            candidate=data["candidate"],
            release=None if data["release"] is None else _text(data["release"]),
            rollback_to=data["rollback_to"],
            hot_until=None if data["hot_until"] is None else _seconds(data["hot_until"]),
            releases={known_colour(colour): _text(release) for colour, release in data["releases"].items()},
            phase=str(data["phase"]),
            lease=None if lease is None else Lease.from_dict(lease),
            changed_at=_seconds(data["changed_at"]),
            changed_by=str(data["changed_by"]),
            forced=str(data["forced"]),
            interrupted=_flag(data["interrupted"]),
            hold=None if hold is None else Hold.from_dict(hold),
            drill=None if drill is None else _text(drill),
            rollback_proven=None if proof is None else Proof.from_dict(proof),
            rolling=None if rolling is None else _text(rolling),
        )


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _counted(value: Any) -> int:
    if not _is_int(value) or value < 0:
        raise ValueError(f"{value!r} is not a number that counts from 0")
    return value


def _seconds(value: Any) -> float:
    if not math.isfinite(float(value)):
        raise ValueError(f"{value!r} is not a time")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


@dataclass(frozen=True)
class Pending:
    """A flip that a process on the router makes at an instant, and takes back unless the run confirms it in time.

    Args:
        epoch: of the run that asked for it.
        run: id of that run.
        at: when to flip, seconds since the Unix epoch by the router's clock.
        revert_at: when to take it back, by the same clock.
        target: the routing that the flip puts in force.
        former: the routing that it takes away.
        flipped_at: when it was in force; None before.
        flip_ms: how long the flip took.
        error: why it was not made, or not taken back.
    """

    epoch: int
    run: str
    at: float
    revert_at: float
    target: Routing
    former: Routing
    flipped_at: float | None = None
    flip_ms: float | None = None
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "target": self.target.as_dict(), "former": self.former.as_dict()}

    @classmethod
    def from_dict(cls, data: Any) -> Pending:
        """Build one from what :meth:`as_dict` gave.

        Raises:
            JournalError: the record is damaged.
        """
        try:
            routings = {name: Routing.from_dict(data[name]) for name in ("target", "former")}
            return cls(**{**data, **routings})
        except (AttributeError, LookupError, TypeError, ValueError, BadInput) as error:
            raise JournalError(f"it is damaged: {type(error).__name__}: {error}") from error


class PendingStore(ABC):
    """Where a router keeps its one pending flip. Whoever finds another record than his own, or none, was cancelled."""

    @abstractmethod
    def load(self) -> Pending | None:
        """The record, or None."""

    @abstractmethod
    def store(self, pending: Pending, urgent: bool = False) -> None:
        """Put it in place of the one that is there; ``urgent`` as for :meth:`Router.stage`."""

    @abstractmethod
    def remove(self) -> None:
        """Remove it; nothing when there is none."""


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
