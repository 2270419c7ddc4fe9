# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals to a process together with all that it has started."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def stop_tree(root: int) -> list[int]:
    """Stop a process, so that it makes no more children, and all its descendants; their pids, the root first."""
    tree = [root]
    for pid in tree:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGSTOP)
            for task in Path(f"/proc/{pid}/task").iterdir():
                tree += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return tree


def signal_tree(tree: list[int], number: signal.Signals) -> None:
    """Send a signal to what :func:`stop_tree` has stopped, the youngest first."""
    for pid in reversed(tree):
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def kill_tree(root: int) -> None:
    """SIGKILL to a process and all its descendants."""
    signal_tree(stop_tree(root), signal.SIGKILL)
