# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and stop the sample application where there is no systemd.

``start`` runs the code under ``ROOT/current`` as a daemon; ``stop`` ends only the process that ``start``
began: the record beside the log holds its pid and its start time, so a reused pid is never signalled.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RUNNING, NOT_RUNNING, FAILED = 0, 3, 1  # exit codes as the Linux Standard Base has them for `status`


def start_time(pid: int) -> int | None:
    """When the process began, in clock ticks since boot (proc(5), field 22); None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def wait(predicate: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


@dataclass(frozen=True)
class Control:
    root: Path
    name: str
    host: str
    port: int
    colour: str
    timeout: float

    @property
    def record(self) -> Path:
        return self.root / (f"{self.name}.pid")

    @property
    def log(self) -> Path:
        return self.root / (f"{self.name}.log")

    def pid(self) -> int | None:
        """The pid of the process that was started from here and still runs."""
        try:
            record = json.loads(self.record.read_text(encoding="ascii"))
            pid, started = int(record["pid"]), int(record["started"])
        except (OSError, ValueError, KeyError):
            return None
        return pid if start_time(pid) == started else None

    def answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.host, self.port)) == 0

    def start(self) -> int:
        if self.pid() is not None:
            return RUNNING
        if self.answers():
            return self.fail(f"{self.host}:{self.port} is taken by another process")
        command = [sys.executable, str(self.root / "current" / "shop.py"), "--name", self.name]
        command += ["--host", self.host, "--port", str(self.port), "--colour", self.colour]
        with self.log.open("ab") as log:
            # A new session and our own exit make it a daemon: init adopts it, no terminal can hang it up.
            process = subprocess.Popen(
                command,
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started = start_time(process.pid)
        partial = self.record.with_suffix(".new")
        partial.write_text(json.dumps({"pid": process.pid, "started": started}), encoding="ascii")
        partial.replace(self.record)
        if not wait(lambda: process.poll() is not None or self.answers(), self.timeout) or process.poll() is not None:
            return self.fail(f"{self.name} does not listen on {self.host}:{self.port}")
        return RUNNING

    def stop(self) -> int:
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            if not wait(lambda: self.pid() is None, self.timeout):
                os.kill(pid, signal.SIGKILL)
                wait(lambda: self.pid() is None, self.timeout)
        self.record.unlink(missing_ok=True)
        return RUNNING

    def restart(self) -> int:
        return self.stop() or self.start()

    def status(self) -> int:
        pid = self.pid()
        state = "stopped" if pid is None else f"running, pid {pid}"
        print(f"{self.name}: {state}")
        return NOT_RUNNING if pid is None else RUNNING

    def fail(self, why: str) -> int:
        tail = self.log.read_text(encoding="utf-8", errors="replace")[-2000:] if self.log.exists() else ""
        print(f"appctl: {why}\n{tail}", file=sys.stderr)
        return FAILED


def main() -> int:
    parser = argparse.ArgumentParser(description="Start and stop the sample application where there is no systemd")
    parser.add_argument("action", choices=("start", "stop", "restart", "status"))
    parser.add_argument("--root", type=Path, required=True, help="holds `current`, the log and the pid file")
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--colour", default="")
    parser.add_argument("--timeout", type=float, default=15.0, help="seconds to wait for a start or a stop")
    options = parser.parse_args()
    control = Control(options.root.resolve(), options.name, options.host, options.port, options.colour, options.timeout)
    action: Callable[[], int] = getattr(control, options.action)
    return action()


if __name__ == "__main__":
    sys.exit(main())
