# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions that must be answered yes before anything moves. Each raises, or returns what it asked for."""

from __future__ import annotations

import time
from dataclasses import replace

from .._errors import Fenced, JournalError, LeaseHeld, NotInForce, Refused, Unhealthy
from .._journal import Journal
from .._router import Observation
from .._routing import Routing, other
from .request import Request


def need_journal(request: Request, seen: Observation) -> Journal:
    """The journal. When it is lost and the task forces a named split, a new one.

    A rebuilt journal starts with the clock as its epoch: no counter of an older run can have got there (I5).
    """
    if seen.journal is not None:
        return seen.journal
    lost = seen.journal_error or JournalError(
        f"service {request.service} has no journal on this router", "run bootstrap.yml for this service"
    )
    named = request.colour if request.state == "rolled_back" else None
    if request.state == "switched" and request.split is not None:
        named = "green" if request.split.green > 50 else "blue"
    if not (request.force and named and seen.in_force):
        raise lost
    return Journal(request.service, named, seen.in_force, epoch=int(seen.clock), phase="rebuilt")


def need_routing(seen: Observation) -> Routing:
    """What is in force, when that is beyond doubt."""
    if seen.in_force is None:
        raise Refused(f"traffic is {seen.where()}", "run rollback.yml: it sets every process again")
    return seen.in_force


def need_epoch(request: Request, journal: Journal) -> Journal:
    """The journal, when this run's epoch is the newest (I5)."""
    if request.epoch == journal.epoch:
        return _need_run(request, journal)
    if request.check_mode and request.epoch is not None and request.epoch > journal.epoch:
        # The claim was only checked as well: go on from what it would have written.
        return replace(journal, epoch=request.epoch, candidate=journal.candidate or other(journal.stable))
    if request.epoch is None or request.epoch < journal.epoch:
        raise Fenced(
            f"epoch {request.epoch} is over: epoch {journal.epoch} was claimed by {journal.changed_by or 'a later run'} "
            f"(phase {journal.phase})",
            "this run must not act any more; run status.yml to see what is going on",
        )
    raise JournalError(
        f"the journal has epoch {journal.epoch}, older than this run's {request.epoch}",
        "an older state of this router was restored: run status.yml, then rollback.yml",
    )


def _need_run(request: Request, journal: Journal) -> Journal:
    """Two runs that claim the routers of a fleet at the same time may give the same number on different routers."""
    lease = journal.lease
    if lease is not None and request.run and lease.run != request.run and lease.run not in request.take_over:
        raise Fenced(
            f"epoch {request.epoch} was claimed here by another run: {lease.owner} (run {lease.run}, phase {journal.phase})",
            "this run must not act here; run status.yml to see what is going on",
        )
    return journal


def refuse_older(request: Request, seen: Observation) -> None:
    """A task that carries an epoch changes nothing once a newer one was claimed, whatever its state (I5)."""
    if request.epoch is not None and seen.journal is not None and request.epoch < seen.journal.epoch:
        need_epoch(request, seen.journal)


def refuse_taken_epoch(request: Request, journal: Journal) -> None:
    """A claim names its epoch when all routers of a fleet shall have the same one: somebody may have been faster."""
    if request.epoch is not None and request.epoch <= journal.epoch:
        raise Fenced(
            f"epoch {request.epoch} can not be claimed: {journal.changed_by or 'another run'} has claimed {journal.epoch} "
            f"(phase {journal.phase})",
            "run it again; run status.yml to see what is going on",
        )


def need_flip(request: Request, seen: Observation, target: Routing) -> None:
    """What was staged for an instant is in force, and was not taken back."""
    pending = seen.pending
    if pending is not None and pending.at == request.at and pending.flipped_at is not None and seen.in_force == target:
        return
    if seen.in_force == seen.durable == target:
        return
    raise NotInForce(
        f"what was staged is not in force: traffic is {seen.where()}, expected {target}"
        + (f" ({pending.error})" if pending is not None and pending.error else ""),
        "the router takes a flip back that is not confirmed in time: roll the other routers back and release again",
    )


def hold_lease(request: Request, seen: Observation, journal: Journal) -> None:
    """Nobody else holds the service, or its holder is known to be dead, or the task is forced."""
    lease = journal.lease
    if lease is None or lease.until <= seen.clock or request.force:
        return
    if lease.run == request.run or lease.run in request.take_over:
        return
    raise LeaseHeld(
        f"release {journal.release} is under way: {lease.owner} holds the service for {lease.until - seen.clock:.0f} s "
        f"more (run {lease.run}, phase {journal.phase})",
        "wait for it; or end it with rollback.yml, which always wins; or, when it is dead, force it (-e bluegreen_force=true)",
        holder=lease.run,
    )


def need_candidate(journal: Journal) -> str:
    """The candidate's colour."""
    if journal.candidate is None:
        raise Refused(f"no release is under way (phase {journal.phase})", "run release.yml")
    return journal.candidate


def need_window_over(request: Request, seen: Observation, journal: Journal, what: str) -> None:
    """The old colour is not needed for a way back any more (I8)."""
    if journal.rollback_to is None or request.force or request.end_window:
        return
    if journal.hot_until is not None and seen.clock < journal.hot_until:
        until = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(journal.hot_until))
        old = journal.releases.get(journal.rollback_to, "the old release")
        raise Refused(
            f"{journal.rollback_to} holds {old} as the way back until {until} "
            f"({journal.hot_until - seen.clock:.0f} s more), and {what}",
            "wait until then, or give up the way back (-e bluegreen_end_window=true)",
        )


def _too_sick(request: Request, seen: Observation, target: Routing, default_percent: int) -> str | None:
    percent = default_percent if request.min_healthy is None else request.min_healthy
    for colour in target.split.gaining(seen.in_force.split if seen.in_force else None):
        if not seen.capacity[colour].enough(percent):
            rest = seen.capacity[other(colour)]
            return (
                f"{colour} is not fit for traffic: the router sees {seen.capacity[colour]}, expected "
                + (f"{percent}% and at least one" if percent else "at least one")
                + f"; {other(colour)} has {rest.healthy} of {rest.total}"
            )
    return None


def need_capacity(request: Request, seen: Observation, target: Routing, default_percent: int) -> None:
    """Every colour that gains weight has enough healthy servers, as the router sees it (I2).

    Args:
        request: ``min_healthy`` in percent of the colour's servers, and ``force``.
        seen: the router.
        target: what shall be in force.
        default_percent: used when the task names no ``min_healthy``; one healthy server is always needed.
    """
    sick = _too_sick(request, seen, target, default_percent)
    if sick and not request.force:
        raise Unhealthy(
            sick,
            "look at those servers; to move traffic all the same, force it (-e bluegreen_force=true, or turnout --force)",
        )


def forced(request: Request, seen: Observation, target: Routing | None) -> str:
    """What the force of a task did override, for the journal; empty when nothing was."""
    return "; ".join(forced_guards(request, seen, target)) if request.force else ""


def forced_guards(request: Request, seen: Observation, target: Routing | None) -> list[str]:
    """One text for each guard that would have refused without force.

    Args:
        request: the task.
        seen: the router.
        target: what shall be in force; None when the task is not about traffic.
    """
    overridden = []
    if seen.journal is None:
        overridden.append("the journal was lost")
    lease = seen.journal.lease if seen.journal else None
    if lease is not None and lease.until > seen.clock and lease.run != request.run:
        overridden.append(f"the lease of {lease.owner}")
    if target is not None:
        sick = _too_sick(request, seen, target, 0 if request.state == "rolled_back" else 100)
        overridden += [sick] if sick else []
    return overridden
