# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that look at a router in the background, as they are: real ones, that end when they shall."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _watch
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._run import GONE, Process, _start_time
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._watch import Feed, stop

from tests.support.net import REPOSITORY, wait_until


def start(folder: Path, router: str, feed: str, look: Callable[[], dict[str, Any]], interval: float) -> None:
    """As a worker of ``ansible-playbook`` does it."""
    worker = multiprocessing.get_context("fork").Process(target=_watch.start, args=(folder, router, feed, look, interval))
    worker.start()
    worker.join()
    assert worker.exitcode == 0


def process_of(folder: Path, name: str) -> Process:
    pid = int((folder / f"{name}.pid").read_text())
    return Process(pid, _start_time(pid))


@pytest.fixture
def folder(tmp_path: Path):
    folder = tmp_path / "watch"
    yield folder
    stop(folder)


def collect(feed: Feed, count: int) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []

    def enough() -> bool:
        found.extend(feed.new())
        return len(found) >= count

    wait_until(enough, f"{count} looks")
    return found


def test_looks_come_in_intervals_and_each_is_read_once(folder: Path) -> None:
    begun = time.monotonic()
    numbers = iter(range(1000))
    start(folder, "lb/1", "router", lambda: {"number": next(numbers)}, 0.1)
    feed = Feed(folder, "router")
    assert feed.routers == ["lb/1"]
    found = collect(feed, 5)
    assert [look["number"] for _name, look in found] == list(range(len(found)))
    assert {name for name, _look in found} == {"lb/1"}
    times = [look["at"] for _name, look in found]
    assert all(later - earlier >= 0.09 for earlier, later in zip(times, times[1:]))
    assert begun <= times[0] <= time.monotonic()


def test_an_error_is_a_look_as_well(folder: Path) -> None:
    def fail() -> dict[str, Any]:
        raise OSError("it can not be reached")

    start(folder, "lb1", "router", fail, 0.1)
    ((_name, look), *_further) = collect(Feed(folder, "router"), 1)
    assert look["error"] == "it can not be reached"


def test_a_look_that_hangs_ends_with_the_watch_and_all_that_it_has_started(folder: Path, tmp_path: Path) -> None:
    marker = tmp_path / "pid"

    def hang() -> dict[str, Any]:
        subprocess.run(["/bin/sh", "-c", f"echo $$ >{marker}; exec sleep 600"], check=True)
        return {}

    start(folder, "lb1", "router", hang, 0.1)
    guard = process_of(folder, "lb1.router")
    wait_until(lambda: marker.exists() and marker.read_text().strip(), "the look hangs")
    pid = int(marker.read_text())
    hung = Process(pid, _start_time(pid))
    stop(folder)
    wait_until(lambda: guard.state() == GONE and hung.state() == GONE, "both have ended")
    assert not folder.exists()


def test_a_later_watch_takes_the_place_of_an_earlier_one(folder: Path) -> None:
    start(folder, "lb1", "router", lambda: {"of": "first"}, 0.1)
    first = process_of(folder, "lb1.router")
    collect(Feed(folder, "router"), 1)
    start(folder, "lb1", "router", lambda: {"of": "second"}, 0.1)
    wait_until(lambda: first.state() == GONE, "the first one has ended")
    feed = Feed(folder, "router")
    collect(feed, 1)
    assert {look["of"] for _name, look in collect(feed, 3)} == {"second"}


def test_it_ends_with_the_run(tmp_path: Path) -> None:
    """The run is the parent of the process that starts it, as ``ansible-playbook`` is of a worker."""
    folder = tmp_path / "watch"
    script = (
        "import multiprocessing, pathlib, sys\n"
        f"from {_watch.__name__} import start\n"
        f"given = (pathlib.Path({str(folder)!r}), 'lb1', 'router', lambda: {{}}, 0.1)\n"
        "worker = multiprocessing.get_context('fork').Process(target=start, args=given)\n"
        "worker.start(); worker.join(); sys.stdin.read()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "playbooks" / "collections")}
    run = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, env=environment)
    wait_until((folder / "lb1.router").exists, "it looks", timeout=30)
    guard = process_of(folder, "lb1.router")
    assert guard.state() != GONE
    run.kill()
    run.wait()
    assert run.stdin is not None
    run.stdin.close()
    wait_until(lambda: guard.state() == GONE, "it has ended with the run")


def test_a_busy_machine_may_write_the_record_late(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its record a process ends: it must not look for it too early."""
    write = Path.write_text

    def late(path: Path, text: str, encoding: str) -> int:
        time.sleep(1.0)
        return write(path, text, encoding=encoding)

    monkeypatch.setattr(Path, "write_text", late)
    start(folder, "lb1", "router", dict, 0.1)
    assert len(collect(Feed(folder, "router"), 20)) >= 20, "it lives on, for longer than a glance"
