# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases inside one colour on one router: who may be taken out and brought back, and what the journal says meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import (
    BadInput,
    Fenced,
    LeaseHeld,
    NotConfigured,
    NothingToRollBack,
    Refused,
    TimedOut,
    Unhealthy,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Journal
from ansible_collections.turnout.bluegreen.plugins.module_utils._router import Capabilities
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Capacity
from ansible_collections.turnout.bluegreen.plugins.module_utils._servers import Server
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic import engine
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.answer import look
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.outcome import Outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import Request

from tests.support.memory_router import MemoryRouter, World, releasing, world_with

UP = Server("web1", healthy=True, drained=False, in_service=True, in_flight=0, state="UP")
DOWN = replace(UP, healthy=False, in_service=False, state="DOWN")
OUT = replace(UP, drained=True, in_service=False, state="DRAIN")
HOT: dict[str, Any] = {"phase": "settled", "rollback_to": "green", "releases": {"blue": "v1", "green": "v0"}}
MINE: dict[str, Any] = {"colour": "blue", "servers": ["web1"], "timeout": 5}


def ask(world: World, state: str, run: str = "a", check: bool = False, **params: Any) -> Outcome:
    asked = {"service": "shop", "state": state, "run": run, "owner": run, **params}
    return engine.run(Request.parse(asked, check), MemoryRouter(world), world.clock)


def world_of(*servers: Server, **record: Any) -> World:
    world = world_with("blue", **{"epoch": 3, **record})
    world.servers["blue"] = [replace(server, name=f"web{number}") for number, server in enumerate(servers, start=1)]
    return world


def claim(world: World, release: str = "v2", **params: Any) -> Journal:
    journal = ask(world, "claimed", release=release, rolling=True, **params).seen.journal
    assert journal is not None
    return journal


def rolling(*servers: Server, **record: Any) -> World:
    """A run has claimed epoch 4, and has begun to deploy."""
    world = world_of(*(servers or (UP, UP)), **record)
    claim(world)
    ask(world, "renewed", epoch=4, phase="rolling")
    return world


class TestTakenOut:
    def test_it_gets_no_new_requests_and_the_wait_ends_with_the_last_of_the_old_ones(self):
        world = world_of(replace(UP, in_flight=2), UP)
        world.after(2, lambda world: world.change_servers("blue", ["web1"], in_flight=0))
        done = ask(world, "taken_out", **MINE)
        assert (done.changed, done.left, world.servers["blue"][0].drained) == (True, 0, True)
        assert world.servers["blue"][1] == replace(UP, name="web2")
        assert not ask(world, "taken_out", **MINE).changed

    def test_what_does_not_end_is_an_error_or_reported_or_ended_by_name(self):
        busy = replace(UP, in_flight=2)
        with pytest.raises(TimedOut, match="2 still in flight on web1 after 5 s; no new requests go there"):
            ask(world_of(busy, UP), "taken_out", **MINE)
        reported = ask(world_of(busy, UP), "taken_out", on_timeout="report", **MINE)
        assert (reported.done, reported.left, reported.changed) == (False, 2, True)
        world = world_of(busy, UP)
        assert ask(world, "taken_out", shutdown_sessions=True, **MINE).left == 0
        assert world.cuts == ["web1"]

    @pytest.mark.parametrize("others", [(), (DOWN,), (OUT, DOWN)])
    def test_the_last_one_in_service_stays_by_whatever_force(self, others):
        world = world_of(UP, *others)
        with pytest.raises(Refused, match="web1 can not be taken out: the router sees 0 of the"):
            ask(world, "taken_out", force=True, min_healthy=0, **MINE)
        assert world.servers["blue"][0].in_service

    def test_all_of_a_colour_are_not_taken_out_together(self):
        with pytest.raises(Refused, match="web1, web2 can not be taken out"):
            ask(world_of(UP, UP), "taken_out", **{**MINE, "servers": ["web1", "web2"]})

    def test_others_that_are_sick_are_named_unless_fewer_will_do(self):
        with pytest.raises(Unhealthy, match=r"1 of the 2 other servers of blue in service \(web3 DOWN\), expected 100%"):
            ask(world_of(UP, UP, DOWN), "taken_out", **MINE)
        assert ask(world_of(UP, UP, DOWN), "taken_out", min_healthy=50, **MINE).changed

    def test_one_that_serves_nobody_can_always_be_taken_out(self):
        assert ask(world_of(DOWN, DOWN), "taken_out", **MINE).changed

    def test_check_mode_says_what_is_in_flight_and_takes_nothing_out(self):
        world = world_of(replace(UP, in_flight=2), UP)
        done = ask(world, "taken_out", check=True, **MINE)
        assert (done.changed, done.left, world.servers["blue"][0].drained) == (True, 2, False)

    def test_a_name_that_the_router_does_not_know(self):
        with pytest.raises(NotConfigured, match="blue has no server web9: it has web1, web2"):
            ask(world_of(UP, UP), "taken_out", **{**MINE, "servers": ["web9"]})

    @pytest.mark.parametrize("state", ["taken_out", "brought_back"])
    def test_only_the_run_that_holds_the_service_does_it(self, state):
        world = rolling()
        with pytest.raises(LeaseHeld):
            ask(world, state, run="b", **MINE)
        ask(world, "rolled_back")
        with pytest.raises(Fenced):
            ask(world, state, epoch=4, **MINE)
        assert world.servers["blue"][0].in_service


