# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift at the claim: what counts as drift, and what each policy makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import Drifted, Refused, Unhealthy
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Journal
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Capacity, Routing, Split
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic import engine
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import Request

from tests.support.memory_router import MemoryRouter, World, releasing, world_with

ON_GREEN, ON_BLUE, DIVIDED = Routing(Split(100)), Routing(Split(0)), Routing(Split(30))


def claim(world: World, **params: Any) -> Journal:
    asked = {"service": "shop", "state": "claimed", "run": "a", "owner": "alice", "release": "v2", **params}
    journal = engine.run(Request.parse(asked), MemoryRouter(world), world.clock).seen.journal
    assert journal is not None
    return journal


def moved(world: World, routing: Routing, durable: bool = True) -> World:
    """Somebody has changed it by hand: in the processes, and on disk as well."""
    world.processes = [routing, routing]
    if durable:
        world.durable = routing
    return world


@pytest.mark.parametrize("durable", [True, False])
def test_a_split_that_was_changed_by_hand_stops_the_release_and_is_shown(durable):
    world = moved(world_with("blue"), DIVIDED, durable)
    before = world.copy()
    with pytest.raises(Drifted, match=r"traffic is 70% blue, 30% green.*the journal says 100% blue") as caught:
        claim(world)
    assert "bluegreen_drift=overwrite" in caught.value.remedy
    assert world == before


def test_overwrite_brings_back_what_the_journal_says():
    world = moved(world_with("blue"), DIVIDED, durable=False)
    assert claim(world, drift="overwrite").candidate == "green"
    assert (world.in_force, world.durable) == (ON_BLUE, ON_BLUE)


def test_overwrite_does_not_bring_traffic_to_servers_that_are_down():
    world = moved(world_with("blue"), ON_GREEN)
    world.capacity["blue"] = Capacity(0, 2)
    with pytest.raises(Unhealthy):
        claim(world, drift="overwrite")
    assert world.in_force == ON_GREEN


def test_adopt_takes_what_is_in_force_as_the_truth():
    world = moved(world_with("blue"), ON_GREEN, durable=False)
    journal = claim(world, drift="adopt")
    assert (journal.stable, journal.candidate, journal.routing) == ("green", "blue", ON_GREEN)
    assert world.durable == ON_GREEN


def test_a_divided_split_can_only_be_adopted_by_the_release_that_it_belongs_to():
    with pytest.raises(Refused, match="divided"):
        claim(moved(world_with("blue"), DIVIDED), drift="adopt")
    assert claim(moved(releasing("blue"), DIVIDED), drift="adopt").routing == DIVIDED


def test_a_rollback_is_never_hindered_and_says_what_it_found():
    for routing in (DIVIDED, ON_GREEN):
        world = moved(world_with("blue"), routing)
        asked = {"service": "shop", "state": "rolled_back", "run": "a", "owner": "alice"}
        note = engine.run(Request.parse(asked), MemoryRouter(world), world.clock).note
        assert "changed it by hand" in note
        assert world.in_force == ON_BLUE


def test_a_switch_that_was_interrupted_is_no_drift():
    world = moved(releasing("blue"), ON_GREEN)
    world.next_journal = world.journal
    assert claim(world).routing == ON_GREEN


# behind the other routers


def reference(world: World, **changes: Any) -> dict[str, Any]:
    return replace(world.record(), **changes).as_dict()


def test_a_router_that_was_away_during_a_release_is_behind():
    world = world_with("blue", epoch=3)
    theirs = reference(world, epoch=5, stable="green", rollback_to="blue", routing=ON_GREEN, releases={"green": "v2"})
    for drift in ("fail", "adopt"):
        with pytest.raises(Drifted, match=r"behind the others: its journal has epoch 3, stable blue.*epoch 5, stable green"):
            claim(world, reference=theirs, release="v3", epoch=6, drift=drift)
    assert world.in_force == ON_BLUE
    journal = claim(world, reference=theirs, release="v3", epoch=6, drift="overwrite", end_window=True)
    assert (journal.stable, journal.candidate, journal.epoch, world.in_force) == ("green", "blue", 6, ON_GREEN)


@pytest.mark.parametrize(
    "theirs",
    [
        {"candidate": "green", "release": "v2", "phase": "claimed"},  # the run died while it claimed
        {"phase": "abandoned"},
        {"phase": "rolled_back"},
    ],
)
def test_an_epoch_in_which_no_traffic_moved_is_no_drift(theirs):
    world = world_with("blue", epoch=3)
    assert claim(world, reference=reference(world, epoch=4, **theirs), epoch=5).epoch == 5


def test_routers_in_the_middle_of_one_release_are_not_behind_each_other():
    world = releasing("blue", epoch=3)
    theirs = reference(world, epoch=4, routing=ON_GREEN)
    assert claim(world, reference=theirs, epoch=5).routing == ON_BLUE
    settled = releasing("blue", {"green": 100}, epoch=4)
    theirs = reference(settled, epoch=5, stable="green", candidate=None, release=None)
    assert claim(settled, reference=theirs, epoch=6).epoch == 6
