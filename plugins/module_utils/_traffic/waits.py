# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for an answer, with the clock that is handed in."""

from __future__ import annotations

from typing import Callable, TypeVar

from .._clock import Clock
from .._router import Observation
from .guards import need_epoch, need_journal
from .request import Request

_Answer = TypeVar("_Answer")


def wait_for(request: Request, clock: Clock, ask: Callable[[], _Answer | None]) -> _Answer | None:
    """Ask until there is an answer or the time is over; None means over."""
    deadline = clock.monotonic() + request.timeout
    while True:
        answer = ask()
        if answer is not None:
            return answer
        left = deadline - clock.monotonic()
        if left <= 0:
            return None
        clock.sleep(min(request.interval, left))


def still_mine(request: Request, seen: Observation) -> None:
    """Raise when a newer run has claimed the service; nothing for a task without an epoch."""
    if request.epoch is not None:
        need_epoch(request, need_journal(request, seen))
