# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was seen and what is asked to one change: pure functions, one for each state that changes something.

Check mode, diff and ``changed`` all come from the :class:`Change`; there is no second way to find them out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable

from .._errors import BadInput, NothingToRollBack, Refused
from .._router import LEASE_SECONDS, Journal, Lease, Observation, Proof, Routing, Split, other
from . import drill, hold, rolling
from .drift import drifted, starting_point, was_interrupted
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


@dataclass(frozen=True)
class Change:
    """What a state means for this router now.

    Args:
        seen: what was there.
        journal: the journal as it shall be.
        routing: the routing as it shall be; None when the task is not about traffic.
        note: one sentence about what this does, or about why nothing is to be done.
    """

    seen: Observation
    journal: Journal
    routing: Routing | None = None
    note: str = ""

    @property
    def moves_traffic(self) -> bool:
        """The data path or what it would do after a restart is not yet as it shall be."""
        return self.routing is not None and not (self.seen.in_force == self.routing == self.seen.durable)

    @property
    def writes_journal(self) -> bool:
        """The journal says something else than it shall."""
        return self.seen.journal is None or _facts(self.seen.journal) != _facts(self.journal)

    @property
    def needed(self) -> bool:
        """Something is to be done."""
        return self.moves_traffic or self.writes_journal

    def diff(self) -> dict[str, Any]:
        """``before`` and ``after`` as Ansible shows them with ``--diff``."""
        seen = self.seen
        routing = self.routing or seen.in_force
        return {
            "before": _picture(seen.in_force, seen.durable, seen.journal),
            "after": _picture(routing, self.routing or seen.durable, self.journal if self.needed else seen.journal),
        }


def _facts(journal: Journal) -> Journal:
    return replace(journal, changed_at=0.0, changed_by="", interrupted=False)


def _picture(in_force: Routing | None, durable: Routing | None, journal: Journal | None) -> dict[str, Any]:
    record = journal.as_dict() if journal else {}
    for name in ("changed_at", "changed_by", "format", "routing", "interrupted"):
        record.pop(name, None)
    return {
        "in_force": str(in_force) if in_force else "in doubt",
        "after_restart": str(durable) if durable else "in doubt",
        "journal": record or None,
    }


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


def _settled(request: Request, seen: Observation) -> Change:
    journal = need_epoch(request, need_journal(request, seen))
    if rolling.under_way(journal):
        return Change(seen, rolling.done(journal, seen), note=f"{journal.release} is on all hosts of {journal.stable}")
    if journal.candidate is None and journal.phase == "settled":
        return Change(seen, journal, note=f"{journal.stable} is stable already")
    candidate = need_candidate(journal)
    hold.need_approval(journal)
    if journal.drill is not None:
        raise Refused(f"{candidate} can not become stable: this is a drill", "run rollback.yml")
    routing = need_routing(seen)
    if routing.split != Split.all_on(candidate) or seen.durable != routing:
        raise Refused(f"{candidate} can not become stable: traffic is {routing}", f"bring it to 100% {candidate} first")
    return Change(
        seen,
        replace(
            journal,
            stable=candidate,
            candidate=None,
            release=None,
            rollback_to=journal.stable,
            hot_until=seen.clock + request.window_seconds,
            releases={**journal.releases, **({candidate: journal.release} if journal.release else {})},
            phase="settled",
            lease=None,
            hold=None,
            routing=routing,
        ),
        note=f"{candidate} is stable; {journal.stable} stays hot for {request.window_seconds} s",
    )


