# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of nginx on this host."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Processes:
    """What was found.

    Args:
        master: pid of the master process; None when the pid file names no nginx that runs, or it can not be seen.
        leaving: pids of workers of an earlier configuration that finish what they have.
        users: ids of the users that the workers run as.
    """

    master: int | None = None
    leaving: tuple[int, ...] = ()
    users: frozenset[int] = frozenset()


def find(pid_file: str) -> Processes:
    """Look at the master that the pid file names, and at its workers.

    What the caller may not see is left out: the workers' own answers decide, these facts only explain.
    """
    master = _master(pid_file)
    if master is None:
        return Processes()
    leaving, users = [], set()
    for pid in _children(master):
        with suppress(OSError):
            title = _read(f"/proc/{pid}/cmdline")
            if b"worker process" in title:
                users.add(os.stat(f"/proc/{pid}").st_uid)
            if b"is shutting down" in title:
                leaving.append(pid)
    return Processes(master, tuple(leaving), frozenset(users))


def _master(pid_file: str) -> int | None:
    with suppress(OSError, ValueError):
        pid = int(_read(pid_file))
        if _read(f"/proc/{pid}/comm").strip() == b"nginx":
            return pid
    return None


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()]
    return []


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