class TestBroughtBack:
    def test_it_comes_back_when_it_is_healthy_and_not_before(self):
        world = world_of(replace(DOWN, drained=True), UP)
        world.after(2, lambda world: world.change_servers("blue", ["web1"], healthy=True))
        done = ask(world, "brought_back", **MINE)
        assert (done.changed, world.servers["blue"][0].in_service) == (True, True)
        assert done.was_out is True
        again = ask(world, "brought_back", **MINE)
        assert (again.changed, again.was_out) == (False, False)

    def test_one_that_is_not_healthy_stays_out(self):
        world = world_of(replace(DOWN, drained=True), UP)
        with pytest.raises(Unhealthy, match="not healthy after 5 s: web1 DOWN"):
            ask(world, "brought_back", **MINE)
        assert not ask(world, "brought_back", on_timeout="report", **MINE).done
        assert world.servers["blue"][0].drained

    def test_a_run_that_was_fenced_while_it_waited_brings_nothing_back(self):
        world = rolling(replace(DOWN, drained=True), UP)

        def healthy_and_fenced(world):
            world.change_servers("blue", ["web1"], healthy=True)
            ask(world, "rolled_back", run="b")

        world.after(2, healthy_and_fenced)
        with pytest.raises(Fenced):
            ask(world, "brought_back", epoch=4, **MINE)
        assert world.servers["blue"][0].drained

    def test_one_that_somebody_has_brought_back_before_is_told(self):
        world = world_of(DOWN, UP)
        world.after(2, lambda world: world.change_servers("blue", ["web1"], healthy=True))
        assert ask(world, "brought_back", **MINE).was_out is False


@pytest.mark.parametrize("state", ["taken_out", "brought_back"])
def test_a_kind_of_router_that_can_not_refuses_and_says_so(state):
    world = world_of(UP, UP)
    router = MemoryRouter(world, can=Capabilities())
    for refused in ({"state": state, **MINE}, {"state": "claimed", "release": "v2", "rolling": True}):
        with pytest.raises(BadInput, match="can not take a single server of"):
            engine.run(Request.parse({"service": "shop", **refused}), router, world.clock)
    with pytest.raises(BadInput, match="can not take a single server of blue out without a reload"):
        look(router, "shop", servers=True)


def test_a_look_tells_of_each_server():
    found = look(MemoryRouter(world_of(UP, OUT)), "shop", servers=True)["servers"]
    assert found["blue"]["web2"] == {"healthy": True, "drained": True, "in_service": False, "in_flight": 0, "state": "DRAIN"}
    assert found["green"] == {}


