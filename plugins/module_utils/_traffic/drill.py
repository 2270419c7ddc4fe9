# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill: some traffic goes to the colour that is kept as the way back, and returns by a real rollback. Pure.

The journal says during a drill what it says during a release, so that every crash and every rollback is the same, and keeps
what it is to say afterwards: the way back and its window stay in it, and ``drill`` has the phase.
"""

from __future__ import annotations

from dataclasses import replace

from .._errors import Refused
from .._journal import Journal
from .._router import Observation
from .._routing import Routing, Split, other
from .guards import need_capacity
from .request import Request


def begun(request: Request, seen: Observation, journal: Journal, routing: Routing) -> Journal:
    """The journal of a drill, without epoch and lease.

    Args:
        request: with the release that is on the idle colour.
        seen: the router.
        journal: what a claim starts from.
        routing: the same.

    Raises:
        Refused: a release is under way, or the idle colour does not hold what has once been good.
        Unhealthy: the idle colour can not serve.
    """
    idle = other(journal.stable)
    held = journal.releases.get(idle)
    if journal.drill is not None:
        return journal
    if journal.candidate is not None or routing.split != Split.all_on(journal.stable):
        raise Refused(
            f"no drill while release {journal.release or 'of an unknown name'} is under way: traffic is {routing}",
            "wait for its end, or run rollback.yml",
        )
    if held is None or held != request.release:
        raise Refused(f"{idle} holds {held or 'no known release'}, expected {request.release}", "run release.yml first")
    if journal.rollback_to != idle and not request.force:
        raise Refused(
            f"{idle} is not the way back (phase {journal.phase}): {held} is not known to be good, "
            "and a drill would send users there",
            "run the drill after a release; or, when it is known to be good, force it (-e bluegreen_force=true)",
        )
    need_capacity(request, seen, Routing(Split.all_on(idle), routing.sticky), default_percent=100)
    return replace(journal, candidate=idle, release=held, phase="drilling", drill=journal.phase, hold=None)


def over(journal: Journal) -> Journal:
    """The journal as it was before the drill, but for what every change leaves: epoch, who and when."""
    return replace(journal, candidate=None, release=None, phase=journal.drill or journal.phase, drill=None)
