# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that goes through the hosts of the stable colour one by one: what the journal says meanwhile. Pure.

There is no candidate: a rollback, a drill and a retirement treat the colours as before. ``release`` is set while a run is at
work, ``rolling`` from its first deployment until all hosts have one release again.
"""

from __future__ import annotations

from dataclasses import replace

from .._errors import Refused
from .._journal import Journal
from .._router import Observation
from .._routing import Routing, Split
from .guards import need_routing
from .request import Request

PHASE = "rolling"


def under_way(journal: Journal) -> bool:
    """A run is at work, or has died there."""
    return journal.candidate is None and journal.release is not None


def begun(request: Request, seen: Observation, journal: Journal, routing: Routing) -> Journal:
    """The journal of a run that begins or goes on, without epoch and lease.

    Args:
        request: with the release.
        seen: the router.
        journal: what a claim starts from.
        routing: the same.

    Raises:
        Refused: a release is under way, traffic is divided, or the colour has no second server.
    """
    stable = journal.stable
    if journal.candidate is not None or routing.split != Split.all_on(stable):
        raise Refused(
            f"{request.release} can not go through the hosts of {stable} while release {journal.release or 'of an unknown name'} "
            f"is under way: traffic is {routing}",
            "wait for its end, or run rollback.yml",
        )
    total = seen.capacity[stable].total
    if total < 2:
        raise Refused(
            f"{stable} has {total} server: while it is out, nobody would answer; rolling needs at least two",
            "add a host, or use release.yml with a second colour",
        )
    return replace(journal, release=request.release, hold=None)


def refuse_unfinished(request: Request, journal: Journal) -> Journal:
    """What a release to the other colour starts from.

    Raises:
        Refused: the hosts of the stable colour have different releases, which would be no good way back.
    """
    if journal.rolling is None:
        return replace(journal, release=None) if under_way(journal) else journal
    if not request.force:
        raise Refused(
            f"{journal.rolling} has not got to all hosts of {journal.stable}: some may have {_former(journal)}",
            f"run rolling.yml with {journal.rolling}, or with {_former(journal)}; or force it (-e bluegreen_force=true)",
        )
    return left_behind(journal)


def _former(journal: Journal) -> str:
    return journal.releases.get(journal.stable, "the release before")


def way_back(journal: Journal) -> str:
    """The next step of a rollback that has no other colour to go to; empty when hosts have not got different releases."""
    return f"to bring all hosts of {journal.stable} back, run rolling.yml with {_former(journal)}" if journal.rolling else ""


def left_behind(journal: Journal) -> Journal:
    """The journal when its stable colour is to be left: hosts with different releases are no release."""
    if journal.rolling is None:
        return journal
    releases = {colour: release for colour, release in journal.releases.items() if colour != journal.stable}
    return replace(journal, releases=releases, release=None, rolling=None)


def done(journal: Journal, seen: Observation) -> Journal:
    """All hosts of the stable colour have the release.

    Raises:
        Refused: traffic is not where it was.
    """
    routing = need_routing(seen)
    if routing.split != Split.all_on(journal.stable) or seen.durable != routing:
        raise Refused(f"{journal.release} can not be settled on {journal.stable}: traffic is {routing}", "run status.yml")
    releases = {**journal.releases, journal.stable: journal.release or ""}
    return replace(journal, releases=releases, release=None, rolling=None, phase="settled", lease=None)


def stopped(journal: Journal) -> Journal:
    """The run has ended early; ``rolling`` stays when a host may have got the release."""
    return replace(journal, release=None, lease=None, phase=journal.phase if journal.rolling is None else "stopped")