class TestJournal:
    def test_a_whole_way_leaves_the_new_release_and_the_idle_colour_as_it_was(self):
        world = rolling(**HOT)
        record = world.record()
        assert (record.rolling, record.release, record.candidate, record.phase) == ("v2", "v2", None, "rolling")
        assert record.releases["blue"] == "v1", "the way back is known"
        ask(world, "settled", epoch=4)
        record = world.record()
        assert (record.rolling, record.release, record.lease, record.phase) == (None, None, None, "settled")
        assert (record.releases, record.rollback_to) == ({"blue": "v2", "green": "v0"}, "green")
        assert not ask(world, "settled", epoch=4).changed

    def test_one_that_is_given_back_before_any_deployment_leaves_nothing(self):
        world = world_of(UP, UP, **HOT)
        before = world.record()
        assert claim(world).phase == "settled"
        ask(world, "abandoned", epoch=4)
        after = replace(world.record(), epoch=3, changed_at=before.changed_at, changed_by=before.changed_by)
        assert after == before

    def test_one_that_is_stopped_is_remembered_until_all_hosts_have_one_release(self):
        world = rolling()
        ask(world, "abandoned", epoch=4)
        record = world.record()
        assert (record.rolling, record.release, record.lease, record.phase) == ("v2", None, None, "stopped")
        with pytest.raises(Refused, match="v2 has not got to all hosts of blue: some may have v1"):
            ask(world, "claimed", release="v3")
        with pytest.raises(NothingToRollBack) as error:
            ask(world, "rolled_back")
        assert "run rolling.yml with v1" in error.value.remedy
        assert claim(world, "v1").rolling == "v2"
        ask(world, "settled", epoch=5)
        assert (world.record().rolling, world.record().releases) == (None, {"blue": "v1"})

    def test_a_release_that_is_forced_after_it_knows_no_release_there(self):
        world = rolling()
        ask(world, "abandoned", epoch=4)
        journal = ask(world, "claimed", release="v3", force=True).seen.journal
        assert journal is not None
        assert (journal.rolling, journal.releases, journal.candidate) == (None, {}, "green")

    def test_a_release_is_not_live_while_hosts_have_different_ones(self):
        world = rolling()
        ask(world, "abandoned", epoch=4)
        with pytest.raises(Refused):
            ask(world, "claimed", release="v1")

    def test_a_rollback_ends_it_and_goes_to_the_idle_colour_when_that_is_the_way_back(self):
        world = rolling(**HOT)
        ask(world, "rolled_back", run="b")
        record = world.record()
        assert (record.stable, record.rolling, record.release, record.releases) == ("green", None, None, {"green": "v0"})
        with pytest.raises(Fenced):
            ask(world, "settled", epoch=4)

    def test_a_rollback_with_no_way_back_ends_the_run(self):
        world = rolling()
        ask(world, "rolled_back", run="b")
        record = world.record()
        assert (record.stable, record.rolling, record.release, record.lease) == ("blue", "v2", None, None)

    def test_another_run_keeps_away(self):
        for refused in ({"rolling": True}, {}):
            with pytest.raises(LeaseHeld, match="release v2 is under way"):
                ask(rolling(), "claimed", run="b", release="v3", **refused)

    @pytest.mark.parametrize("world", [releasing("blue"), releasing("blue", {"green": 20}), world_with("blue", {"green": 20})])
    def test_it_does_not_begin_while_a_release_is_under_way(self, world):
        with pytest.raises(Refused, match="v3 can not go through the hosts of blue while release"):
            claim(world, "v3", run="a")

    def test_one_host_is_too_few(self):
        world = world_of(UP)
        world.capacity["blue"] = Capacity(1, 1)
        with pytest.raises(Refused, match="blue has 1 server: while it is out, nobody would answer"):
            claim(world)

    def test_it_does_not_settle_while_traffic_is_elsewhere(self):
        world = rolling()
        world.durable = releasing("green").durable
        with pytest.raises(Refused, match="v2 can not be settled on blue"):
            ask(world, "settled", epoch=4)
