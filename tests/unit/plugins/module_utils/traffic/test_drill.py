# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill on one router: what it needs, and that it leaves nothing behind but its proof."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import LeaseHeld, Refused, Unhealthy
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Journal, Lease, Proof
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal_file import encode
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Capacity, Routing, Split
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic import engine, outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.outcome import Outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.report import report
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import Request

from tests.support.memory_router import NOON, MemoryRouter, World, releasing, world_with

HOT: dict[str, Any] = {
    "epoch": 3,
    "phase": "settled",
    "rollback_to": "blue",
    "hot_until": NOON + 60,
    "releases": {"blue": "v1", "green": "v2"},
}


def ask(world: World, state: str, run: str = "a", **params: Any) -> Outcome:
    asked = {"service": "shop", "state": state, "run": run, "owner": run, **params}
    return engine.run(Request.parse(asked), MemoryRouter(world), world.clock)


def claim(world: World, **params: Any) -> Journal:
    journal = ask(world, "claimed", **{"release": "v1", "drill": True, **params}).seen.journal
    assert journal is not None
    return journal


def drilling(**record: Any) -> World:
    world = world_with("green", **{**HOT, **record})
    claim(world)
    ask(world, "switched", epoch=4, split={"blue": 5})
    return world


def but_for_the_change(journal: Journal) -> Journal:
    """What no change leaves as it was."""
    return replace(journal, epoch=0, changed_at=0.0, changed_by="", rollback_proven=None)


@pytest.mark.parametrize("hot_until", [NOON + 60, NOON - 60])
def test_a_drill_leaves_the_journal_as_it_was_but_for_the_proof(hot_until):
    world = world_with("green", **{**HOT, "hot_until": hot_until}, sticky="cookie")
    before = world.record()
    assert claim(world).phase == "drilling"
    ask(world, "switched", epoch=4, split={"blue": 5})
    assert world.durable == Routing(Split(95), "cookie")
    ask(world, "rolled_back", epoch=4)
    ask(world, "drilled", rollback_ms=3.14159, lost=0)
    assert but_for_the_change(world.record()) == but_for_the_change(before)
    assert world.record().rollback_proven == Proof(NOON, 3.1, 0)
    assert world.durable == before.routing


def test_the_proof_outlives_later_changes():
    world = world_with("blue", rollback_proven=Proof(NOON, 3.0, 0))
    ask(world, "claimed", release="v2")
    ask(world, "switched", epoch=1, split={"green": 100})
    ask(world, "settled", epoch=1)
    ask(world, "rolled_back")
    assert world.record().rollback_proven == Proof(NOON, 3.0, 0)


@pytest.mark.parametrize(
    ("world", "words"),
    [
        (releasing("green", {"blue": 5}, releases={"blue": "v1"}), "no drill while release v2 is under way"),
        (world_with("green", {"blue": 5}, **HOT), "no drill while release of an unknown name is under way"),
        (world_with("green"), "blue holds no known release, expected v1"),
        (world_with("green", **{**HOT, "releases": {"blue": "v0"}}), "blue holds v0, expected v1"),
        (
            world_with("green", **{**HOT, "rollback_to": None, "phase": "rolled_back"}),
            r"blue is not the way back \(phase rolled_back\): v1 is not known to be good",
        ),
    ],
)
def test_a_drill_sends_nobody_to_what_is_not_known_to_be_good(world, words):
    with pytest.raises(Refused, match=words):
        claim(world)


def test_a_colour_that_was_never_stable_is_drilled_by_force_only_and_on_record():
    assert claim(world_with("green", **{**HOT, "rollback_to": None}), force=True).candidate == "blue"


def test_a_drill_needs_a_healthy_idle_colour():
    world = world_with("green", **HOT)
    world.capacity["blue"] = Capacity(1, 2, ("b2: DOWN",))
    with pytest.raises(Unhealthy, match="blue is not fit for traffic"):
        claim(world)
    assert claim(world, min_healthy=50).candidate == "blue"


