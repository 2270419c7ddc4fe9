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
from .runtime import Process, workers


@dataclass(frozen=True)
class Fleet:
    """What was found in one look.

    Args:
        current: one process for each stats socket: takes new connections.
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
        sockets: paths of the stats sockets, one for each HAProxy.
        master_sockets: paths of the master CLIs; one that does not exist is no master.
        timeout: seconds for each exchange, and for a master that loads a configuration.
        sleep: injected for tests.
    """
    current = tuple(Process(path, timeout=timeout) for path in sockets)
    pids = {_pid(process) for process in current}
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
        former += [Process(path, pid, timeout) for pid in found if pid not in pids]
    return Fleet(current, tuple(former), tuple(doubts))


def _pid(process: Process) -> int:
    for line in process.ask(["show info"])[0].splitlines():
        name, _dummy, value = line.partition(": ")
        if name == "Pid":
            return int(value)
    raise SocketError(f"{process}: 'show info' names no Pid")


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
