# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch gates for a while: the loop between sources and verdict."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import Gate
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.progress import FAILED, RUNNING, Progress
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.report import Screen, closing, line
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import Source

#: From one look at what the routers have written to the next, seconds.
GLANCE_SECONDS = 0.2

Readings = Mapping[str, Reading]


class Watching:
    """Reads the sources of the gates that are due, each at its own pace, so that a slow source delays no other gate.

    Args:
        progress: of the gates.
        sources: by the name of their gate.
        refresh: takes in what the routers have written meanwhile; a text when there is no use in going on, else an empty one.
        show: prints a line.
        title: what is watched, for the lines.
        screen: says which lines are worth it.
        clock: seconds, the clock of the readings.
    """

    def __init__(
        self,
        progress: Progress,
        sources: Mapping[str, Source],
        refresh: Callable[[], str],
        show: Callable[[str], None],
        title: str,
        screen: Screen,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._sources, self._refresh = progress, sources, refresh
        self._show, self._title, self._screen, self._clock = show, title, screen, clock
        self._colours = (progress.candidate, progress.stable)
        self._reading: dict[Future[Readings], Gate] = {}

    def run(self) -> str:
        """Watch until there is a verdict; why it was broken off, or an empty text."""
        try:
            return self._run()
        finally:
            for source in self._sources.values():
                source.close()

    def _run(self) -> str:
        while True:
            cause = self._refresh()
            now = self._clock()
            self._take(now)
            over = bool(cause) or self._progress.verdict(now).state != RUNNING
            if self._screen.wants(now, self._progress) or over:
                self._show(line(self._title, self._progress, now))
            if over:
                return cause
            busy = {gate.name for gate in self._reading.values()}
            for gate in self._progress.due(now):
                if gate.name not in busy:
                    self._reading[self._read(gate.name)] = gate
            self._wait(now)

    def _read(self, name: str) -> Future[Readings]:
        """In a daemon thread: the next task, which may be the way back, waits until the worker's process has ended."""
        future: Future[Readings] = Future()

        def read() -> None:
            try:
                future.set_result(self._sources[name].read(self._colours))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=read, name=f"gate-{name}", daemon=True).start()
        return future

    def _wait(self, now: float) -> None:
        if self._reading:
            wait(self._reading, GLANCE_SECONDS, FIRST_COMPLETED)
        else:
            time.sleep(min(max(self._progress.wake_at(now) - now, 0.0), GLANCE_SECONDS))

    def _take(self, now: float) -> None:
        done = [future for future in self._reading if future.done()]
        found = {self._reading.pop(future).name: future.result() for future in done}
        if found:
            self._progress.add(now, found)


def passed(progress: Progress, now: float) -> bool:
    """Whether traffic may stay."""
    return progress.verdict(now).state not in (RUNNING, FAILED)


def said(title: str, progress: Progress, now: float, names: Sequence[str]) -> str:
    """The end in a sentence; the routers' doubts about their own numbers belong to it."""
    return "; ".join([closing(title, progress, now), *names])
