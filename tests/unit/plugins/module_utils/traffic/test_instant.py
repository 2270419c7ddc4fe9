# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flip at an instant: made by the process that is left on the router, kept when its run confirms, taken back otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import (
    BadInput,
    Fenced,
    NotInForce,
    SocketError,
    StorageError,
    TooLate,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Capacity, Routing, Split
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic import engine
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.instant import Work
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.outcome import Outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import Request

from tests.support.memory_router import NOON, MemoryRouter, World, releasing

ON_GREEN, ON_BLUE = Routing(Split(100)), Routing(Split(0))
AT = NOON + 5
RELEASE: dict[str, Any] = {"epoch": 1, "at": AT, "split": {"green": 100}, "confirm_within": 10}


def ask(world: World, state: str, router: MemoryRouter | None = None, works: list[Work] | None = None, **params: Any) -> Outcome:
    """One request by run a; the work that it leaves behind goes into the list."""
    asked = {"service": "shop", "state": state, "run": "a", "owner": "alice", **params}
    left: list[Work] = [] if works is None else works
    return engine.run(Request.parse(asked), router or MemoryRouter(world), world.clock, left.append)


def arm(world: World, router: MemoryRouter | None = None, **params: Any) -> Work:
    """Stage for the instant; the work of the process that is left."""
    works: list[Work] = []
    ask(world, "staged", router, works, **{**RELEASE, **params})
    (work,) = works
    return work


def test_nothing_moves_before_the_instant_and_all_of_it_then():
    world = releasing("blue")
    moments: list[tuple[float, Routing | None]] = []
    for seconds in (1, 4.9, 5.2):
        world.after(seconds, lambda w: moments.append((w.now, w.in_force)))
    work = arm(world)
    assert world.in_force == ON_BLUE
    work()
    assert [routing for _moment, routing in moments] == [ON_BLUE, ON_BLUE, ON_GREEN]


def test_a_flip_that_is_confirmed_stays():
    world = releasing("blue")
    world.after(6, lambda w: found.append(ask(w, "committed", **RELEASE)))
    world.after(7, lambda w: found.append(ask(w, "switched", **RELEASE)))
    found: list[Outcome] = []
    arm(world)()
    committed, switched = found
    assert committed.changed
    assert committed.flipped_at == pytest.approx(AT, abs=0.1)
    assert switched.changed
    assert switched.flip_ms is None, "it had been flipped before"
    assert world.pending is None
    assert (world.in_force, world.durable, world.record().routing) == (ON_GREEN, ON_GREEN, ON_GREEN)
    world.sleep(60)
    assert world.in_force == ON_GREEN


def test_a_flip_that_nobody_confirms_is_taken_back_by_the_router():
    world = releasing("blue")
    seen: list[Routing | None] = []
    world.after(14, lambda w: seen.append(w.in_force))
    arm(world)()
    assert seen == [ON_GREEN]
    assert world.now == pytest.approx(AT + 10, abs=0.5)
    assert (world.in_force, world.durable, world.record().routing) == (ON_BLUE, ON_BLUE, ON_BLUE)
    assert (world.record().phase, world.record().candidate, world.pending) == ("taken_back", "green", None)
    with pytest.raises(NotInForce, match="what was staged is not in force"):
        ask(world, "switched", **RELEASE)
    assert world.in_force == ON_BLUE
    assert ask(world, "claimed", run="b", release="v2").changed, "the next run goes on"


def test_a_sign_of_life_neither_confirms_nor_calls_off():
    world = releasing("blue")
    world.after(7, lambda w: ask(w, "renewed", epoch=1))
    arm(world)()
    assert (world.in_force, world.record().phase) == (ON_BLUE, "taken_back")


def test_a_rollback_calls_a_flip_off_before_its_instant():
    world = releasing("blue")
    states: list[Routing | None] = []
    works: list[Work] = []
    ask(world, "staged", works=works, **RELEASE)
    ask(world, "rolled_back", run="b")
    facts = world.facts()
    works[0]()
    states.append(world.in_force)
    assert states == [ON_BLUE]
    assert world.facts() == facts
    with pytest.raises(Fenced):
        ask(world, "committed", **RELEASE)


def test_a_rollback_after_the_flip_ends_the_wait_for_its_run():
    world = releasing("blue")
    world.after(7, lambda w: ask(w, "rolled_back", run="b"))
    arm(world)()
    assert world.now < AT + 10
    assert (world.in_force, world.record().phase, world.record().epoch) == (ON_BLUE, "rolled_back", 2)


def test_an_older_run_can_not_call_off_a_newer_one():
    world = releasing("blue", epoch=2)
    work = arm(world, epoch=2)
    with pytest.raises(Fenced):
        ask(world, "rolled_back", epoch=1)
    world.after(6, lambda w: ask(w, "switched", **{**RELEASE, "epoch": 2}))
    work()
    assert world.in_force == ON_GREEN


def test_a_claim_by_another_run_brings_an_unconfirmed_flip_back():
    world = releasing("blue")
    world.after(7, lambda w: ask(w, "claimed", run="b", release="v2"))
    arm(world)()
    assert (world.in_force, world.durable, world.record().routing) == (ON_BLUE, ON_BLUE, ON_BLUE)
    assert (world.record().epoch, world.pending) == (2, None)


@pytest.mark.parametrize("step", ["commit", "commit process 1", "confirm"])
def test_a_flip_that_fails_is_undone_and_says_so_to_its_run(step):
    world = releasing("blue")
    router = MemoryRouter(world, SocketError("gone"), at_step=step)
    arm(world, router)()
    assert world.in_force == ON_BLUE
    assert world.durable == ON_BLUE
    with pytest.raises(NotInForce, match="gone"):
        ask(world, "committed", **RELEASE)


@pytest.mark.parametrize("step", ["stage", "stage routing", "staged", "pending"])
def test_what_can_not_be_staged_is_not_due(step):
    world = releasing("blue")
    before = world.copy()
    with pytest.raises(StorageError):
        arm(world, MemoryRouter(world, StorageError("full"), at_step=step))
    assert world == before


def test_an_instant_that_is_over_is_refused_before_anything_is_staged():
    world = releasing("blue")
    before = world.copy()
    with pytest.raises(TooLate, match=r"1\.000 s ago"):
        arm(world, at=NOON - 1)
    with pytest.raises(BadInput, match="3600 s ahead"):
        arm(world, at=NOON + 3600)
    assert world == before


def test_a_flip_is_not_taken_back_to_servers_that_are_down():
    world = releasing("blue")

    def blue_dies(w: World) -> None:
        w.capacity["blue"] = Capacity(0, 2)

    world.after(7, blue_dies)
    arm(world)()
    assert world.in_force == ON_GREEN
    assert world.pending is not None
    assert "blue has 0 of 2 healthy" in world.pending.error


def test_what_is_on_green_already_needs_no_process():
    world = releasing("blue", {"green": 100})
    works: list[Work] = []
    ask(world, "staged", works=works, **RELEASE)
    assert not works
    assert not ask(world, "committed", **RELEASE).changed
    assert not ask(world, "switched", **RELEASE).changed
