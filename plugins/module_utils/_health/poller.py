# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: polls every target until each is decided or the deadline is over."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Callable, cast

from .expectations import HealthError, Outcome
from .stats import Latencies
from .targets import Target

Probe = Callable[[Target], Awaitable[Outcome]]


@dataclass(frozen=True)
class Pace:
    """How fast and how long to poll.

    :param deadline: seconds for the whole poll
    :param jitter: every pause is the target's interval times a random factor of 1 - jitter to 1 + jitter
    :param concurrency: tries at the same moment
    :param fail_fast: the first target that is given up ends the poll
    """

    deadline: float = 60.0
    jitter: float = 0.2
    concurrency: int = 200
    fail_fast: bool = False

    def __post_init__(self) -> None:
        """:raises HealthError: when a number makes no sense"""
        if not self.deadline > 0:
            raise HealthError(f"deadline must be more than 0 seconds, not {self.deadline}")
        if not 0 <= self.jitter <= 1:
            raise HealthError(f"jitter must be between 0 and 1, not {self.jitter}")
        if self.concurrency < 1:
            raise HealthError(f"concurrency must be at least 1, not {self.concurrency}")


@dataclass(frozen=True)
class Timing:
    """Clock (seconds), sleep (seconds) and randomness (a number between two)."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform


class Verdict(Enum):
    """Where a target stands."""

    UNDECIDED = "undecided"
    HEALTHY = "healthy"
    GIVEN_UP = "given up"


class Record:
    """What the tries of one target gave so far."""

    __slots__ = (
        "cut_short",
        "failures",
        "in_a_row",
        "last_error",
        "latencies",
        "successes",
        "target",
        "tries",
    )

    def __init__(self, target: Target) -> None:
        self.target = target
        self.tries = self.successes = self.failures = self.in_a_row = 0
        self.last_error: str | None = None
        self.cut_short = False
        self.latencies = Latencies()

    @property
    def verdict(self) -> Verdict:
        """Healthy after enough successes in a row, given up after more failures than allowed."""
        policy = self.target.policy
        if self.in_a_row >= policy.successes:
            return Verdict.HEALTHY
        if policy.max_failures is not None and self.failures > policy.max_failures:
            return Verdict.GIVEN_UP
        return Verdict.UNDECIDED

    def add(self, outcome: Outcome) -> None:
        """Count one finished try."""
        self.tries += 1
        if outcome.latency is not None:
            self.latencies.add(outcome.latency)
        if outcome.error is None:
            self.successes += 1
            self.in_a_row += 1
        else:
            self.failures += 1
            self.in_a_row = 0
            self.last_error = outcome.error

    @property
    def reason(self) -> str:
        """Why the target is not healthy; the same words for the same cause."""
        policy = self.target.policy
        if self.verdict is Verdict.GIVEN_UP:
            return f"{self.last_error}, given up at failure {self.failures}"
        if self.cut_short:
            return "not decided, another target ended the poll"
        if not self.tries:
            return "never tried, the deadline came first"
        if not self.in_a_row and self.last_error:
            return self.last_error
        flapped = f", last error: {self.last_error}" if self.last_error else ""
        return f"{self.in_a_row} of {policy.successes} successes in a row at the deadline{flapped}"


class Poller:
    """Polls with one probe. Use one poller for one poll."""

    def __init__(self, probe: Probe, pace: Pace, timing: Timing | None = None) -> None:
        self._probe = probe
        self._pace = pace
        self._timing = timing or Timing()
        self._stopped = False

    async def poll(self, targets: Iterable[Target]) -> list[Record]:
        """Poll all targets at once and return one record each, in their order."""
        slots = asyncio.Semaphore(self._pace.concurrency)
        ends = self._timing.clock() + self._pace.deadline
        records = [Record(target) for target in targets]
        tasks = [asyncio.ensure_future(self._follow(record, slots, ends)) for record in records]
        if self._pace.fail_fast:
            for task in tasks:
                task.add_done_callback(lambda done: self._stop_after(done, tasks))
        finished = await asyncio.gather(*tasks, return_exceptions=True)
        for record, end in zip(records, finished):
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end
            record.cut_short = self._stopped
        return records

    def _stop_after(self, done: asyncio.Task[Verdict], tasks: list[asyncio.Task[Verdict]]) -> None:
        if not done.cancelled() and not done.exception() and done.result() is Verdict.GIVEN_UP:
            self._stopped = True
            for task in tasks:
                task.cancel()

    async def _follow(self, record: Record, slots: asyncio.Semaphore, ends: float) -> Verdict:
        """Try one target again and again until it is decided or no further try fits before ``ends``."""
        clock, sleep, uniform = self._timing.clock, self._timing.sleep, self._timing.uniform
        jitter = self._pace.jitter
        while True:
            async with slots:
                left = ends - clock()
                if left <= 0:
                    return record.verdict
                await self._try(record, left)
            pause = record.target.policy.interval * uniform(1 - jitter, 1 + jitter)
            if record.verdict is not Verdict.UNDECIDED or clock() + pause >= ends:
                return record.verdict
            await sleep(pause)

    async def _try(self, record: Record, left: float) -> None:
        timeout = record.target.policy.timeout
        try:
            outcome = await _within(min(timeout, left), self._probe(record.target))
        except asyncio.TimeoutError:
            if timeout > left:
                # The deadline, not the target, ended this try: it says nothing against an earlier one.
                record.tries += 1
                record.last_error = record.last_error or "no answer before the deadline"
                return
            outcome = Outcome(None, f"no answer within {timeout:g} s")
        record.add(outcome)


async def _within(seconds: float, attempt: Awaitable[Outcome]) -> Outcome:
    """Await it, at most so long. Unlike asyncio.wait_for before Python 3.12, it needs no task of its own.

    :raises asyncio.TimeoutError: when the time was over first
    """
    task = cast("asyncio.Task[Any]", asyncio.current_task())
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        return await attempt
    except asyncio.CancelledError:
        if expired:
            raise asyncio.TimeoutError from None
        raise
    finally:
        timer.cancel()
