# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of life for the lease of a run, also while one of its steps takes long.

The worker process that has claimed a router leaves a process behind, which renews the lease on that router for as long as
``ansible-playbook`` lives. So a lease can be short, and another control node soon takes over from a run that has died.
A run that is stopped (SIGSTOP) gives no sign of life: what does not act must not hold the service.
"""

from __future__ import annotations

import os
import signal
from typing import Any, Callable, Protocol

from ansible.utils.display import Display
from ansible_collections.turnout.bluegreen.plugins.module_utils._clock import SYSTEM, Clock
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._background import leave
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._run import GONE, STOPPED, main_process

display = Display()

#: How long the process may outlive the run, seconds.
GLANCE_SECONDS = 1.0
#: A router is given at least this long to answer, seconds, however short the lease is.
LEAST_PATIENCE_SECONDS = 30.0
#: Of a lease, from one sign of life to the next: two may fail.
PART_OF_LEASE = 1 / 3

# Exit statuses of the process that gives one sign of life.
GOES_ON = 0
FAILED = 1
OVER = 3


class Beats(Protocol):
    """Gives signs of life, one at a time."""

    def start(self) -> None:
        """Begin one."""

    def status(self) -> int | None:
        """How the one that was begun has ended; None when it has not."""

    def kill(self) -> None:
        """End the one that was begun, if it has not ended."""


class Asker(Protocol):
    """The ``traffic`` action, as far as it is needed here."""

    router: str
    _connection: Any
    _task: Any

    def ask(self, params: dict[str, Any], info: bool = False) -> dict[str, Any]:
        """Do what the parameters ask for on the router; the module's return values."""

    def cleanup(self, force: bool = False) -> None:
        """Remove temporary files from the router."""


def start(action: Asker, params: dict[str, Any], answer: dict[str, Any]) -> None:
    """Renew the lease that a claim has taken, from now on until the run ends. Nothing when no lease was taken.

    Args:
        action: the action that has claimed the router; its connection must be one that starts a command for each task
            (``ssh``, ``local``), because a session that is kept open can not be shared by two processes.
        params: what the action has asked for.
        answer: what the router has answered.
    """
    lease = (answer.get("journal") or {}).get("lease") or {}
    if params["state"] != "claimed" or not answer.get("changed") or action._task.check_mode or lease.get("run") != params["run"]:
        return
    main, every = main_process(), lease["seconds"] * PART_OF_LEASE
    asked = {"state": "renewed", "epoch": answer["epoch"], **{name: params[name] for name in ("service", "run", "owner")}}
    try:
        child = os.fork()
    except OSError as error:
        display.warning(f"{action.router}: no process could be started that renews the lease: {error.strerror}")
        return
    if child:
        return
    try:
        leave()
        keep(main.state, _Processes(lambda: renew(action, asked)), every)
    finally:
        os._exit(0)


def keep(run: Callable[[], str], beats: Beats, every: float, clock: Clock = SYSTEM) -> None:
    """Give a sign of life in equal intervals, until the run has ended or the lease is not its own any more.

    Args:
        run: tells whether the run is ``running``, ``stopped`` or ``gone``.
        beats: gives them.
        every: seconds from one to the next.
        clock: tells the time and waits.
    """
    due, began = clock.monotonic() + every, None
    while True:
        state, now = run(), clock.monotonic()
        if state == GONE:
            beats.kill()
            return
        if began is not None:
            status = beats.status()
            if status == OVER:
                return
            if status is None and now >= began + max(every, LEAST_PATIENCE_SECONDS):
                beats.kill()
            elif status is not None:
                began = None
        if began is None and now >= due and state != STOPPED:
            beats.start()
            began, due = now, now + every
        ahead = due - now
        clock.sleep(min(ahead, GLANCE_SECONDS) if ahead > 0 else GLANCE_SECONDS)


def renew(action: Asker, asked: dict[str, Any]) -> bool:
    """Renew the lease once; False when there is nothing to renew any more.

    Raises:
        AnsibleError: the router did not answer.
    """
    action._connection._shell.tmpdir = None  # that of the claim is gone
    try:
        answer = action.ask(asked)
    finally:
        action.cleanup()
    if answer.get("failed"):
        return bool(answer.get("reason") != "fenced")
    lease = (answer.get("journal") or {}).get("lease") or {}
    return bool(lease.get("run") == asked["run"])


class _Processes:
    """Signs of life, each in a process group of its own, so that one that is never answered ends with all that waits for it."""

    def __init__(self, beat: Callable[[], bool]) -> None:
        self._beat = beat
        self._pid = 0

    def start(self) -> None:
        try:
            self._pid = os.fork()
        except OSError:
            return  # as good as one that was not answered
        if self._pid:
            return
        status = FAILED
        try:
            os.setpgid(0, 0)
            status = GOES_ON if self._beat() else OVER
        finally:
            os._exit(status)

    def status(self) -> int | None:
        if not self._pid:
            return FAILED
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if not pid:
            return None
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        if not self._pid:
            return
        try:
            os.killpg(self._pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not got so far as to have a group
            os.kill(self._pid, signal.SIGKILL)
