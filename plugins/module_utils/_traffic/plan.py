# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was seen and what is asked to one change: pure functions, one for each state that changes something.

Check mode, diff and ``changed`` all come from the :class:`Change`; there is no second way to find them out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Callable

from .._errors import BadInput, Refused
from .._journal import LEASE_SECONDS, Journal, Lease, Proof
from .._router import Observation
from .._routing import Routing, Split, other
from . import drill, endings, hold, rolling
from .change import Change
from .drift import starting_point, was_interrupted
from .guards import (
    forced,
    hold_lease,
    need_candidate,
    need_capacity,
    need_epoch,
    need_flip,
    need_journal,
    need_routing,
    need_window_over,
    refuse_older,
    refuse_taken_epoch,
)
from .request import Request


def plan(request: Request, seen: Observation) -> Change:
    """The change that ``request`` means for a router that looks like ``seen``.

    Raises:
        TurnoutError: a guard refuses; nothing has been changed then.
    """
    change = _PLANNERS[request.state](request, seen)
    if not change.needed:
        return change
    refuse_older(request, seen)
    # What a change of the journal alone writes must not hide that a switch was interrupted before.
    journal = replace(change.journal, interrupted=change.routing is None and was_interrupted(seen))
    if request.state == "renewed" and request.phase is None:
        return replace(change, journal=journal)  # a sign of life: who has changed what, and what was forced, stays known
    why = forced(request, seen, change.routing)
    return replace(change, journal=replace(journal, changed_at=seen.clock, changed_by=request.owner, forced=why))


def _present(request: Request, seen: Observation) -> Change:
    if seen.journal is not None:
        return _known_release(request, seen, seen.journal)
    if seen.journal_error is not None:
        raise seen.journal_error
    routing = need_routing(seen)
    stable = "green" if routing.split.green > 50 else "blue"
    releases = {stable: request.release} if request.release else {}
    return Change(seen, Journal(request.service, stable, routing, releases=releases), note=f"{stable} is stable")


def _known_release(request: Request, seen: Observation, journal: Journal) -> Change:
    if not request.release or journal.stable in journal.releases:
        return Change(seen, journal, note="the journal is there")
    releases = {**journal.releases, journal.stable: request.release}
    return Change(seen, replace(journal, releases=releases), note=f"{request.release} is on {journal.stable}")


def _claimed(request: Request, seen: Observation) -> Change:
    journal, routing = starting_point(request, seen, need_journal(request, seen))
    if routing.split.percent(journal.stable) == 100:
        # An interrupted run has left the cohort alone on the candidate, which is deployed to once more: it comes back first.
        routing = replace(routing, split=Split.all_on(journal.stable))
    if not request.drill and not request.rolling and _is_live(request, journal, routing):
        return Change(
            seen,
            replace(journal, routing=routing),
            routing,
            note=f"release {request.release} is live on {journal.stable} already",
        )
    hold_lease(request, seen, journal)
    refuse_taken_epoch(request, journal)
    if request.rolling:
        begun = rolling.begun(request, seen, journal, routing)
        mine = replace(begun, epoch=request.epoch or journal.epoch + 1, lease=_lease(request, seen), routing=routing)
        return Change(seen, mine, routing, f"{request.release} goes through the hosts of {journal.stable}")
    if request.drill:
        begun = drill.begun(request, seen, journal, routing)
        mine = replace(begun, epoch=request.epoch or journal.epoch + 1, lease=_lease(request, seen), routing=routing)
        return Change(seen, mine, routing, f"drill: {begun.candidate} with {begun.release} gets traffic, and gives it back")
    if journal.drill is not None and routing.split == Split.all_on(journal.stable):
        journal = drill.over(journal)  # it was interrupted, and no traffic is left to be brought back
    journal = rolling.refuse_unfinished(request, journal)
    candidate = request.colour or other(journal.stable)
    if candidate == journal.stable:
        raise Refused(f"{candidate} is the stable colour: it can not be the candidate", f"release to {other(candidate)}")
    mine = replace(
        journal,
        epoch=request.epoch or journal.epoch + 1,
        lease=_lease(request, seen),
        routing=routing,
        hold=None,
    )
    if journal.candidate is not None and journal.release == request.release and journal.drill is None:
        return Change(seen, mine, routing, f"release {request.release} goes on")
    if routing.split != Split.all_on(journal.stable):
        raise Refused(
            f"{'the drill' if journal.drill else 'release'} {journal.release or 'of an unknown name'} is not finished: "
            f"traffic is {routing}",
            f"finish it (run it again) or run rollback.yml, then release {request.release}",
        )
    need_window_over(request, seen, journal, "a new release would overwrite it")
    fresh = replace(mine, candidate=candidate, release=request.release, rollback_to=None, hot_until=None, phase="claimed")
    return Change(seen, fresh, routing, f"release {request.release} goes to {candidate}")


def _is_live(request: Request, journal: Journal, routing: Routing) -> bool:
    return (
        journal.candidate is None
        and journal.rolling is None
        and journal.releases.get(journal.stable) == request.release
        and routing.split == Split.all_on(journal.stable)
    )


