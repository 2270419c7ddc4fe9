# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All processes of HAProxy on a host that still serve, those that a reload has left to finish included."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from .._errors import SocketError
from .runtime import NOT_UNDERSTOOD, Process, workers


@dataclass(frozen=True)
class Fleet:
    """What was found in one look.

    Args:
        current: the processes behind the stats sockets: they take new connections.
        former: workers that only finish what they have.
        doubts: what could not be looked at, one text each.
    """

    current: tuple[Process, ...]
    former: tuple[Process, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[Process, ...]:
        """Current first: they are what decides for new connections."""
        return self.current + self.former


def find(
    sockets: Sequence[str],
    master_sockets: Sequence[str],
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Fleet:
    """Look for all processes behind the stats sockets and the master CLIs.

    Args:
        sockets: paths of the stats sockets, at least one for each HAProxy.
        master_sockets: paths of the master CLIs; one that does not exist is no master.
        timeout: seconds for each exchange, and for a master that loads a configuration.
        sleep: injected for tests.
    """
    current: dict[tuple[str, ...], Process] = {}
    for process in (Process(path, timeout=timeout) for path in sockets):
        current.setdefault(identity(process), process)  # one process may have several sockets: it counts once
    pids = {identity[0] for identity in current}
    former: list[Process] = []
    doubts: list[str] = []
    for path in master_sockets:
        if not os.path.exists(path):
            continue
        try:
            found = _workers(path, timeout, sleep)
        except PermissionError as error:
            doubts.append(f"{path}: {error.strerror}: workers that a reload left behind can not be told")
            continue
        former += [Process(path, pid, timeout) for pid in found if str(pid) not in pids]
    return Fleet(tuple(current.values()), tuple(former), tuple(doubts))


def identity(process: Process) -> tuple[str, ...]:
    """What tells a process from all others. Pid first; node and start tell two containers with the same pid apart."""
    reply = process.ask(["show info"])[0]
    facts = dict(line.split(": ", 1) for line in reply.splitlines() if ": " in line)
    if not facts.get("Pid", "").isdigit():
        raise SocketError(
            f"{process}: 'show info' was answered with {reply[:200]!r}, not understood: it names no Pid", NOT_UNDERSTOOD
        )
    return tuple(facts.get(name, "") for name in ("Pid", "node", "Start_time_sec"))


def _workers(path: str, timeout: float, sleep: Callable[[float], None]) -> list[int]:
    # A master that re-executes itself for a reload refuses connections until the new configuration is read.
    deadline = time.monotonic() + timeout
    while True:
        try:
            return workers(path, timeout)
        except SocketError as error:
            cause: BaseException | None = error.__cause__
            if isinstance(cause, PermissionError):
                raise cause from error
            if time.monotonic() >= deadline:
                raise
            sleep(0.01)
