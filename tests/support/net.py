# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Free ports, waiting for a fact, and the end of a process that the tests began."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HOST = "127.0.0.1"
REPOSITORY = Path(__file__).resolve().parents[2]
_given: set[int] = set()


def free_port() -> int:
    """A loopback TCP port that nobody listens on, never given twice by this process.

    It lies below the range from which the kernel takes the ports of outgoing connections, so that the
    load client cannot sit on it between this call and the bind of the server it is meant for.
    """
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    for _attempt in range(200):
        port = random.randrange(10_000, first_ephemeral) if first_ephemeral > 11_000 else 0
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port
    raise RuntimeError("no free loopback port in 200 attempts")


def wait_until(predicate: Callable[[], object], what: str, timeout: float = 15.0, interval: float = 0.02) -> None:
    """Poll until ``predicate`` is true; an OSError means not yet. Raises TimeoutError that names ``what``."""
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(OSError):
            if predicate():
                return
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout} s: {what}")
        time.sleep(interval)


def accepts(port: int, host: str = HOST) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def end(process: subprocess.Popen[bytes], timeout: float = 15.0) -> int:
    """Ask the process to stop, insist after ``timeout`` s, reap it; returns its exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def short_directory(prefix: str) -> tempfile.TemporaryDirectory[str]:
    """A private folder with a path that leaves room for a UNIX socket (108 bytes, unix(7))."""
    return tempfile.TemporaryDirectory(prefix=f"{prefix}-", dir="/tmp")
