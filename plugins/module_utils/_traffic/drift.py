# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift: the router does something else than its journal says, or its journal is older than those of the other routers.

A change that was interrupted is no drift: it has left a prepared file, or a pending flip, and the next claim cleans up.
"""

from __future__ import annotations

from dataclasses import replace

from .._errors import Drifted, Refused
from .._journal import Journal
from .._router import Observation
from .._routing import Routing, Split
from .guards import need_capacity
from .request import Request

REMEDY = (
    "see what was changed, then decide: -e bluegreen_drift=overwrite brings back what the journal says, "
    "-e bluegreen_drift=adopt takes what is in force as the truth; rollback.yml works all the same"
)


def at_rest(seen: Observation, journal: Journal) -> Routing:
    """The routing that the last finished change has left, half a flip not counted."""
    if seen.pending is not None and seen.pending.epoch == journal.epoch:
        return seen.pending.former
    # Processes that disagree are a flip that was interrupted: what was in force before it is what counts.
    return seen.in_force or journal.routing


def was_interrupted(seen: Observation) -> bool:
    """A switch was interrupted, and nobody has put right what it left."""
    return seen.interrupted or (seen.journal is not None and seen.journal.interrupted)


def drifted(seen: Observation) -> str:
    """What the router does against its own journal; empty when nothing."""
    journal = seen.journal
    if journal is None or was_interrupted(seen) or seen.pending is not None or seen.in_force is None:
        return ""
    if seen.in_force == seen.durable == journal.routing:
        return ""
    durable = "" if seen.durable == seen.in_force else f" (after a restart it would be {seen.durable})"
    return f"traffic is {seen.in_force}{durable}, and the journal says {journal.routing}: somebody changed it by hand"


def behind(journal: Journal, reference: Journal | None) -> str:
    """How the journal is older than the newest one of the fleet; empty when nothing has happened there that it does not know."""
    if reference is None or reference.epoch <= journal.epoch:
        return ""
    same_release = journal.candidate is not None and _release(journal) == _release(reference)
    # A run that died between two routers, while it claimed or settled, has left them different, and yet on the same way.
    same_way = journal.stable == reference.stable or _end(journal) == _end(reference)
    if same_release or (same_way and journal.routing == reference.routing):
        return ""
    return (
        f"this router is behind the others: its journal has epoch {journal.epoch}, stable {journal.stable}, {journal.routing}; "
        f"theirs has epoch {reference.epoch}, stable {reference.stable}, {reference.routing}"
    )


def _release(journal: Journal) -> tuple[str | None, str | None]:
    return journal.candidate, journal.release


def _end(journal: Journal) -> str:
    return journal.candidate or journal.stable


def starting_point(request: Request, seen: Observation, journal: Journal) -> tuple[Journal, Routing]:
    """Journal and routing that a claim starts from, after the policy for drift has decided.

    Raises:
        Drifted: there is drift, and the policy is ``fail``; or it can not be adopted.
        Unhealthy: what would be brought back has no healthy servers.
    """
    old = behind(journal, request.reference)
    if old:
        return _catch_up(request, seen, journal, old)
    found = drifted(seen)
    if not found or seen.in_force is None:
        return journal, at_rest(seen, journal)
    if request.drift == "fail":
        raise Drifted(f"{found}; it was last changed by {journal.changed_by or 'nobody'} (phase {journal.phase})", REMEDY)
    if request.drift == "overwrite":
        need_capacity(request, seen, journal.routing, default_percent=0)
        return journal, journal.routing
    return _adopt(journal, seen.in_force), seen.in_force


def _catch_up(request: Request, seen: Observation, journal: Journal, old: str) -> tuple[Journal, Routing]:
    reference = request.reference
    if request.drift != "overwrite" or reference is None:
        raise Drifted(old, "bring it to the state of the others with -e bluegreen_drift=overwrite; or run rollback.yml")
    need_capacity(request, seen, reference.routing, default_percent=0)
    # What is this router's own: its lease, and what was tried out on it.
    caught_up = replace(
        reference, service=journal.service, epoch=journal.epoch, lease=journal.lease, rollback_proven=journal.rollback_proven
    )
    return caught_up, reference.routing


def _adopt(journal: Journal, routing: Routing) -> Journal:
    if journal.candidate is not None:
        return replace(journal, routing=routing)
    for colour in ("blue", "green"):
        if routing.split == Split.all_on(colour):
            if colour == journal.stable:
                return replace(journal, routing=routing)
            return replace(journal, stable=colour, routing=routing, rollback_to=None, hot_until=None)
    raise Refused(
        f"traffic is {routing}: a divided split can not be adopted when no release is under way",
        "bring all traffic to one colour (rollback.yml, or turnout switch), or overwrite it",
    )
