# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts requests at their times, however slow the answers are.

A client that waits for an answer before it sends the next request measures a slow service kindly: while the service is slow,
it asks less. Here the n-th request starts n divided by the rate after the first one. What can not start, because too many
are under way or this process itself is late, is skipped and counted, never sent later in a burst.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Sequence
from typing import Callable

from .client import Outcome
from .requests import Request

Fetch = Callable[[Request, bool], Awaitable[Outcome]]

KINDS = ("keep_alive", "new")
#: Seconds between two looks whether to stop.
_LOOK = 0.1
#: Seconds that a request may start late.
_LATE = 1.0


class OpenLoop:
    """Sends the requests in turn. Set ``stopped`` to end :meth:`run` early; what is under way is then waited for.

    Args:
        fetch: sends one request; the second argument says whether over a kept connection.
        requests: what to send.
        connections: ``keep_alive``, ``new`` or ``both``, which alternate.
        concurrency: requests under way at most.
    """

    def __init__(self, fetch: Fetch, requests: Sequence[Request], connections: str, concurrency: int) -> None:
        self._fetch, self._requests, self._concurrency = fetch, requests, concurrency
        self._kinds = KINDS if connections == "both" else (connections,)
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None
        self.stopped = False

    async def run(self, rate: float, count: int | None, seen: Callable[[Outcome], None], skipped: Callable[[], None]) -> None:
        """Send ``count`` requests (None: until stopped) at ``rate`` per second, and wait for their ends.

        Args:
            rate: requests per second.
            count: how many.
            seen: is called with each request's outcome.
            skipped: is called for each request that could not start.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            for place in itertools.count() if count is None else range(count):
                due = began + place / rate
                wait = due - loop.time()
                while wait > 0 and not self.stopped:
                    await asyncio.sleep(min(wait, _LOOK))
                    wait = due - loop.time()
                if self.stopped:
                    break
                request, kept = self._next()
                if len(self._tasks) >= self._concurrency or -wait > _LATE:
                    skipped()
                    await asyncio.sleep(0)  # whoever is late has ends to look at first
                else:
                    self._start(request, kept, seen)
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
        if self._broken is not None:
            raise self._broken

    def _next(self) -> tuple[Request, bool]:
        """Request and kind: each request is sent over each kind of connection in its turn."""
        turn, kind = divmod(self._number, len(self._kinds))
        self._number += 1
        return self._requests[turn % len(self._requests)], self._kinds[kind] == "keep_alive"

    def _start(self, request: Request, kept: bool, seen: Callable[[Outcome], None]) -> None:
        async def send() -> None:
            seen(await self._fetch(request, kept))

        task = asyncio.get_running_loop().create_task(send())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._broken = self._broken or error
            self.stopped = True
