# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a release ends, and its way back: pure functions from what was seen to one change."""

from __future__ import annotations

from dataclasses import replace

from .._errors import NothingToRollBack, Refused
from .._journal import Journal
from .._router import Observation
from .._routing import Routing, Split, other
from . import drill, hold, rolling
from .change import Change
from .drift import drifted
from .guards import hold_lease, need_candidate, need_capacity, need_epoch, need_journal, need_routing, need_window_over
from .request import Request


def settled(request: Request, seen: Observation) -> Change:
    """The candidate becomes stable, and the old colour the way back."""
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


def rolled_back(request: Request, seen: Observation) -> Change:
    """All traffic goes to the way back, or to the colour that was named."""
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


def abandoned(request: Request, seen: Observation) -> Change:
    """The release is given up; none of its traffic has moved."""
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


def retired(request: Request, seen: Observation) -> Change:
    """The way back is closed."""
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
