# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state machine that every kind of router goes through: observe, plan, stage, commit, confirm, journal."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from .._clock import SYSTEM, Clock
from .._errors import BadInput, Refused, TimedOut, TurnoutError, Unhealthy
from .._router import Observation, Router
from . import servers
from .change import Change
from .flip import discard, flip, stage
from .guards import need_routing
from .instant import Detach, armed, cancel, detached
from .outcome import Outcome
from .plan import plan
from .request import Request
from .waits import still_mine, wait_for

# These change no traffic: a flip that waits for its confirmation goes on waiting.
KEEPS_PENDING = ("present", "renewed", "staged", "held", "promoted", "drilled")


def run(request: Request, router: Router, clock: Clock = SYSTEM, detach: Detach = detached) -> Outcome:
    """Bring the router to the state that is asked for.

    Args:
        request: the task.
        router: where.
        clock: its clock.
        detach: how work is left behind on the router when the task has ended.

    Raises:
        TurnoutError: it was not done; the message names the router and where the traffic is now.
    """
    try:
        _check_capabilities(request, router)
        if request.state == "healthy":
            return _wait_healthy(request, router, clock)
        if request.state == "drained":
            return _wait_drained(request, router, clock)
        if request.state in servers.STATES:
            return servers.run(request, router, clock)
        if request.state == "committed":
            return _wait_committed(request, router, clock)
        if request.state == "staged" and request.at is not None:
            return _arm(request, router, clock, detach)
        if request.state == "rolled_back" and not request.check_mode:
            cancel(request, router)
        with router.exclusive():
            return _change(request, router, clock)
    except TurnoutError as error:
        error.message = f"{router.name}: {request.service}: {error.message}. {_traffic_now(router)}"
        raise


def _check_capabilities(request: Request, router: Router) -> None:
    can = router.capabilities()
    if request.split is not None and request.split.green not in (0, 100) and not can.weights:
        raise BadInput("this kind of router can only switch, not divide traffic", "use weights 0 and 100")
    if request.split is not None and request.split.cohort and not can.cohorts:
        raise BadInput("this kind of router can not send a cohort to a colour of its own", "leave cohort out")
    if request.sticky not in (None, "none") and not can.sticky:
        raise BadInput("this kind of router can not keep clients on a colour", "use sticky: none")
    if request.at is not None and router.pending is None:
        raise BadInput("this kind of router can not flip at an instant by itself", "leave at out")
    if request.shutdown_sessions and not can.cuts:
        raise BadInput("this kind of router can not end sessions", "leave shutdown_sessions out")
    if (request.rolling or request.state in servers.STATES) and not can.servers:
        router.servers(request.colour or "a colour")  # says why


def _traffic_now(router: Router) -> str:
    try:
        return f"Traffic now: {router.observe().where()}"
    except TurnoutError as error:
        return f"Traffic now: not known ({error.message}); nothing was changed by this answer"


def _change(request: Request, router: Router, clock: Clock) -> Outcome:
    seen = router.observe()
    change = plan(request, seen)
    rehearsal = request.state == "staged"
    if change.needed and not request.check_mode:
        stage(request, router, change)
        if rehearsal:
            discard(router, seen)
    if rehearsal:
        return Outcome(seen, note=change.note, diff=change.diff())
    flip_ms = None
    if change.needed and not request.check_mode:
        flip_ms = _apply(request, router, change, clock)
    if seen.pending is not None and request.state not in KEEPS_PENDING and not request.check_mode:
        _forget_pending(router)
    if not change.needed:
        return Outcome(seen, note=change.note, diff=change.diff())
    after = replace(
        seen,
        in_force=change.routing or seen.in_force,
        durable=change.routing or seen.durable,
        journal=change.journal,
        journal_error=None,
        interrupted=False,
        pending=seen.pending if request.state in KEEPS_PENDING else None,
    )
    return Outcome(after, changed=True, note=change.note, diff=change.diff(), flip_ms=flip_ms)


def _forget_pending(router: Router) -> None:
    if router.pending is not None:
        router.pending.remove()


def _arm(request: Request, router: Router, clock: Clock, detach: Detach) -> Outcome:
    """Stage, and leave the flip to a process that stays on the router; it holds the router until the instant."""
    with ExitStack() as held:
        held.enter_context(router.exclusive())
        seen = router.observe()
        change = plan(request, seen)
        if change.moves_traffic and not request.check_mode:
            detach(armed(request, router, change, clock, held))
    return Outcome(seen, note=change.note, diff=change.diff())


