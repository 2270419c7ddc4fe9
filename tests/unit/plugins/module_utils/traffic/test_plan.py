# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is seen and asked to one change: each state by itself, without a router."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import (
    Fenced,
    JournalError,
    LeaseHeld,
    NothingToRollBack,
    Refused,
    TurnoutError,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Hold, Journal, Lease
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal_file import encode
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Capacity, Routing, Split
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.change import Change
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.plan import plan
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import Request
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_router import (
    NOON,
    MemoryRouter,
    World,
    releasing,
    world_with,
)

BOB = Lease("b", "bob", NOON + 60)
HOT: dict[str, Any] = {
    "epoch": 3,
    "phase": "settled",
    "rollback_to": "blue",
    "hot_until": NOON + 60,
    "releases": {"blue": "v1", "green": "v2"},
}


def change(world: World, state: str, **params: Any) -> Change:
    asked = {"service": "shop", "state": state, "run": "a", "owner": "alice", **params}
    return plan(Request.parse(asked), MemoryRouter(world).observe())


def after(world: World, state: str, **params: Any) -> Journal:
    return change(world, state, **params).journal


def made_by(done: Change) -> World:
    """The world after a change."""
    routing = done.routing or done.journal.routing
    return World(processes=[routing], durable=routing, journal=encode(done.journal))


# present


@pytest.mark.parametrize(("green", "stable"), [(0, "blue"), (50, "blue"), (51, "green"), (100, "green")])
def test_the_first_journal_is_made_from_what_is_in_force(green, stable):
    routing = Routing(Split(green), "cookie")
    journal = after(World(processes=[routing], durable=routing), "present", release="v1")
    assert (journal.stable, journal.routing, journal.epoch) == (stable, routing, 0)
    assert journal.releases == {stable: "v1"}
    assert (journal.changed_by, journal.changed_at) == ("alice", NOON)


def test_a_journal_that_is_there_stays():
    assert not change(releasing(), "present", release="v9").needed


def test_a_damaged_journal_is_not_made_anew_without_being_asked_by_name():
    world = releasing()
    world.journal = "{"
    for state, params in (("present", {}), ("claimed", {"release": "v2"}), ("rolled_back", {}), ("rolled_back", {"force": True})):
        with pytest.raises(JournalError):
            change(world, state, **params)


@pytest.mark.parametrize(
    "params",
    [{"state": "switched", "split": {"green": 100}}, {"state": "rolled_back", "colour": "green"}],
    ids=lambda params: params["state"],
)
@pytest.mark.parametrize("text", [None, "{"])
def test_a_lost_journal_is_made_anew_by_force_with_an_epoch_beyond_every_older_one(params, text):
    world = World(journal=text)
    with pytest.raises(JournalError):
        change(world, **params)
    made = after(world, **params, force=True)
    assert made.epoch > int(NOON)
    assert made.routing == Routing(Split(100))
    assert "the journal was lost" in made.forced


# claimed


def test_a_claim_takes_the_next_epoch_and_the_lease():
    journal = after(world_with("green", epoch=7), "claimed", release="v2", lease_seconds=60)
    assert (journal.epoch, journal.candidate, journal.release, journal.phase) == (8, "blue", "v2", "claimed")
    assert journal.lease == Lease("a", "alice", NOON + 60, 60)
    assert after(world_with("green"), "claimed", release="v2").lease == Lease("a", "alice", NOON + 120, 120)


def test_a_release_that_is_live_needs_no_claim():
    done = change(world_with("blue", lease=BOB), "claimed", release="v1")
    assert not done.needed
    assert "is live on blue already" in done.note


def test_a_release_that_was_interrupted_goes_on_with_its_candidate():
    world = releasing("blue", {"green": 25}, lease=replace(BOB, until=NOON - 1))
    journal = after(world, "claimed", release="v2")
    assert (journal.epoch, journal.candidate, journal.routing.split.green) == (2, "green", 25)


