# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flip at one instant on many routers, all or none, whatever becomes of the run that asks for it.

Each router prepares everything and leaves a process behind that flips at the instant, by the router's own clock. Then it
waits for the run to confirm. A run that has died, or can not reach this router any more, does not confirm: the process
takes the flip back, so that this router ends where the others do.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import Callable

from .._clock import Clock
from .._errors import BadInput, Busy, TooLate, TurnoutError
from .._journal import Journal
from .._pending import Pending, PendingStore
from .._router import Observation, Router
from .change import Change
from .flip import discard, flip, stage
from .guards import need_routing
from .request import Request

Work = Callable[[], None]
Detach = Callable[[Work], None]

#: A rollback removes the record to call a flip off, and should not have to wait.
GLANCE_SECONDS = 0.02
WATCH_SECONDS = 0.1
#: The router is held from staging to the instant: nobody means to hold it for longer.
LONGEST_WAIT_SECONDS = 300.0


def detached(work: Work) -> None:
    """Do the work in a process of its own that outlives this one, its session and its terminal."""
    sys.stdout.flush()
    if os.fork():
        return
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        work()
    finally:
        os._exit(0)


def _store_of(router: Router) -> PendingStore:
    if router.pending is None:
        raise BadInput("this kind of router can not flip at an instant by itself", "leave at out")
    return router.pending


def armed(request: Request, router: Router, change: Change, clock: Clock, held: ExitStack) -> Work:
    """Stage the change and record that it is due; the work that is left is the flip.

    Args:
        request: with ``at`` and ``confirm_within``.
        router: held by ``held``.
        change: what shall be done at the instant.
        clock: the router's.
        held: closed by the work when it has flipped, so that the router is free while it waits for the run.

    Raises:
        TurnoutError: it could not be staged, and nothing is due.
    """
    store, at, former = _store_of(router), request.at or 0.0, need_routing(change.seen)
    ahead = at - change.seen.clock
    if ahead <= 0:
        raise TooLate(f"the instant for the flip was {-ahead:.3f} s ago", "run it again; more time before the flip: cutover_lead")
    if ahead > LONGEST_WAIT_SECONDS:
        raise BadInput(f"the instant for the flip is {ahead:.0f} s ahead: at most {LONGEST_WAIT_SECONDS:.0f} are possible")
    stage(request, router, change)
    pending = Pending(
        epoch=request.epoch or 0,
        run=request.run,
        at=at,
        revert_at=at + request.confirm_within,
        target=change.routing or former,
        former=former,
    )
    try:
        store.store(pending)
    except TurnoutError:
        discard(router, change.seen)
        raise

    def work() -> None:
        with held:
            done = _flip_at_the_instant(request, router, store, change, pending, clock)
        if done is not None:
            _watch(router, store, done, clock)

    return work


def _flip_at_the_instant(
    request: Request, router: Router, store: PendingStore, change: Change, pending: Pending, clock: Clock
) -> Pending | None:
    while True:
        left = pending.at - clock.now()
        if left <= GLANCE_SECONDS:
            break
        clock.sleep(min(left - GLANCE_SECONDS / 2, GLANCE_SECONDS))
        if store.load() != pending:
            discard(router, change.seen)
            return None
    clock.sleep(max(pending.at - clock.now(), 0.0))
    try:
        made = flip(request, router, change, pending.target, clock)
    except TurnoutError as error:
        store.store(replace(pending, error=error.message), urgent=True)
        return None
    done = replace(pending, flipped_at=made.at, flip_ms=made.ms)
    store.store(done, urgent=True)
    return done


def _watch(router: Router, store: PendingStore, pending: Pending, clock: Clock) -> None:
    """Until the run has confirmed, or somebody else has decided, or the time is over."""
    while clock.now() < pending.revert_at:
        clock.sleep(WATCH_SECONDS)
        if store.load() != pending:
            return
    while store.load() == pending:
        try:
            with router.exclusive():
                if store.load() == pending:
                    _take_back(router, store, pending, clock)
                return
        except Busy:
            continue


def _take_back(router: Router, store: PendingStore, pending: Pending, clock: Clock) -> None:
    try:
        seen = router.observe()
        refusal = _stays(seen, pending)
        if refusal:
            store.store(replace(pending, error=refusal), urgent=True)
            return
        journal = _taken_back(seen, pending, clock)
        router.stage(pending.former, journal, urgent=True)
        router.commit(pending.former)
        router.confirm(pending.former)
        router.store(journal, journal.epoch)
        store.remove()
    except TurnoutError as error:
        router.discard()
        store.store(replace(pending, error=f"it could not be taken back: {error.message}"), urgent=True)


def _stays(seen: Observation, pending: Pending) -> str:
    """Why the flip must stay: the way back leads to nobody (I2)."""
    gaining = pending.former.split.gaining(pending.target.split)
    sick = [colour for colour in gaining if not seen.capacity[colour].enough(0)]
    return f"no run confirmed it, and it was not taken back: {sick[0]} has {seen.capacity[sick[0]]}" if sick else ""


def _taken_back(seen: Observation, pending: Pending, clock: Clock) -> Journal:
    journal = seen.journal
    if journal is None or journal.epoch != pending.epoch:
        raise BadInput(f"epoch {pending.epoch} is over")
    return replace(
        journal,
        routing=pending.former,
        phase="taken_back",
        changed_at=clock.now(),
        changed_by=f"this router: no confirmation by run {pending.run}",
    )


def cancel(request: Request, router: Router) -> None:
    """Call off a flip that waits for its instant, without waiting for the process that holds the router for it."""
    store = router.pending
    pending = store.load() if store is not None else None
    if store is None or pending is None or pending.flipped_at is not None or pending.error:
        return
    if request.epoch is None or request.epoch >= pending.epoch:
        store.remove()
