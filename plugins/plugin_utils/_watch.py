# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What routers say of themselves while a bake goes on, collected in the background.

A bake runs in one worker process, which has a connection to one host only. So a task before it leaves a process for each router,
over that router's own connection; each writes a line of JSON for each look into a file on the control node, and the bake reads
the files. Forks do not matter for that, and a router that does not answer holds nothing up.

A file is ``<directory>/<router>.<feed>``; beside it, ``<router>.<feed>.pid`` has the process. A process ends when that record is
gone or another's, or when the run has ended.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ansible import constants
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._background import leave
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._run import GONE, main_process

#: From one glance at whether to go on to the next, seconds.
GLANCE_SECONDS = 0.2

Look = Callable[[], Mapping[str, Any]]


def directory(service: str) -> Path:
    """Where this run of ``ansible-playbook`` keeps what is collected for a service; Ansible removes it at its end."""
    return Path(constants.DEFAULT_LOCAL_TMP) / f"bluegreen-{quote(service, safe='')}"


def start(folder: Path, router: str, feed: str, look: Look, interval: float) -> None:
    """Leave a process that looks in equal intervals, and first at once.

    Args:
        folder: of :func:`directory`.
        router: inventory name.
        feed: what is looked at.
        look: one look; its answer is a line of the file. An error is one as well.
        interval: seconds from the start of one look to the start of the next.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{quote(router, safe='')}.{feed}"
    run = main_process()
    path.unlink(missing_ok=True)
    written, record = os.pipe()
    child = os.fork()
    if child:
        # Not by the child: whoever comes next must find it.
        os.close(written)
        Path(f"{path}.pid").write_text(str(child), encoding="ascii")
        os.close(record)
        return
    try:
        os.close(record)
        os.read(written, 1)  # returns when the record is written
        leave()
        _guard(path, lambda: run.state() != GONE, lambda: _write(path, look, interval))
    finally:
        os._exit(0)


def stop(folder: Path) -> None:
    """End all processes of a directory, whatever they wait for, and remove what they wrote."""
    for record in folder.glob("*.pid"):
        with suppress(OSError, ValueError):
            os.kill(int(record.read_text(encoding="ascii")), signal.SIGTERM)
    shutil.rmtree(folder, ignore_errors=True)


def _guard(path: Path, lives: Callable[[], bool], work: Callable[[], None]) -> None:
    """Have the work done by a process that can be ended in the middle of a look that is never answered."""
    begun = os.getpid()
    worker = os.fork()
    if not worker:
        try:
            os.setpgid(0, 0)
            work()
        finally:
            os._exit(0)

    def end(*_signal: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(worker, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)  # when it has not got so far as to have a group
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    record = Path(f"{path}.pid")
    while lives() and _read(record) == str(begun):
        if os.waitpid(worker, os.WNOHANG)[0]:
            return
        time.sleep(GLANCE_SECONDS)
    end()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def _write(path: Path, look: Look, interval: float) -> None:
    while True:
        began = time.monotonic()
        try:
            answer = dict(look())
        except Exception as error:  # whatever a connection plugin raises is what there is to say
            answer = {"error": str(error)}
        line = json.dumps({"at": time.monotonic(), **answer}) + "\n"
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
        time.sleep(max(began + interval - time.monotonic(), 0.0))


class Feed:
    """The lines of one kind that all routers of a directory have written, read from where the last look ended.

    Args:
        folder: of :func:`directory`.
        feed: what was looked at.
    """

    def __init__(self, folder: Path, feed: str) -> None:
        self._folder, self._feed = folder, feed
        self._offsets: dict[str, int] = {}
        self.routers = sorted(unquote(path.name[: -len(f".{feed}.pid")]) for path in folder.glob(f"*.{feed}.pid"))

    def new(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """Router and look, of all looks since the last call."""
        found = []
        for router in self.routers:
            path = self._folder / f"{quote(router, safe='')}.{self._feed}"
            try:
                with path.open("rb") as file:
                    file.seek(self._offsets.get(router, 0))
                    data = file.read()
            except FileNotFoundError:
                continue
            complete = data[: data.rfind(b"\n") + 1]
            self._offsets[router] = self._offsets.get(router, 0) + len(complete)
            found += [(router, json.loads(line)) for line in complete.splitlines()]
        return found
