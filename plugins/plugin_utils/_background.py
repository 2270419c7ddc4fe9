# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that a worker of ``ansible-playbook`` leaves behind, and that holds nothing that others wait for."""

from __future__ import annotations

import os
import signal
import stat
from typing import Any

from ansible.utils.display import Display

display = Display()


class _Silence:
    """In place of the queue on which a worker sends what is to be shown: nobody listens any more."""

    def send_display(self, *args: Any, **kwargs: Any) -> None:
        """Drop it."""

    def send_prompt(self, *args: Any, **kwargs: Any) -> None:
        """Drop it."""


def leave() -> None:
    """Let go of all that the worker has, so that nobody waits for the end of this process.

    Whoever started ``ansible-playbook`` may wait until all ends of a pipe or a terminal are closed.
    """
    os.setsid()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(name, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2, *shared()):
        os.dup2(null, number)  # not closed: an object that still knows the number would later close another file
    display.set_queue(_Silence())


def shared() -> list[int]:
    """Open pipes, sockets and terminals."""
    found = []
    for number in map(int, os.listdir("/dev/fd")):
        try:
            mode = os.fstat(number).st_mode
        except OSError:  # that of the listing itself
            continue
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(number):
            found.append(number)
    return found