def _rolled_back(request: Request, seen: Observation) -> Change:
    journal = need_journal(request, seen)
    if request.epoch is not None:
        journal = need_epoch(request, journal)
    target = Routing(Split.all_on(request.colour or _way_back(journal, seen)), journal.routing.sticky)
    colour = "green" if target.split.green else "blue"
    need_capacity(request, seen, target, default_percent=0)
    idle = journal.candidate is None and journal.stable == colour and journal.lease is None
    if idle and seen.in_force == target == seen.durable and journal.routing == target:
        return Change(seen, journal, target, f"nothing to do: all traffic is on {colour} already")
    if colour != journal.stable:
        journal = rolling.left_behind(journal)
    after = replace(
        journal, epoch=journal.epoch + 1, stable=colour, candidate=None, release=None, routing=target, lease=None, hold=None
    )
    if journal.drill is not None and colour == journal.stable:
        after = drill.over(after)  # nothing has come to users that was not good before: the way back stays as it was
    else:
        after = replace(after, rollback_to=None, hot_until=None, phase="rolled_back", drill=None)
    return Change(
        seen,
        after,
        target,
        (
            f"traffic goes from {seen.where()} back to {target}"
            if seen.in_force != target
            else f"traffic stays {target}; whatever release was under way is ended"
        )
        + ("; the drill is over" if journal.drill is not None else "")
        + (f" (found: {drifted(seen)})" if drifted(seen) else ""),
    )


def _way_back(journal: Journal, seen: Observation) -> str:
    if journal.candidate is not None or journal.phase in ("rolled_back", "abandoned"):
        return journal.stable
    if journal.rollback_to is not None:
        return journal.rollback_to
    if rolling.under_way(journal):
        return journal.stable  # there is no other way; but the run is ended
    at_rest = seen.in_force == seen.durable == journal.routing
    if not at_rest or journal.routing.split != Split.all_on(journal.stable):
        return journal.stable
    why = "the old colour is retired" if journal.phase == "retired" else "there has been no release to the other colour"
    raise NothingToRollBack(
        f"nothing to roll back to: all traffic is on {journal.stable}, which is stable, and {why}",
        rolling.way_back(journal)
        or f"to send traffic to {other(journal.stable)} all the same, name it: bluegreen_to={other(journal.stable)}",
    )


def _abandoned(request: Request, seen: Observation) -> Change:
    journal = need_epoch(request, need_journal(request, seen))
    routing = need_routing(seen)
    if routing.split != Split.all_on(journal.stable) or seen.durable != routing:
        raise Refused(f"the release can not be abandoned: traffic is {routing}", "run rollback.yml")
    if rolling.under_way(journal):
        return Change(seen, rolling.stopped(journal), note=f"{journal.release} goes to no further host of {journal.stable}")
    if journal.candidate is None:
        return Change(seen, journal, note="no release is under way")
    after = replace(journal, candidate=None, release=None, lease=None, phase="abandoned", routing=routing, hold=None)
    if journal.drill is not None:
        after = replace(drill.over(journal), lease=None, routing=routing)
    return Change(seen, after, note=f"release {journal.release} is abandoned before any traffic moved")


def _retired(request: Request, seen: Observation) -> Change:
    journal = need_journal(request, seen)
    if journal.candidate is not None:
        raise Refused(
            f"{other(journal.stable)} can not be retired: release {journal.release} is under way",
            "finish the release, or run rollback.yml",
        )
    if journal.rollback_to is None:
        return Change(seen, journal, note=f"nothing to retire: no colour is kept as the way back (phase {journal.phase})")
    hold_lease(request, seen, journal)
    need_window_over(request, seen, journal, "it would be retired")
    routing = need_routing(seen)
    if routing.split.serves(journal.rollback_to) or seen.durable != routing:
        raise Refused(
            f"{journal.rollback_to} can not be retired: traffic is {routing}, after a restart it would be {seen.durable}",
            "run status.yml",
        )
    return Change(
        seen,
        replace(journal, epoch=journal.epoch + 1, rollback_to=None, hot_until=None, phase="retired"),
        note=f"{journal.rollback_to} is retired: the way back to it is closed",
    )


_PLANNERS: dict[str, Callable[[Request, Observation], Change]] = {
    "present": _present,
    "claimed": _claimed,
    "renewed": _renewed,
    "staged": _switched,
    "switched": _switched,
    "held": _held,
    "promoted": _promoted,
    "settled": _settled,
    "rolled_back": _rolled_back,
    "abandoned": _abandoned,
    "retired": _retired,
    "drilled": _drilled,
}
