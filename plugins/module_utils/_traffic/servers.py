# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single servers of a colour: out of the router until nothing is in flight there, and back when they are healthy.

The split does not change, and the router forgets it with a reload; so the journal knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .._clock import Clock
from .._errors import NotConfigured, Refused, TimedOut, Unhealthy
from .._router import Observation, Router
from .._servers import Server
from .guards import hold_lease, need_epoch, need_journal
from .outcome import Outcome
from .request import Request
from .waits import still_mine, wait_for

STATES = ("taken_out", "brought_back")


def run(request: Request, router: Router, clock: Clock) -> Outcome:
    """Do one of :data:`STATES`.

    Raises:
        TurnoutError: it was not done; servers that were taken out stay out.
    """
    return (_take_out if request.state == "taken_out" else _bring_back)(request, router, clock)


def named(request: Request, servers: Sequence[Server]) -> tuple[Server, ...]:
    """Those of the colour's servers that the task names."""
    known = {server.name: server for server in servers}
    unknown = [name for name in request.servers if name not in known]
    if unknown:
        raise NotConfigured(
            f"{request.colour} has no server {', '.join(unknown)}: it has {', '.join(known) or 'none'}",
            "name servers as the router does; bootstrap.yml makes new hosts of the inventory known to it",
        )
    return tuple(known[name] for name in request.servers)


def need_others(request: Request, servers: Sequence[Server]) -> None:
    """Those who stay can do the work; nothing is asked when none of the named ones works now.

    Raises:
        Refused: nobody would be left. No force overrides that.
        Unhealthy: fewer than ``min_healthy`` percent of the others are in service.
    """
    if not any(server.in_service for server in named(request, servers)):
        return
    others = [server for server in servers if server.name not in request.servers]
    well = [server for server in others if server.in_service]
    percent = 100 if request.min_healthy is None else request.min_healthy
    sick = "; ".join(str(server) for server in others if not server.in_service)
    found = f"{len(well)} of the {len(others)} other servers of {request.colour} in service" + (f" ({sick})" if sick else "")
    what = f"{', '.join(request.servers)} can not be taken out"
    if not well:
        raise Refused(f"{what}: the router sees {found}, and one is needed", "bring another one into service first")
    if len(well) * 100 < percent * len(others) and not request.force:
        raise Unhealthy(f"{what}: the router sees {found}, expected {percent}%", "look at those servers, then run again")


def _mine(request: Request, router: Router) -> tuple[Server, ...]:
    return named(request, router.servers(request.colour or ""))


def _may_act(request: Request, router: Router) -> Observation:
    seen = router.observe()
    journal = need_journal(request, seen)
    if request.epoch is None:
        hold_lease(request, seen, journal)
    else:
        need_epoch(request, journal)
    return seen


def _take_out(request: Request, router: Router, clock: Clock) -> Outcome:
    colour, names = request.colour or "", ", ".join(request.servers)
    with router.exclusive():
        seen = _may_act(request, router)
        everyone = router.servers(colour)
        need_others(request, everyone)
        mine = named(request, everyone)
        changed = not all(server.drained for server in mine)
        if changed and not request.check_mode:
            router.take_out(colour, request.servers)
    left = sum(server.in_flight for server in mine)
    if request.check_mode:
        return Outcome(seen, changed=changed, note=f"{names}: {left} in flight", left=left, servers=mine)
    answer = _until_empty(request, router, clock, seen)
    if answer is None and request.shutdown_sessions:
        with router.exclusive():  # another run may have come, and have brought them back
            still_mine(request, router.observe())
            router.cut_servers(colour, request.servers)
        changed, answer = True, _until_empty(request, router, clock, seen)
    if answer is not None:
        return replace(answer, changed=changed)
    mine = _mine(request, router)
    left = sum(server.in_flight for server in mine)
    note = f"{left} still in flight on {names} after {round(request.timeout, 1):g} s; no new requests go there"
    if request.on_timeout == "report":
        return Outcome(seen, changed=changed, note=note, left=left, done=False, servers=mine)
    raise TimedOut(note, "wait longer (timeout), or end them (shutdown_sessions)")


def _until_empty(request: Request, router: Router, clock: Clock, seen: Observation) -> Outcome | None:
    def ask() -> Outcome | None:
        mine = _mine(request, router)
        if any(server.in_flight for server in mine):
            return None
        return Outcome(seen, note=f"{', '.join(request.servers)} taken out, nothing in flight", left=0, servers=mine)

    return wait_for(request, clock, ask)


def _bring_back(request: Request, router: Router, clock: Clock) -> Outcome:
    colour, names = request.colour or "", ", ".join(request.servers)
    seen = _may_act(request, router)
    before = _mine(request, router)
    changed = not all(server.in_service for server in before)
    was_out = all(server.drained for server in before)
    if request.check_mode or not changed:
        words = "would be brought back" if changed else "in service"
        return Outcome(seen, changed=changed, note=f"{names} {words}", servers=before, was_out=was_out)
    if not wait_for(request, clock, lambda: all(server.healthy for server in _mine(request, router)) or None):
        return replace(_not_back(request, router, seen, "not healthy"), was_out=was_out)
    with router.exclusive():  # another run may have come while this one waited
        still_mine(request, router.observe())
        router.bring_back(colour, request.servers)
    if not wait_for(request, clock, lambda: all(server.in_service for server in _mine(request, router)) or None):
        return replace(_not_back(request, router, seen, "not in full service"), changed=True, was_out=was_out)
    return Outcome(seen, changed=True, note=f"{names} back in service", servers=_mine(request, router), was_out=was_out)


def _not_back(request: Request, router: Router, seen: Observation, what: str) -> Outcome:
    mine = _mine(request, router)
    states = "; ".join(str(server) for server in mine if not server.in_service)
    note = f"{what} after {round(request.timeout, 1):g} s: {states}"
    if request.on_timeout == "report":
        return Outcome(seen, note=note, done=False, servers=mine)
    raise Unhealthy(note, "look at the application there; while it is drained, no requests go to it")