@pytest.mark.parametrize("take_over", [[], ["c"]])
def test_a_lease_is_respected_while_its_holder_may_live(take_over):
    with pytest.raises(LeaseHeld, match="bob holds the service for 60 s more") as caught:
        change(releasing(lease=BOB), "claimed", release="v2", take_over=take_over)
    assert caught.value.details == {"holder": "b"}


@pytest.mark.parametrize("params", [{"take_over": ["b"]}, {"run": "b"}, {"force": True}])
def test_a_lease_ends_for_its_holder_for_the_heir_and_by_force(params):
    journal = after(releasing(lease=BOB), "claimed", release="v2", **params)
    assert journal.epoch == 2
    assert ("the lease of bob" in journal.forced) == ("force" in params)


def test_another_release_waits_until_the_first_is_off_the_road():
    with pytest.raises(Refused, match="release v2 is not finished: traffic is 95% blue, 5% green"):
        change(releasing("blue", {"green": 5}), "claimed", release="v3")
    assert after(releasing("blue"), "claimed", release="v3").release == "v3"


def test_a_claim_brings_a_cohort_back_that_an_interrupted_run_has_left_alone_on_its_candidate():
    alone = change(releasing(split={"green": 0, "cohort": "green"}), "claimed", release="v2")
    assert alone.routing == Routing(Split(0))
    among_others = change(releasing(split={"green": 5, "cohort": "green"}), "claimed", release="v2")
    assert among_others.routing == Routing(Split(5, "green"))


def test_a_cohort_on_the_candidate_is_traffic():
    world = releasing(split={"green": 0, "cohort": "green"})
    for state in ("abandoned", "settled"):
        with pytest.raises(Refused, match="the cohort on green"):
            change(world, state, epoch=1)
    assert change(world, "rolled_back").routing == Routing(Split(0))
    assert after(world_with("blue"), "switched", split={"green": 0, "cohort": "green"}).candidate == "green"


def test_a_colour_with_traffic_is_never_a_candidate_by_accident():
    with pytest.raises(Refused, match="not finished"):
        change(world_with("blue", {"green": 30}), "claimed", release="v2")


def test_the_stable_colour_is_never_the_candidate():
    with pytest.raises(Refused, match="blue is the stable colour"):
        change(world_with("blue"), "claimed", release="v2", colour="blue")


# the rollback window


@given(st.sampled_from(["claimed", "retired"]), st.integers(-100, 100), st.booleans(), st.booleans())
def test_the_way_back_is_kept_until_its_time_is_over(state, left, end_window, force):
    world = world_with("green", **{**HOT, "hot_until": NOON + left})
    params = {"release": "v3", "end_window": end_window, "force": force}
    if left > 0 and not end_window and not force:
        with pytest.raises(Refused, match=rf"blue holds v1 as the way back until .* \({left} s more"):
            change(world, state, **params)
    else:
        assert after(world, state, **params).rollback_to is None


def test_a_window_that_was_interrupted_by_hand_is_kept_as_well():
    world = world_with("green", **HOT, candidate="blue", release="v1")
    with pytest.raises(Refused, match="way back"):
        change(world, "claimed", release="v3")


def test_a_colour_is_not_retired_before_every_restart_would_leave_it_alone():
    world = world_with("green", **{**HOT, "hot_until": NOON - 1})
    assert after(world, "retired").phase == "retired"
    assert not change(world_with("green", phase="retired"), "retired").needed
    world.durable = Routing(Split(0))
    with pytest.raises(Refused, match="after a restart it would be 100% blue"):
        change(world, "retired")
    with pytest.raises(Refused, match="can not be retired"):
        change(world_with("green", {"green": 90}, **{**HOT, "hot_until": NOON - 1}), "retired")
    with pytest.raises(Refused, match="release v2 is under way"):
        change(releasing("blue"), "retired")


# renewed, switched, settled, abandoned


def test_what_a_colour_carries_follows_the_deployment():
    world = releasing("blue", lease=BOB, releases={"blue": "v1", "green": "v0"})
    assert after(world, "renewed", epoch=1, run="b", phase="deploying").releases == {"blue": "v1"}
    journal = after(world, "renewed", epoch=1, run="b", phase="deployed", lease_seconds=900)
    assert journal.releases == {"blue": "v1", "green": "v2"}
    assert journal.lease == replace(BOB, until=NOON + 900)
    assert after(world, "renewed", epoch=1, run="b").phase == "claimed"
    with pytest.raises(Fenced, match="claimed here by another run: bob"):
        change(world, "renewed", epoch=1, run="c")


