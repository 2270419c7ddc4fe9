# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that waits for a person, on a fleet of two routers: go, stop, silence, death, and a rollback meanwhile.

The tests share a site with v1 on blue and v2 on green. Each begins with all routers on blue, at rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.load import LoadProcess, Profile
from tests.support.local_router import KINDS, LocalRouter
from tests.support.net import wait_until
from tests.support.ready import set_up
from tests.support.site import Site, flat

QUICK = {"bake_seconds": 0, "verify_interval": 0.1}
V2: dict[str, Any] = {"bluegreen_release": "v2", "bluegreen_end_window": True, "cutover_steps": [25, 100]}
LIMIT = 120.0


class Fleet(Site):
    """Two routers, and what a test wants to know of both."""

    def __init__(self) -> None:
        super().__init__(routers=("haproxy", "nginx") if "nginx" in KINDS else ("haproxy", "haproxy"), variables=QUICK)

    def waits(self, step: int) -> bool:
        """Every router has recorded that this step waits for an answer."""
        holds = [journal["hold"] for journal in self.journals]
        return all(hold and hold["step"] == step and hold["answer"] is None for hold in holds)

    def at_rest(self, colour: str) -> None:
        """All routers agree, and nothing is left of the release."""
        for journal in self.journals:
            assert journal["routing"][colour] == 100, journal
            assert (journal["candidate"], journal["lease"], journal["hold"]) == (None, None, None), journal
            assert journal["stable"] == colour, journal
        assert {router.answer()[0] for router in self.routers.values()} == {colour}


@pytest.fixture(scope="module")
def made() -> Iterator[Fleet]:
    with Fleet() as fleet:
        set_up(fleet, "v1", "v2")
        fleet.variables["deploy_method"] = "none"  # v2 is on green, and stays there
        fleet.write_inventory()
        yield fleet


@pytest.fixture(name="fleet")
def on_blue(made: Fleet) -> Fleet:
    if any(journal["routing"]["blue"] != 100 or journal["candidate"] for journal in made.journals):
        made.good("rollback", bluegreen_to="blue")
    return made


@contextlib.contextmanager
def releasing(fleet: Fleet, hold: list[int], **extra: Any) -> Iterator[subprocess.Popen[str]]:
    """A release that comes to its first hold, and is gone afterwards."""
    with fleet.under_way("release", **V2, cutover_hold=hold, **extra) as process:
        wait_until(lambda: fleet.waits(hold[0]) or process.poll() is not None, "the release waits", LIMIT)
        if process.poll() is not None:
            pytest.fail(process.communicate()[0])
        yield process


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _none = process.communicate(timeout=LIMIT)
    return process.returncode, flat(output)


