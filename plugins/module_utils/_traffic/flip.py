# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The act itself: stage, commit, confirm, and back again on any doubt."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from .._clock import Clock
from .._errors import StorageError, TurnoutError
from .._router import Observation, Router
from .._routing import Routing
from .change import Change
from .confirm import confirm_at
from .request import Request


@dataclass(frozen=True)
class Flip:
    """When it was in force, seconds since the Unix epoch by the router's clock, and how long it took, milliseconds."""

    at: float
    ms: float


def stage(request: Request, router: Router, change: Change) -> None:
    """Prepare the change; what could be prepared is thrown away when not all of it could."""
    try:
        router.stage(change.routing if change.moves_traffic else None, change.journal, request.state == "rolled_back")
    except TurnoutError:
        discard(router, change.seen)
        raise


def discard(router: Router, seen: Observation) -> None:
    """Throw away what was staged, and keep the sign that an earlier switch was interrupted."""
    router.discard()
    if seen.interrupted and seen.journal is not None:
        with suppress(StorageError):
            router.stage(None, seen.journal)


def flip(request: Request, router: Router, change: Change, routing: Routing, clock: Clock) -> Flip:
    """Commit and confirm what was staged; on any doubt put the former routing back before the error goes up.

    Raises:
        TurnoutError: it is not in force; the message says what is.
    """
    started = clock.monotonic()
    try:
        router.commit(routing)
        done = Flip(clock.now(), round((clock.monotonic() - started) * 1000, 3))
        router.confirm(routing)
        if request.confirm_url:
            confirm_at(request.confirm_url, routing.split, timeout=request.timeout)
        return done
    except TurnoutError as error:
        if request.state != "rolled_back":  # away from a bad release, forward is the only good direction
            _compensate(router, change, error)
        raise


def _compensate(router: Router, change: Change, error: TurnoutError) -> None:
    before = change.seen.in_force
    if before is None:
        discard(router, change.seen)
        return
    try:
        router.stage(before, change.seen.journal or change.journal, urgent=True)
        router.commit(before)
        router.confirm(before)
        error.message += f". The former split was put back: {before}"
    except TurnoutError as second:
        error.message += f". Putting {before} back failed as well: {second.message}"
    finally:
        discard(router, change.seen)