def _apply(request: Request, router: Router, change: Change, clock: Clock) -> float | None:
    """Traffic first, then the journal that says so; a rollback fences first, so that no doubt about its flip lets a run go on."""
    expected = change.seen.journal.epoch if change.seen.journal else -1
    fence_first = request.state == "rolled_back"
    flip_ms = None
    if fence_first:
        router.store(change.journal, expected)
    try:
        if change.routing is not None and change.moves_traffic:
            flip_ms = flip(request, router, change, change.routing, clock).ms
    except TurnoutError as error:
        error.details["changed"] = fence_first
        raise
    if not fence_first:
        router.store(change.journal, expected)
    return flip_ms


def _wait_healthy(request: Request, router: Router, clock: Clock) -> Outcome:
    colour = request.colour or ""
    percent = 100 if request.min_healthy is None else request.min_healthy

    def ask() -> Outcome | None:
        seen = router.observe()
        still_mine(request, seen)
        capacity = seen.capacity[colour]
        return Outcome(seen, note=f"{colour}: {capacity}") if capacity.enough(percent) else None

    answer = wait_for(replace(request, timeout=1e-9) if request.check_mode else request, clock, ask)
    if answer is not None:
        return answer
    seen = router.observe()
    note = f"{colour} has {seen.capacity[colour]}, expected {percent}% and at least one"
    if request.on_timeout == "report" or request.check_mode:
        return Outcome(seen, note=note, done=False)
    raise Unhealthy(f"{note} within {round(request.timeout, 1):g} s", "look at those servers, then run again")


def _wait_committed(request: Request, router: Router, clock: Clock) -> Outcome:
    """Until the process on the router has flipped, or has said why not."""
    if request.check_mode or router.pending is None:
        return Outcome(router.observe(), note="nothing is staged in check mode")
    store, at = router.pending, request.at or 0.0

    def decided() -> bool | None:
        pending = store.load()
        return pending is None or pending.at != at or bool(pending.error) or pending.flipped_at is not None or None

    wait_for(replace(request, timeout=max(at - clock.now(), 0) + request.timeout), clock, decided)
    seen = router.observe()
    still_mine(request, seen)
    pending = seen.pending
    if pending is not None and pending.at == at and pending.flipped_at is not None:
        note = f"traffic is {seen.where()}"
        return Outcome(seen, changed=True, note=note, flip_ms=pending.flip_ms, flipped_at=pending.flipped_at)
    plan(replace(request, state="switched"), seen)  # says what is wrong, unless it was in force before
    return Outcome(seen, note=f"traffic is {seen.where()} already")


def _wait_drained(request: Request, router: Router, clock: Clock) -> Outcome:
    colour = request.colour or ""
    seen = router.observe()
    _need_idle(request, seen, colour)
    if request.check_mode:
        return Outcome(seen, note=f"{seen.in_flight[colour]} in flight on {colour}", left=seen.in_flight[colour])
    answer = wait_for(request, clock, lambda: _empty(router, seen, colour))
    if answer is not None:
        return answer
    if request.shutdown_sessions:
        return _cut(request, router, clock, colour)
    left = router.in_flight(colour)
    note = f"{left} still in flight on {colour} after {round(request.timeout, 1):g} s"
    if request.on_timeout == "report":
        return Outcome(seen, note=note, left=left, done=False)
    raise TimedOut(note, f"wait longer (timeout), or end them (shutdown_sessions): {colour} gets no new traffic")


def _need_idle(request: Request, seen: Observation, colour: str) -> None:
    still_mine(request, seen)
    routing = need_routing(seen)
    if routing.split.serves(colour):
        raise Refused(f"{colour} can not drain: traffic is {routing}", f"take all weight from {colour} first")


def _empty(router: Router, seen: Observation, colour: str) -> Outcome | None:
    if router.in_flight(colour):
        return None
    return Outcome(replace(seen, in_flight={**seen.in_flight, colour: 0}), note=f"{colour} is drained", left=0)


def _cut(request: Request, router: Router, clock: Clock, colour: str) -> Outcome:
    with router.exclusive():  # a rollback may have brought traffic back while this run waited
        seen = router.observe()
        _need_idle(request, seen, colour)
        left = router.in_flight(colour)
        router.cut(colour)
    seen = router.observe()
    answer = wait_for(request, clock, lambda: _empty(router, seen, colour))
    if answer is None:
        raise TimedOut(f"{router.in_flight(colour)} still in flight on {colour} after its sessions were ended")
    return replace(answer, changed=True, note=f"{left} sessions of {colour} were ended at the deadline")