def turnout(router: LocalRouter, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(router.command), *words, "--config", str(router.config)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_release_waits_before_the_cutover_and_after_a_step(fleet: Fleet) -> None:
    """Two holds, one answered by the playbook on all routers, one by hand on the last router only, with a single fork."""
    first, last = fleet.routers.values()
    fleet.forks = 1
    with LoadProcess(Profile(first.port, rate=40)) as load, releasing(fleet, [0, 25]) as process:
        assert [journal["routing"]["blue"] for journal in fleet.journals] == [100, 100]
        assert "waits for approval of the cutover since" in turnout(first, "status").stdout
        rehearsed = fleet.good("promote", "--check").flat
        assert "go: release v2 goes on from 0% green" in rehearsed
        assert fleet.waits(0), "check mode has answered"
        answered = fleet.good("promote", bluegreen_release="v2").flat
        assert "waits for approval of the cutover since" in answered
        assert "held by" in answered

        wait_until(lambda: fleet.waits(25), "the release waits after its first step", LIMIT)
        assert [journal["routing"]["green"] for journal in fleet.journals] == [25, 25]
        assert "v3 does not wait" in fleet.bad("promote", bluegreen_release="v3")
        assert fleet.waits(25)
        by_hand = turnout(last, "promote", "shop")
        assert by_hand.returncode == 0, by_hand.stderr
        status, output = end(process)
    assert status == 0, output
    assert "shop: the cutover waits for promote.yml, 3600 s left" in output
    assert "(turnout) has answered go to 25% green after" in output
    fleet.at_rest("green")
    fleet.forks = 5
    assert load.summary.lost == 0, load.summary.losses


def test_an_answer_is_given_once(fleet: Fleet) -> None:
    """While the run has not yet gone on, because it is stopped, the second answer finds the first."""
    with releasing(fleet, [25]) as process:
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            assert "go: release v2 goes on from 25% green" in fleet.good("promote").flat
            before = fleet.journals
            assert "has answered already" in fleet.good("promote").flat
            assert "can not be answered with stop" in fleet.bad("promote", promote="stop")
            assert [journal["hold"] for journal in fleet.journals] == [journal["hold"] for journal in before]
        finally:
            os.killpg(process.pid, signal.SIGCONT)
        status, output = end(process)
    assert status == 0, output
    fleet.at_rest("green")
    assert "nothing waits for approval: no release is under way" in fleet.bad("promote")


@pytest.mark.parametrize("step", [0, 25])
def test_a_stop_brings_all_traffic_back(fleet: Fleet, step: int) -> None:
    with releasing(fleet, [step]) as process:
        assert "stop: " in fleet.good("promote", promote="stop").flat
        status, output = end(process)
    assert status != 0
    assert "has answered stop to" in output
    assert ("The release was rolled back" if step else "the release was stopped before the cutover") in output
    fleet.at_rest("blue")
    assert {journal["phase"] for journal in fleet.journals} == {"rolled_back" if step else "abandoned"}


@pytest.mark.parametrize(("policy", "colour"), [("rollback", "blue"), ("go", "green")])
def test_silence_is_decided_by_policy(fleet: Fleet, policy: str, colour: str) -> None:
    done = fleet.play("release", **V2, cutover_hold=[25], cutover_hold_timeout=3, cutover_hold_on_timeout=policy)
    assert (done.status == 0) == (policy == "go"), done.output
    assert ("nobody has answered after 3 s" if policy == "go" else "nobody has approved 25% green after 3 s") in done.flat
    fleet.at_rest(colour)


def test_a_rollback_wins_against_a_release_that_waits(fleet: Fleet) -> None:
    with releasing(fleet, [25]) as process:
        fleet.good("rollback")
        status, output = end(process)
    assert status != 0
    assert "has taken over" in output
    fleet.at_rest("blue")


def test_a_run_that_died_while_it_waited_is_resumed_and_asks_again(fleet: Fleet) -> None:
    with releasing(fleet, [25]) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert fleet.waits(25)
    dead = [journal["epoch"] for journal in fleet.journals]
    with releasing(fleet, [25]) as process:
        wait_until(lambda: [journal["epoch"] for journal in fleet.journals] > dead, "the release is claimed anew", LIMIT)
        wait_until(lambda: fleet.waits(25), "the release asks again", LIMIT)
        assert [journal["routing"]["green"] for journal in fleet.journals] == [25, 25]
        fleet.good("promote")
        status, output = end(process)
    assert status == 0, output
    fleet.at_rest("green")


def test_an_answer_to_the_dead_is_refused(fleet: Fleet) -> None:
    with releasing(fleet, [25], plan_lease_seconds=5) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def refused() -> bool:
        return "nobody waits for the answer any more" in turnout(fleet.first, "promote", "shop", "--check").stderr

    wait_until(refused, "the lease is over", LIMIT)
    assert "nobody waits for the answer any more" in fleet.bad("promote")
    fleet.good("rollback")
    fleet.at_rest("blue")


def test_a_rehearsal_says_that_it_would_wait(fleet: Fleet) -> None:
    before = [json.dumps(journal) for journal in fleet.journals]
    output = fleet.good("release", "--check", **V2, cutover_hold=[0, 25]).flat
    assert "25% green would wait for promote.yml" in output
    assert [json.dumps(journal) for journal in fleet.journals] == before


def test_a_hold_at_no_step_is_refused_before_anything_is_claimed(fleet: Fleet) -> None:
    before = fleet.journals
    assert "cutover_hold is [50]: expected 0" in fleet.bad("release", **V2, cutover_hold=[50])
    assert fleet.journals == before
