# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A game day on a fleet of two routers: there and back under load, with nothing left but the proof.

The tests share a site with v2 stable on green, and v1 on blue as the way back.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.load import LoadProcess, Profile
from tests.support.local_router import KINDS
from tests.support.net import wait_until
from tests.support.ready import set_up
from tests.support.site import Site

QUICK = {"bake_seconds": 0, "verify_interval": 0.1, "cutover_confirm_within": 60}
#: Time enough for a busy machine; requests that it can bear beside them.
DRILL: dict[str, Any] = {"drill_seconds": 60, "drill_rate": 25, "drill_percent": 20}
LIMIT = 120.0


class Fleet(Site):
    """Two routers, and what a test wants to know of both."""

    def __init__(self) -> None:
        super().__init__(routers=("haproxy", "nginx") if "nginx" in KINDS else ("haproxy", "haproxy"), variables=QUICK)

    def divided(self) -> bool:
        """The drill has moved traffic on all routers."""
        return all(journal["routing"]["blue"] == 20 for journal in self.journals)

    def facts(self) -> list[dict[str, Any]]:
        """The journals without what every change leaves there, and without the proof."""
        unlike = {"epoch", "changed_at", "changed_by", "rollback_proven"}
        return [{name: value for name, value in journal.items() if name not in unlike} for journal in self.journals]


@pytest.fixture(scope="module")
def made() -> Iterator[Fleet]:
    with Fleet() as fleet:
        set_up(fleet, "v1", "v2")
        yield fleet


@pytest.fixture(name="fleet")
def settled(made: Fleet) -> Fleet:
    if any(journal["candidate"] for journal in made.journals):
        made.good("rollback")
    for journal in made.journals:
        assert (journal["stable"], journal["rollback_to"], journal["phase"]) == ("green", "blue", "settled"), journal
    return made


def test_there_and_back_with_nothing_lost_and_nothing_left(fleet: Fleet) -> None:
    before = fleet.facts()
    epochs = [journal["epoch"] for journal in fleet.journals]
    with LoadProcess(Profile(fleet.port, rate=20)) as load:
        output = fleet.good("drill", **DRILL).flat
    assert load.summary.lost == 0, load.summary.losses
    assert {"blue", "green"} <= {answer.colour for answer in load.summary.answers}, "no user was sent there"
    assert load.summary.answers[-1].colour == "green"
    assert output.count("20% of the traffic went to blue (v1) and back") == len(fleet.routers)
    assert output.count(", 0 lost.") == len(fleet.routers)
    assert fleet.facts() == before
    assert [journal["epoch"] for journal in fleet.journals] == [epoch + 2 for epoch in epochs]
    for journal in fleet.journals:
        assert journal["rollback_proven"]["lost"] == 0
        assert 0 < journal["rollback_proven"]["ms"] < 20_000
    assert "rollback last proven 20" in fleet.good("status").flat


def test_a_rehearsed_drill_changes_nothing(fleet: Fleet) -> None:
    before = fleet.journals
    assert "traffic goes from 100% green to 20% blue, 80% green" in fleet.good("drill", "--check", **DRILL).flat
    assert fleet.journals == before


def test_a_sick_idle_colour_is_not_drilled(fleet: Fleet) -> None:
    before = fleet.facts()
    root = fleet.folder / "hosts" / "blue1"
    words = ["--root", str(root), "--name", "shop", "--port", str(fleet.app_ports["blue1"]), "--colour", "blue"]
    control = root / "current" / "appctl"
    subprocess.run([control, "stop", *words[:-2]], check=True, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: "1 of 2 healthy" in fleet.play("status").output, "the routers see it sick", LIMIT)
        assert "blue is not fit for traffic" in fleet.bad("drill", **DRILL)
    finally:
        subprocess.run([control, "restart", *words], check=True, stdout=subprocess.DEVNULL)
        wait_until(lambda: fleet.play("status").output.count("2 of 2 healthy") == 4, "the routers see it healthy", LIMIT)
    assert fleet.facts() == before


def test_a_drill_that_dies_is_ended_by_a_rollback(fleet: Fleet) -> None:
    before = fleet.facts()
    with fleet.under_way("drill", **DRILL) as process:
        wait_until(lambda: fleet.divided() or process.poll() is not None, "traffic is divided", LIMIT)
        assert process.poll() is None, process.communicate()[0]
    assert "drill: blue with v1 gets traffic and gives it back" in fleet.good("status").flat
    assert "is not finished" in fleet.bad("release", bluegreen_release="v1", bluegreen_end_window=True)
    assert "the drill is over" in fleet.good("rollback").flat
    assert fleet.facts() == before
    assert fleet.answer()[0] == "green"


def test_a_drill_without_a_url_or_with_a_strange_percent_is_refused(fleet: Fleet) -> None:
    before = fleet.journals
    for wrong in ({"drill_url": ""}, {"drill_percent": 0}, {"drill_percent": 101}):
        assert "Traffic is untouched" in fleet.bad("drill", **{**DRILL, **wrong})
    assert fleet.journals == before


def test_a_colour_that_was_rolled_back_is_not_drilled(made: Fleet) -> None:
    """The last test: v1 is stable afterwards."""
    made.good("rollback", bluegreen_to="blue")
    assert "green is not the way back (phase rolled_back): v2 is not known to be good" in made.bad("drill", **DRILL)