def _lease(request: Request, seen: Observation) -> Lease:
    seconds = request.lease_seconds or LEASE_SECONDS
    return Lease(request.run, request.owner, seen.clock + seconds, seconds)


def _renewed(request: Request, seen: Observation) -> Change:
    journal = need_epoch(request, need_journal(request, seen))
    if request.phase is None and seen.interrupted:
        return Change(seen, journal, note="a change is not finished: it, or the next claim, needs what it has prepared")
    releases = dict(journal.releases)
    if request.phase == "deploying" and journal.candidate:
        releases.pop(journal.candidate, None)  # half a deployment is no release
    if request.phase == "deployed" and journal.candidate and journal.release:
        releases[journal.candidate] = journal.release
    lease = _extended(request, seen, journal)
    mixed = journal.release if request.phase == rolling.PHASE and rolling.under_way(journal) else journal.rolling
    return Change(seen, replace(journal, lease=lease, phase=request.phase or journal.phase, releases=releases, rolling=mixed))


def _extended(request: Request, seen: Observation, journal: Journal) -> Lease | None:
    lease = journal.lease
    if lease is None:
        return None
    # A lease that was taken for longer is not cut short.
    return replace(lease, until=max(lease.until, seen.clock + (request.lease_seconds or lease.seconds)))


def _switched(request: Request, seen: Observation) -> Change:
    journal = need_journal(request, seen)
    split = request.split
    if split is None:
        raise BadInput(f"state {request.state} needs split")
    target = Routing(split, request.sticky or (seen.in_force or journal.routing).sticky)
    if request.epoch is not None:
        journal = need_epoch(request, journal)
    if request.state == "switched" and request.at is not None:
        need_flip(request, seen, target)
    need_capacity(request, seen, target, default_percent=100)
    if request.epoch is not None:
        need_candidate(journal)
        hold.need_approval(journal)
        after = replace(
            journal,
            routing=target,
            phase=request.phase or "switched",
            lease=_extended(request, seen, journal),
        )
    else:
        hold_lease(request, seen, journal)
        after = _by_hand(request, journal, target)
    if seen.in_force == target == seen.durable and journal.routing == target:
        return Change(seen, journal, target, f"traffic is {target} already")
    if seen.in_force == target == seen.durable:
        return Change(seen, after, target, f"traffic is {target}, and stays there")
    return Change(seen, after, target, f"traffic goes from {seen.where()} to {target}")


def _by_hand(request: Request, journal: Journal, target: Routing) -> Journal:
    """A switch outside of any release fences whatever run there is, and keeps a way back."""
    candidate = other(journal.stable) if target.split.serves(other(journal.stable)) else None
    return replace(
        journal,
        epoch=journal.epoch + 1,
        candidate=candidate,
        release=journal.releases.get(candidate) if candidate else None,
        phase=request.phase or "switched",
        routing=target,
        lease=None,
        hold=None,
        drill=None,
    )


def _held(request: Request, seen: Observation) -> Change:
    journal = need_epoch(request, need_journal(request, seen))
    candidate = need_candidate(journal)
    wait = hold.asked(request, seen, need_routing(seen).split.percent(candidate), journal.hold)
    if wait == journal.hold:
        return Change(seen, journal, note=f"{hold.where(journal, wait)}: {wait.answer or 'no answer yet'}")
    after = replace(journal, hold=wait, phase=request.phase or "held", lease=_extended(request, seen, journal))
    return Change(seen, after, note=f"{hold.where(journal, wait)} waits for approval: promote.yml")


def _promoted(request: Request, seen: Observation) -> Change:
    journal = need_journal(request, seen)
    if request.epoch is not None:
        journal = need_epoch(request, journal)
    answer = hold.answered(request, seen, journal)
    note = hold.consequence(journal, answer, request.answer)
    if answer == journal.hold:
        return Change(seen, journal, note=f"{answer.by} has answered already. {note}")
    return Change(seen, replace(journal, hold=answer), note=note)


def _drilled(request: Request, seen: Observation) -> Change:
    journal = need_journal(request, seen)
    if journal.candidate is not None:
        raise Refused(f"the drill is not over, or a release is under way (phase {journal.phase})", "run status.yml")
    proof = Proof(seen.clock, round(request.rollback_ms or 0.0, 1), request.lost or 0)
    return Change(seen, replace(journal, rollback_proven=proof), note=f"rollback in {proof.ms:g} ms, {proof.lost} requests lost")


_PLANNERS: dict[str, Callable[[Request, Observation], Change]] = {
    "present": _present,
    "claimed": _claimed,
    "renewed": _renewed,
    "staged": _switched,
    "switched": _switched,
    "held": _held,
    "promoted": _promoted,
    "settled": endings.settled,
    "rolled_back": endings.rolled_back,
    "abandoned": endings.abandoned,
    "retired": endings.retired,
    "drilled": _drilled,
}
