# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When signs of life are given, and when they end: by a clock that the tests hold, and with real processes."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.turnout.bluegreen.plugins.module_utils._clock import Clock
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._background import shared
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._heartbeat import (
    FAILED,
    GOES_ON,
    OVER,
    _Processes,
    keep,
    renew,
    start,
)
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._run import GONE, RUNNING, STOPPED, Process, _start_time

from tests.support.net import wait_until

NEVER = 1e9


class Beats:
    """Notes when signs of life begin and are killed, in seconds of a clock that it moves itself.

    Args:
        statuses: how each one ends; the last one is repeated.
        takes: seconds until one ends.
    """

    def __init__(self, *statuses: int, takes: float = 0.0) -> None:
        self.statuses, self.takes = statuses or (GOES_ON,), takes
        self.now = 0.0
        self.clock = Clock(lambda: self.now, lambda: self.now, self._sleep)
        self.began: list[float] = []
        self.killed: list[float] = []

    def _sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def start(self) -> None:
        self.began.append(self.now)

    def status(self) -> int | None:
        if self.killed and self.killed[-1] >= self.began[-1]:
            return FAILED
        if self.now < self.began[-1] + self.takes:
            return None
        return self.statuses[min(len(self.began), len(self.statuses)) - 1]

    def kill(self) -> None:
        self.killed.append(self.now)

    def keep(self, every: float, until: float = NEVER, stopped: tuple[float, float] = (NEVER, NEVER)) -> list[float]:
        """When signs of life began, of a run that is gone at ``until`` and stopped in between."""

        def run() -> str:
            if self.now >= until:
                return GONE
            return STOPPED if stopped[0] <= self.now < stopped[1] else RUNNING

        keep(run, self, every, self.clock)
        return self.began


def test_signs_of_life_begin_after_a_third_and_end_with_the_run():
    beats = Beats()
    assert beats.keep(every=40, until=130) == [40, 80, 120]
    assert beats.now == 130


@pytest.mark.parametrize("every", [0.4, 2.5, 40.0])
def test_the_end_of_the_run_is_seen_within_a_second(every):
    beats = Beats()
    beats.keep(every, until=100.3)
    assert 100.3 <= beats.now < 101.3


def test_a_stopped_run_gives_none_and_one_at_once_when_it_goes_on():
    assert Beats().keep(every=40, until=200, stopped=(70, 130)) == [40, 130, 170]


def test_one_that_failed_is_followed_by_the_next():
    assert Beats(FAILED, FAILED, GOES_ON).keep(every=10, until=35) == [10, 20, 30]


def test_they_end_when_there_is_nothing_to_renew():
    assert Beats(GOES_ON, OVER).keep(every=10, until=1000) == [10, 20]


def test_one_that_is_not_answered_is_given_up_and_followed_by_the_next():
    beats = Beats(takes=NEVER)
    assert beats.keep(every=40, until=130) == [40, 81, 122]
    assert beats.killed == [80, 121, 130]


def test_a_short_lease_does_not_hurry_a_slow_router():
    beats = Beats(takes=5)
    assert beats.keep(every=1, until=13) == [1, 6, 11]
    assert beats.killed == [13]


# one sign of life


class Router:
    """The action, in front of a router that answers what the test says."""

    def __init__(self, **answer: Any) -> None:
        self.router, self.answer = "router1", answer
        self.asked: list[dict[str, Any]] = []
        self.cleaned = 0
        self._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/of/the/claim"))
        self._task = SimpleNamespace(check_mode=False)

    def ask(self, params: dict[str, Any], info: bool = False) -> dict[str, Any]:
        assert self._connection._shell.tmpdir is None
        self.asked.append(params)
        if self.answer.get("unreachable"):
            raise AnsibleConnectionFailure("no route")
        return self.answer

    def cleanup(self, force: bool = False) -> None:
        self.cleaned += 1


@pytest.mark.parametrize(
    ("answer", "goes_on"),
    [
        ({"journal": {"lease": {"run": "a"}}}, True),
        ({"journal": {"lease": {"run": "b"}}}, False),
        ({"journal": {"lease": None}}, False),
        ({"failed": True, "reason": "fenced"}, False),
        ({"failed": True, "reason": "busy"}, True),
        ({"failed": True, "reason": "unreachable"}, True),
        ({"failed": True, "msg": "the module could not be started"}, True),
    ],
)
def test_signs_of_life_go_on_while_the_lease_may_still_be_held(answer, goes_on):
    router = Router(**answer)
    asked = {"state": "renewed", "run": "a"}
    assert renew(router, asked) is goes_on
    assert (router.asked, router.cleaned) == ([asked], 1)


