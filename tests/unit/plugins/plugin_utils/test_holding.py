# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait for an answer: what ends it, and what is shown meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import yaml
from ansible_collections.turnout.bluegreen.plugins.action.hold import SPEC
from ansible_collections.turnout.bluegreen.plugins.module_utils._clock import Clock
from ansible_collections.turnout.bluegreen.plugins.modules import hold
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._holding import FENCED, GO, SILENCE, STOP, End, wait

Look = tuple[str, Mapping[str, Any]]


def look(router: str = "lb1", answer: str | None = None, epoch: int = 4, by: str = "bob") -> Look:
    asked = {"step": 25, "answer": answer, "by": by if answer else ""}
    return router, {"epoch": epoch, "hold": asked, "changed_by": "carol"}


class Time:
    """A clock that jumps, and looks that come at their times."""

    def __init__(self, *looks: tuple[float, Look]) -> None:
        self.now, self._looks = 0.0, list(looks)
        self.lines: list[tuple[int, str]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def new(self) -> Iterable[Look]:
        due = [look for at, look in self._looks if at <= self.now]
        self._looks = [(at, look) for at, look in self._looks if at > self.now]
        return due

    def wait(self, seconds: float = 600.0) -> End:
        clock = Clock(now=lambda: self.now, monotonic=lambda: self.now, sleep=self.sleep)
        return wait(self.new, 4, seconds, self.say, 30.0, clock)

    def say(self, words: str) -> None:
        self.lines.append((round(self.now), words))


@pytest.mark.parametrize("answer", [GO, STOP])
def test_an_answer_on_one_router_is_an_answer(answer):
    end = Time((1, look()), (1, look("lb2")), (40, look()), (41, look("lb2", answer))).wait()
    assert (end.answer, end.by) == (answer, "bob")
    assert 41 <= end.waited < 42


@pytest.mark.parametrize("routers", [("lb1", "lb2"), ("lb2", "lb1")])
def test_a_stop_counts_more_than_a_go_of_the_same_moment(routers):
    yes, no = (look(router, answer, by=answer) for router, answer in zip(routers, (GO, STOP)))
    assert Time((1, yes), (1, no)).wait().answer == Time((1, no), (1, yes)).wait().answer == STOP


def test_a_newer_run_ends_the_wait_whatever_is_answered():
    end = Time((1, look("lb1", GO)), (1, look("lb2", epoch=5))).wait()
    assert (end.answer, end.by) == (FENCED, "carol")


def test_an_older_journal_answers_nothing():
    assert Time((1, look("lb1", GO, epoch=3))).wait(10).answer == SILENCE


def test_nobody_is_waited_for_longer_than_asked():
    time = Time()
    end = time.wait(95.0)
    assert end.answer == SILENCE
    assert time.now == pytest.approx(95, abs=0.2)
    assert [at for at, _words in time.lines] == [30, 60, 90]
    assert time.lines[0][1] == "waits for promote.yml since 30 s, 65 s left"


def test_a_router_that_does_not_answer_is_named_until_it_does():
    time = Time((1, look()), (2, ("lb2", {"error": "no route to host"})), (40, look("lb2")))
    time.wait(70.0)
    assert [words.partition("; ")[2] for _at, words in time.lines] == ["lb2 does not answer: no route to host", ""]


def test_an_answer_of_the_last_moment_counts():
    assert Time((10.0, look("lb1", GO))).wait(10.0).answer == GO


def test_every_option_is_documented_as_it_is():
    options = yaml.safe_load(hold.DOCUMENTATION)["options"]
    assert {
        name: {key: value for key, value in option.items() if key != "description"} for name, option in options.items()
    } == SPEC
