# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router remembers of a service: the journal, and the values in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._errors import BadInput, JournalError
from ._routing import Routing, known_colour

#: What a person says to a release that waits, and what follows when nobody does.
ANSWERS = ("go", "stop")
ON_TIMEOUT = ("rollback", "go")
#: A lease without a sign of life, unless the claim says otherwise.
LEASE_SECONDS = 120
JOURNAL_FORMAT = 1


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