def test_a_sign_of_life_prolongs_the_lease_and_nothing_else():
    lease = Lease("a", "alice", NOON + 1, 45)
    world = releasing("blue", lease=lease, changed_by="bob", changed_at=7.0, forced="the lease of bob")
    found = change(world, "renewed", epoch=1)
    assert found.seen.journal is not None
    assert found.journal == replace(found.seen.journal, lease=replace(lease, until=NOON + 45))


def test_a_sign_of_life_writes_nothing_when_it_can_prolong_nothing():
    given_back = releasing("blue", lease=None)
    taken_for_longer = releasing("blue", lease=Lease("a", "alice", NOON + 300, 45))
    interrupted = replace(releasing("blue", lease=Lease("a", "alice", NOON + 1, 45)), next_journal="half")
    for world in (given_back, taken_for_longer, interrupted):
        assert not change(world, "renewed", epoch=1).needed


def test_stickiness_stays_unless_it_is_asked_for():
    world = releasing("blue", sticky="cookie")
    assert after(world, "switched", epoch=1, split={"green": 5}).routing == Routing(Split(5), "cookie")
    assert after(world, "switched", epoch=1, split={"green": 5}, sticky="none").routing == Routing(Split(5))


def test_a_switch_by_hand_fences_and_keeps_a_way_back():
    journal = after(releasing("blue", releases={"blue": "v1", "green": "v2"}), "switched", split={"green": 100})
    assert (journal.epoch, journal.candidate, journal.release, journal.lease) == (2, "green", "v2", None)
    back = after(releasing("blue", {"green": 100}), "switched", split={"green": 0})
    assert (back.epoch, back.candidate, back.stable) == (2, None, "blue")
    with pytest.raises(LeaseHeld):
        change(releasing("blue", lease=BOB), "switched", split={"green": 100})


def test_only_what_all_clients_use_becomes_stable():
    journal = after(releasing("blue", {"green": 100}), "settled", epoch=1, window_seconds=60)
    assert (journal.stable, journal.candidate, journal.rollback_to, journal.hot_until) == ("green", None, "blue", NOON + 60)
    assert (journal.releases, journal.lease) == ({"blue": "v1", "green": "v2"}, None)
    with pytest.raises(Refused, match="green can not become stable"):
        change(releasing("blue", {"green": 95}), "settled", epoch=1)
    halfway = releasing("blue", {"green": 100})
    halfway.durable = Routing(Split(0))
    with pytest.raises(Refused):
        change(halfway, "settled", epoch=1)
    with pytest.raises(Refused, match="no release is under way"):
        change(world_with("blue", epoch=1), "settled", epoch=1)


def test_a_settled_journal_says_what_is_in_force():
    world = releasing("blue", {"green": 100})
    routing = Routing(Split(100), "cookie")
    world.processes, world.durable = [routing], routing
    assert after(world, "settled", epoch=1).routing == routing


def test_a_release_is_abandoned_only_before_its_traffic():
    journal = after(releasing("blue", lease=BOB), "abandoned", epoch=1, run="b")
    assert (journal.candidate, journal.lease, journal.phase) == (None, None, "abandoned")
    with pytest.raises(Refused, match=r"traffic is 95% blue, 5% green") as caught:
        change(releasing("blue", {"green": 5}), "abandoned", epoch=1)
    assert caught.value.remedy == "run rollback.yml"


# rolled_back