def test_a_router_that_is_away_leaves_nothing_behind():
    router = Router(unreachable=True)
    with pytest.raises(AnsibleConnectionFailure):
        renew(router, {"run": "a"})
    assert router.cleaned == 1


@pytest.mark.parametrize(
    ("state", "run", "check_mode", "answer"),
    [
        pytest.param("claimed", "a", False, {"failed": True, "reason": "lease_held"}, id="refused"),
        pytest.param("claimed", "a", False, {"changed": False, "journal": {"lease": {"run": "a"}}}, id="unchanged"),
        pytest.param("claimed", "a", False, {"changed": True, "journal": {"lease": None}}, id="no-lease"),
        pytest.param("claimed", "a", False, {"changed": True, "journal": {"lease": {"run": "b"}}}, id="of-another"),
        pytest.param("claimed", "a", True, {"changed": True, "journal": {"lease": {"run": "a"}}}, id="check-mode"),
        pytest.param("renewed", "a", False, {"changed": True, "journal": {"lease": {"run": "a"}}}, id="no-claim"),
    ],
)
def test_only_a_claim_that_took_the_lease_starts_them(monkeypatch, state, run, check_mode, answer):
    def fork() -> int:
        raise AssertionError("a process was started")

    router = Router()
    router._task.check_mode = check_mode
    monkeypatch.setattr(os, "fork", fork)
    start(router, {"state": state, "run": run}, answer)


# processes


def ended(beats: _Processes) -> int:
    found: list[int | None] = [None]

    def over() -> bool:
        found[0] = beats.status()
        return found[0] is not None

    wait_until(over, "end of the process")
    assert found[0] is not None
    return found[0]


def fails() -> bool:
    raise AnsibleConnectionFailure("no route")


@pytest.mark.parametrize(("beat", "status"), [(lambda: True, GOES_ON), (lambda: False, OVER), (fails, FAILED)])
def test_the_end_of_a_process_says_how_it_went(beat, status):
    beats = _Processes(beat)
    beats.start()
    assert ended(beats) == status
    beats.kill()


def test_what_waits_for_an_answer_ends_with_the_process_that_asked(tmp_path):
    def waits() -> bool:
        process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        (tmp_path / "next").write_text(str(process.pid), encoding="ascii")
        (tmp_path / "next").rename(tmp_path / "pid")
        return process.wait() == 0

    beats = _Processes(waits)
    beats.start()
    wait_until((tmp_path / "pid").exists, "the process waits")
    pid = int((tmp_path / "pid").read_text(encoding="ascii"))
    asked = Process(pid, _start_time(pid))
    assert asked.state() == RUNNING
    assert beats.status() is None
    beats.kill()
    assert ended(beats) == -signal.SIGKILL
    wait_until(lambda: asked.state() == GONE, "what it has started is gone")


def test_a_process_is_seen_to_run_to_be_stopped_and_to_be_gone():
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        seen = Process(child.pid, _start_time(child.pid))
        assert Process(child.pid, "").state() == seen.state() == RUNNING
        assert Process(child.pid, "1").state() == GONE
        child.send_signal(signal.SIGSTOP)
        wait_until(lambda: seen.state() == STOPPED, "the process is stopped")
        child.send_signal(signal.SIGCONT)
        wait_until(lambda: seen.state() == RUNNING, "the process goes on")
        child.kill()
        wait_until(lambda: seen.state() == GONE, "the process is gone, though nobody has waited for it")
    finally:
        child.kill()
        child.wait()
    assert Process(child.pid, "").state() == GONE


def test_what_somebody_may_wait_for_is_found_and_files_are_not(tmp_path):
    pipe, terminal, ends = os.pipe(), pty.openpty(), socket.socketpair()
    with (tmp_path / "file").open("wb") as file, Path(os.devnull).open("rb") as null:
        found = shared()
        assert {*pipe, *terminal, *(end.fileno() for end in ends)} <= set(found)
        assert not {file.fileno(), null.fileno()} & set(found)
    for number in (*pipe, *terminal):
        os.close(number)
    for end in ends:
        end.close()