def test_a_drill_and_a_release_keep_apart():
    with pytest.raises(LeaseHeld):
        ask(drilling(), "claimed", run="b", release="v3", end_window=True)
    held = world_with("green", **HOT, lease=Lease("b", "bob", NOON + 60))
    with pytest.raises(LeaseHeld):
        claim(held)


@pytest.mark.parametrize("release", ["v1", "v3"])
def test_a_release_does_not_go_on_from_a_dead_drill(release):
    world = drilling()
    world.sleep(1000)
    with pytest.raises(Refused, match="the drill v1 is not finished: traffic is 5% blue, 95% green"):
        ask(world, "claimed", run="b", release=release, end_window=True)
    ask(world, "rolled_back", run="b")
    journal = ask(world, "claimed", run="b", release=release, end_window=True).seen.journal
    assert journal is not None
    assert (journal.release, journal.drill, journal.phase) == (release, None, "claimed")


def test_a_release_overrides_a_dead_drill_that_has_moved_nothing_and_respects_its_window():
    world = world_with("green", **{**HOT, "hot_until": NOON + 2000})
    claim(world)
    world.sleep(1000)
    with pytest.raises(Refused, match="a new release would overwrite it"):
        ask(world, "claimed", run="b", release="v3")
    world.sleep(1000)
    journal = ask(world, "claimed", run="b", release="v3").seen.journal
    assert journal is not None
    assert (journal.release, journal.drill, journal.rollback_to) == ("v3", None, None)


def test_a_dead_drill_is_run_again():
    world = drilling()
    world.sleep(1000)
    assert claim(world, run="b").drill == "settled"
    ask(world, "rolled_back", run="b", epoch=5)
    assert (world.record().phase, world.record().rollback_to) == ("settled", "blue")


def test_a_rollback_by_hand_ends_the_drill_and_the_next_goes_behind_the_release():
    world = drilling()
    assert ask(world, "rolled_back", run="b").note.endswith("100% green; the drill is over")
    assert (world.record().stable, world.record().rollback_to) == ("green", "blue")
    ask(world, "rolled_back", run="b")
    assert (world.record().stable, world.record().rollback_to) == ("blue", None)


def test_a_rollback_that_names_the_old_colour_is_no_end_of_a_drill():
    world = drilling()
    ask(world, "rolled_back", run="b", colour="blue")
    record = world.record()
    assert (record.stable, record.rollback_to, record.phase, record.drill) == ("blue", None, "rolled_back", None)


def test_a_drill_that_has_moved_nothing_is_given_up():
    world = world_with("green", **HOT)
    before = world.record()
    claim(world)
    ask(world, "abandoned", epoch=4)
    assert but_for_the_change(world.record()) == but_for_the_change(before)


def test_a_drill_never_makes_the_idle_colour_stable():
    world = drilling()
    ask(world, "switched", epoch=4, split={"blue": 100})
    with pytest.raises(Refused, match="this is a drill"):
        ask(world, "settled", epoch=4)


def test_the_proof_is_not_written_into_a_release():
    with pytest.raises(Refused, match="the drill is not over"):
        ask(drilling(), "drilled", rollback_ms=1.0, lost=0)


def seen_by_people(world: World) -> str:
    router = MemoryRouter(world)
    return report("shop", outcome.describe(router, router.observe()))


def test_the_status_says_what_is_drilled_and_when_a_rollback_was_proven():
    assert "drill: blue with v1 gets traffic and gives it back" in seen_by_people(drilling())
    world = world_with("green", **HOT, rollback_proven=Proof(NOON, 3.1, 0))
    assert "rollback last proven 2027-01-15, 3.1 ms" in seen_by_people(world)
    world.journal = encode(replace(world.record(), rollback_proven=Proof(NOON, 3.1, 2)))
    assert "rollback last tried 2027-01-15, 3.1 ms, and 2 requests were LOST" in seen_by_people(world)
    assert "rollback last" not in seen_by_people(world_with("green", **HOT))