@pytest.mark.parametrize(
    ("world", "colour"),
    [
        (releasing("blue", {"green": 50}, lease=BOB), "blue"),
        (releasing("green"), "green"),
        (world_with("green", **HOT), "blue"),
        (world_with("blue", {"green": 30}), "blue"),
    ],
)
def test_a_rollback_goes_to_the_colour_that_was_trusted_before(world, colour):
    planned = change(world, "rolled_back")
    assert planned.routing == Routing(Split.all_on(colour))
    journal = planned.journal
    assert (journal.stable, journal.candidate, journal.rollback_to, journal.lease) == (colour, None, None, None)
    assert journal.epoch == world.record().epoch + 1
    assert not change(made_by(planned), "rolled_back").needed


@pytest.mark.parametrize(
    ("record", "words"), [({}, "there has been no release"), ({"phase": "retired"}, "the old colour is retired")]
)
def test_without_an_earlier_release_there_is_nothing_to_roll_back_to(record, words):
    with pytest.raises(NothingToRollBack, match=words) as caught:
        change(world_with("blue", **record), "rolled_back")
    assert "bluegreen_to=green" in caught.value.remedy
    assert after(world_with("blue", **record), "rolled_back", colour="green").stable == "green"


@pytest.mark.parametrize("where", ["durable", "journal", "processes"])
def test_an_interrupted_switch_is_rolled_back_even_when_clients_see_the_stable_colour(where):
    world, green = world_with("blue"), Routing(Split(100))
    if where == "durable":
        world.durable = green
    elif where == "processes":
        world.processes[1] = green
    else:
        world.processes, world.durable = [Routing(Split(0), "cookie")], Routing(Split(0), "cookie")
    planned = change(world, "rolled_back")
    assert planned.needed
    assert planned.journal.routing == Routing(Split(0))


def test_a_forced_rollback_to_a_sick_colour_is_on_record():
    world = releasing("blue", {"green": 100})
    world.capacity["blue"] = Capacity(0, 2)
    assert "blue is not fit for traffic" in after(world, "rolled_back", force=True).forced


# fencing


@pytest.mark.parametrize(
    ("state", "params"),
    [
        ("claimed", {"release": "v3"}),
        ("renewed", {"phase": "late"}),
        ("switched", {"split": {"green": 5}}),
        ("staged", {"split": {"green": 5}}),
        ("held", {}),
        ("promoted", {}),
        ("settled", {}),
        ("rolled_back", {}),
        ("abandoned", {}),
        ("retired", {}),
        ("drilled", {"rollback_ms": 3.0, "lost": 0}),
    ],
)
def test_an_older_epoch_is_fenced_in_every_state(state, params):
    worlds = [releasing("blue", epoch=2), releasing("blue", {"green": 100}, epoch=2), world_with("green", **HOT)]
    worlds.append(world_with("green", **{**HOT, "hot_until": NOON - 1}))
    worlds.append(releasing("blue", epoch=2, hold=Hold(0, NOON, NOON + 60)))
    fenced = 0
    for world in worlds:
        try:
            assert not change(world, state, epoch=1, **params).needed
        except Fenced:
            fenced += 1
        except TurnoutError:
            continue
    assert fenced


@given(st.integers(0, 10), st.integers(0, 10))
def test_only_the_newest_epoch_switches(epoch, newest):
    world = releasing("blue", epoch=newest)
    if epoch == newest:
        assert after(world, "switched", epoch=epoch, split={"green": 5}).epoch == newest
    else:
        with pytest.raises(Fenced if epoch < newest else JournalError):
            change(world, "switched", epoch=epoch, split={"green": 5})


# diff


def test_the_diff_shows_what_people_can_check():
    diff = change(releasing("blue"), "switched", epoch=1, split={"green": 5}).diff()
    assert (diff["before"]["in_force"], diff["after"]["in_force"]) == ("100% blue", "95% blue, 5% green")
    assert (diff["before"]["after_restart"], diff["after"]["after_restart"]) == ("100% blue", "95% blue, 5% green")
    assert (diff["before"]["journal"]["phase"], diff["after"]["journal"]["phase"]) == ("claimed", "switched")
    assert "changed_at" not in diff["after"]["journal"]


def test_the_diff_of_nothing_shows_nothing():
    diff = change(releasing("blue", {"green": 5}), "switched", epoch=1, split={"green": 5}).diff()
    assert diff["before"] == diff["after"]
