# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run of ``ansible-playbook`` this is, and whether an earlier one on this control node is known to be dead.

A run's id is ``<boot>-<pid namespace>-<pid>-<start>``: within one boot and one pid namespace, pid and start time
name one process.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUNNING, STOPPED, GONE = "running", "stopped", "gone"


def _stat(pid: int) -> list[str]:
    """The fields of a process from its state on (proc(5), stat, field 3 and later); empty when it does not live."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    fields = stat.rpartition(")")[2].split()
    return [] if fields[0] in "ZX" else fields


def _start_time(pid: int) -> str:
    """Clock ticks from boot to the start of a process (field 22); empty when it does not live."""
    return "".join(_stat(pid)[19:20])


@dataclass(frozen=True)
class Process:
    """A process that is not mistaken for a later one with its number.

    Args:
        pid: its number.
        start: clock ticks from boot to its start; empty where there is no ``/proc``.
    """

    pid: int
    start: str

    def state(self) -> str:
        """``running``, ``stopped`` by a signal, or ``gone``. Where there is no ``/proc``, stopped is not told from running."""
        if not self.start:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                return GONE
            return RUNNING
        fields = _stat(self.pid)
        if fields[19:20] != [self.start]:
            return GONE
        return STOPPED if fields[0] == "T" else RUNNING


def main_process() -> Process:
    """``ansible-playbook``, of which this process is a worker."""
    pid = os.getppid()
    return Process(pid, _start_time(pid))


def _place() -> str:
    """Where pids mean something; the host's name where there is no ``/proc``."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return socket.gethostname()


def run_id() -> str:
    """The id of the run that this worker process belongs to."""
    main = main_process()
    return f"{_place()}-{main.pid}-{main.start or 0}"


def known_dead(run: str) -> bool:
    """The run was started here, and its process is gone. False when that can not be told."""
    place, _dummy, rest = run.rpartition("-")[0].rpartition("-")
    start = run.rpartition("-")[2]
    if place != _place() or not rest.isdigit() or start == "0":
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another user's: /proc may hide when it was started (proc(5), hidepid)
    return _start_time(int(rest)) != start


def owner(variables: Mapping[str, Any]) -> str:
    """Who started this run, for people: the AWX user and job where there is one, else the user of the control node."""
    job = variables.get("awx_job_id") or variables.get("tower_job_id")
    if job:
        user = variables.get("awx_user_name") or variables.get("tower_user_name") or "scheduler"
        return f"{user} (AWX job {job})"
    return f"{getpass.getuser()}@{socket.gethostname()}"
