# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine over a router in memory: the invariants as properties, with failures and deaths at every step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import (
    BadInput,
    Busy,
    Fenced,
    NothingToRollBack,
    NotInForce,
    Refused,
    SocketError,
    StorageError,
    TimedOut,
    TurnoutError,
    Unhealthy,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Hold, Journal, Lease
from ansible_collections.turnout.bluegreen.plugins.module_utils._router import Capabilities
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import COLOURS, Capacity, Routing, Split
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic import engine, flip, outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.outcome import Outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import Request
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.memory_router import (
    HEALTHY,
    NOON,
    Died,
    MemoryRouter,
    World,
    releasing,
    world_with,
)

ON_GREEN, ON_BLUE = Routing(Split(100)), Routing(Split(0))
SICK = Capacity(0, 2, ("s1: DOWN", "s2: DOWN"))
HALF = Capacity(1, 2, ("s2: DOWN",))
STEPS = (
    *("lock", "observe", "stage", "stage routing", "staged", "discard", "commit", "commit process 0"),
    *("commit process 1", "committed", "confirm", "store", "stored"),
)


def ask(world: World, state: str, router: MemoryRouter | None = None, check: bool = False, **params: Any) -> Outcome:
    """One request by run a."""
    asked = {"service": "shop", "state": state, "run": "a", "owner": "alice", **params}
    return engine.run(Request.parse(asked, check), router or MemoryRouter(world), world.clock)


@contextmanager
def refused(kind: type[TurnoutError], words: str) -> Iterator[None]:
    """What people read is the message as the engine has completed it."""
    with pytest.raises(kind) as caught:
        yield
    assert re.search(words, caught.value.message), caught.value.message


def consistent(world: World) -> Routing:
    """What traffic, file and journal agree on."""
    assert {*world.processes, world.durable} == {world.record().routing}
    return world.durable


class Releases(RuleBasedStateMachine):
    """Several runs, people and failures on one router. What a request must never do is checked at every request."""

    @initialize()
    def start(self) -> None:
        self.world = world_with("blue")
        self.epochs: dict[str, int] = {}

    @rule(seconds=st.sampled_from([1, 600, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.world.sleep(seconds)

    @rule(colour=st.sampled_from(COLOURS), capacity=st.sampled_from([HEALTHY, HALF, SICK]))
    def health_changes(self, colour: str, capacity: Capacity) -> None:
        self.world.capacity[colour] = capacity

    @rule(
        run=st.sampled_from("abc"),
        state=st.sampled_from(
            [
                *("claimed", "renewed", "staged", "switched", "switched", "held", "promoted", "settled", "rolled_back"),
                *("abandoned", "retired", "present", "drilled"),
            ]
        ),
        params=st.fixed_dictionaries(
            {
                "split": st.sampled_from(
                    [{"green": percent} for percent in (0, 5, 50, 100)]
                    + [{"green": 0, "cohort": "green"}, {"green": 50, "cohort": "green"}, {"green": 100, "cohort": "blue"}]
                ),
                "colour": st.sampled_from([None, None, *COLOURS]),
                "release": st.sampled_from(["v1", "v2", "v3"]),
                "phase": st.sampled_from([None, "deploying", "deployed"]),
                "sticky": st.sampled_from([None, None, "cookie"]),
                "min_healthy": st.sampled_from([None, None, 0, 50]),
                "take_over": st.sampled_from([[], ["a", "b", "c"]]),
                "force": st.sampled_from([False, False, False, True]),
                "end_window": st.sampled_from([False, False, False, True]),
                "answer": st.sampled_from(["go", "go", "stop"]),
                "drill": st.sampled_from([False, False, True]),
                "rollback_ms": st.just(3.0),
                "lost": st.just(0),
            }
        ),
        fenced=st.booleans(),
        fault=st.sampled_from([None, None, Died, Died, SocketError]),
        at_step=st.sampled_from(STEPS),
    )
    def request(self, run: str, state: str, params: dict[str, Any], fenced: bool, fault: Any, at_step: str) -> None:
        needs_epoch = state in ("renewed", "held", "settled", "abandoned")
        if state == "promoted":
            params["release"] = None
        asked = {"service": "shop", "state": state, "run": run, "owner": run, **params}
        if needs_epoch or fenced:
            asked["epoch"] = self.epochs.get(run, 0 if needs_epoch else None)
        request = Request.parse(asked)
        before = self.world.copy()
        expected = self.rehearse(asked)
        router = MemoryRouter(self.world, fault("fault") if fault else None, at_step=at_step)
        outcome: Outcome | TurnoutError | Died
        try:
            outcome = engine.run(request, router, self.world.clock)
        except (TurnoutError, Died) as error:
            outcome = error
        claims = state not in ("promoted", "present", "drilled")
        if claims and "epoch" not in asked and isinstance(outcome, Outcome) and outcome.changed:
            self.epochs[run] = self.world.record().epoch
        assert not self.world.busy
        self.check_fencing(request, before)
        self.check_health(request, before)
        self.check_window(request, before)
        self.check_approval(request, before)
        if not router.struck and not isinstance(outcome, Died):
            self.check_rehearsal(expected, outcome)
        if isinstance(outcome, Outcome):
            self.check_repetition(request, outcome, before)

    def rehearse(self, asked: dict[str, Any]) -> Outcome | TurnoutError:
        """Check mode, on the world itself: it must not change it."""
        facts = self.world.copy()
        try:
            return engine.run(Request.parse(asked, check_mode=True), MemoryRouter(self.world), self.world.clock)
        except TurnoutError as error:
            return error
        finally:
            assert self.world == facts

    def check_rehearsal(self, expected: Outcome | TurnoutError, found: Outcome | TurnoutError) -> None:
        """I7: what check mode has said is what was done."""
        if isinstance(found, TurnoutError):
            assert type(expected) is type(found)
            return
        assert isinstance(expected, Outcome)
        assert (expected.changed, expected.diff, expected.note) == (found.changed, found.diff, found.note)
        assert expected.seen == found.seen
        if found.changed:
            seen = MemoryRouter(self.world).observe()
            assert (seen.in_force, seen.durable, seen.journal) == (found.seen.in_force, found.seen.durable, found.seen.journal)

    def check_repetition(self, request: Request, first: Outcome, before: World) -> None:
        """I7: the second time nothing is left to do."""
        if request.state in ("claimed", "renewed", "drilled"):
            return
        if request.state == "rolled_back" and before.record().drill is not None:
            return  # the first ends the drill, the second goes back behind the last release
        world = self.world.copy()
        world.sleep(1)
        facts = world.facts()
        try:
            assert not engine.run(request, MemoryRouter(world), world.clock).changed
        except Fenced:
            assert request.epoch is not None
            assert first.changed
        assert world.facts() == facts

    def check_fencing(self, request: Request, before: World) -> None:
        """I5: epochs only grow, and an older one moves nothing and writes nothing."""
        assert self.world.record().epoch >= before.record().epoch
        if request.epoch is not None and request.epoch < before.record().epoch:
            assert self.world.facts() == before.facts()

    def check_health(self, request: Request, before: World) -> None:
        """I2: nobody gives new weight to a colour that is not fit for it, unless forced."""
        if request.force:
            return
        percent = 0 if request.state == "rolled_back" else 100
        percent = percent if request.min_healthy is None else request.min_healthy
        known = {*before.processes, before.durable}
        for routing in {*self.world.processes, self.world.durable} - known:
            for colour in COLOURS:
                was = before.in_force.split if before.in_force else None
                more = routing.split.percent(colour) > (was.percent(colour) if was else 0)
                joined = routing.split.cohort == colour and (was is None or was.cohort != colour)
                assert not (more or joined) or before.capacity[colour].enough(percent)

    def check_window(self, request: Request, before: World) -> None:
        """I8: the way back is not given up before its time."""
        record = before.record()
        if request.force or request.end_window or record.rollback_to is None or record.hot_until is None:
            return
        new = request.state == "claimed" and request.release != record.release
        if before.now < record.hot_until and (new or request.state == "retired"):
            assert self.world.record().rollback_to == record.rollback_to

    def check_approval(self, request: Request, before: World) -> None:
        """While a step waits for a person, the run that asked moves nothing but back; only an answer ends the wait."""
        hold, record = before.record().hold, self.world.record()
        if hold is None or hold.answer == "go" or request.epoch is None or request.state == "rolled_back":
            return
        assert (self.world.processes, self.world.durable) == (before.processes, before.durable)
        if request.state in ("switched", "staged", "settled"):
            assert self.world.facts() == before.facts()
        if request.state not in ("promoted", "abandoned", "claimed"):
            assert record.hold == hold

    @invariant()
    def any_moment_can_be_rolled_back(self) -> None:
        """I4: without force, whatever has died before."""
        world = self.world.copy()
        world.capacity = dict.fromkeys(COLOURS, HALF)
        try:
            ask(world, "rolled_back", run="d")
        except NothingToRollBack:
            assert world.record().candidate is None
        assert consistent(world).split == Split.all_on(world.record().stable)
        for epoch in self.epochs.values():
            if epoch < world.record().epoch:
                with pytest.raises(Fenced):
                    ask(world, "switched", epoch=epoch, split={"green": 30}, min_healthy=0)

    @invariant()
    def any_release_can_be_resumed(self) -> None:
        """I4: once the lease is over, and when it is known where traffic is."""
        world, record = self.world.copy(), self.world.record()
        if not record.candidate or not record.release or not world.in_force:
            return
        world.sleep(1000)
        world.capacity = dict.fromkeys(COLOURS, HEALTHY)
        if record.drill is not None:
            self.check_drill(world, record)
            return
        claimed = ask(world, "claimed", run="d", release=record.release).seen.journal
        assert claimed is not None
        assert claimed.epoch > record.epoch
        ask(world, "switched", run="d", epoch=claimed.epoch, split={record.candidate: 100})
        ask(world, "settled", run="d", epoch=claimed.epoch)
        assert consistent(world).split == Split.all_on(record.candidate)
        assert world.record().stable == record.candidate
        assert world.record().rollback_to == record.stable

    def check_drill(self, world: World, record: Journal) -> None:
        """A drill that was interrupted can be run again, and leaves the way back as it was."""
        claimed = ask(world, "claimed", run="d", release=record.release, drill=True).seen.journal
        assert claimed is not None
        assert claimed.hold is None
        ask(world, "switched", run="d", epoch=claimed.epoch, split={record.candidate: 5})
        ask(world, "rolled_back", run="d", epoch=claimed.epoch)
        ask(world, "drilled", run="d", rollback_ms=3.0, lost=0)
        after = world.record()
        assert (after.stable, after.rollback_to, after.hot_until) == (record.stable, record.rollback_to, record.hot_until)
        assert (after.phase, after.drill, after.candidate, after.lease) == (record.drill, None, None, None)
        assert after.releases == record.releases
        assert after.rollback_proven is not None
        assert consistent(world).split == Split.all_on(record.stable)


TestReleases = Releases.TestCase
TestReleases.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


KEPT: dict[str, Any] = {"rollback_to": "blue", "hot_until": NOON + 60, "releases": {"blue": "v1", "green": "v2"}}
REQUESTS: list[tuple[World, dict[str, Any]]] = [
    (world_with("blue"), {"state": "claimed", "release": "v2"}),
    (world_with("blue"), {"state": "switched", "split": {"green": 100}}),
    (world_with("green"), {"state": "switched", "split": {"green": 40}, "sticky": "cookie"}),
    (releasing("blue"), {"state": "switched", "epoch": 1, "split": {"green": 5}}),
    (releasing("blue", {"green": 5}), {"state": "switched", "epoch": 1, "split": {"green": 100}}),
    (releasing("green", {"green": 50}), {"state": "rolled_back"}),
    (releasing("blue", {"green": 100}), {"state": "settled", "epoch": 1}),
    (releasing("blue"), {"state": "abandoned", "epoch": 1}),
    (releasing("blue"), {"state": "staged", "epoch": 1, "split": {"green": 100}}),
    (releasing("blue"), {"state": "renewed", "epoch": 1, "phase": "deployed"}),
    (world_with("green", rollback_to="blue", hot_until=NOON + 60), {"state": "rolled_back"}),
    (world_with("green", rollback_to="blue", hot_until=NOON - 1), {"state": "retired"}),
    (releasing("blue", {"green": 5}), {"state": "held", "epoch": 1}),
    (releasing("blue", {"green": 5}, hold=Hold(5, NOON, NOON + 60), lease=Lease("b", "bob", NOON + 9000)), {"state": "promoted"}),
    (releasing("blue", {"green": 5}, hold=Hold(5, NOON, NOON + 60)), {"state": "rolled_back"}),
    (world_with("green", **KEPT), {"state": "claimed", "release": "v1", "drill": True}),
    (releasing("green", {"blue": 5}, **{**KEPT, "release": "v1", "drill": "settled"}), {"state": "rolled_back"}),
]


@pytest.mark.parametrize(("world", "params"), REQUESTS, ids=lambda value: value.get("state") if isinstance(value, dict) else "")
def test_a_death_at_any_step_leaves_a_way_back_and_a_way_on(world, params):
    whole = MemoryRouter(world.copy())
    ask(whole._world, router=whole, **params)
    for at in range(len(whole.steps)):
        dead = world.copy()
        with pytest.raises(Died):
            ask(dead, router=MemoryRouter(dead, Died(), at), **params)
        for again in ({**params, "run": "b"}, {"state": "rolled_back", "run": "b"}):
            after = dead.copy()
            after.sleep(1000)
            if dead.in_force is None and params["state"] != "switched" and again["state"] != "rolled_back":
                continue
            try:
                ask(after, **again)
            except NothingToRollBack:
                assert after.facts() == dead.facts()
            except Fenced:
                assert after.record().epoch > world.record().epoch
            consistent(after)


def test_a_failure_before_the_commit_changes_nothing_and_leaves_nothing():
    for step in ("lock", "observe", "stage", "stage routing", "staged"):
        world = releasing("blue")
        before = world.copy()
        with refused(StorageError, r"^memory: shop: .*Traffic now: 100% blue"):
            ask(world, "switched", MemoryRouter(world, StorageError("disk full"), at_step=step), epoch=1, split={"green": 100})
        assert world == before


@pytest.mark.parametrize("step", ["commit", "commit process 0", "commit process 1", "committed", "confirm"])
def test_a_rollback_in_doubt_has_fenced_the_run_and_never_goes_back_to_the_bad_release(step):
    world = releasing(split={"green": 100}, epoch=1)
    with pytest.raises(NotInForce) as caught:
        ask(world, "rolled_back", MemoryRouter(world, NotInForce("no"), at_step=step))
    assert caught.value.details["changed"]
    assert (world.record().epoch, world.record().stable, world.record().candidate) == (2, "blue", None)
    with refused(Fenced, "epoch 1 is over"):
        ask(world, "switched", epoch=1, split={"green": 100})
    ask(world, "rolled_back")
    assert consistent(world) == ON_BLUE


@pytest.mark.parametrize("step", ["commit", "commit process 0", "commit process 1", "committed", "confirm"])
def test_a_failure_of_the_flip_puts_the_former_split_back(step):
    world = releasing("blue", {"green": 5})
    before = world.copy()
    with refused(NotInForce, "former split was put back: 95% blue, 5% green. Traffic now: 95% blue"):
        ask(world, "switched", MemoryRouter(world, NotInForce("no"), at_step=step), epoch=1, split={"green": 100})
    assert world == before


def test_a_forced_flip_without_a_journal_is_put_back_as_well():
    world = World()
    before = world.copy()
    with refused(NotInForce, "put back"):
        ask(world, "switched", MemoryRouter(world, NotInForce("no"), at_step="confirm"), force=True, split={"green": 100})
    assert world == before


def test_a_way_back_that_fails_goes_on_and_can_be_asked_for_again():
    world = releasing("blue", {"green": 100})
    with pytest.raises(SocketError):
        ask(world, "rolled_back", MemoryRouter(world, SocketError("no"), at_step="commit process 1"))
    assert world.durable == ON_BLUE
    ask(world, "rolled_back")
    assert consistent(world) == ON_BLUE


def test_when_the_former_split_can_not_be_put_back_the_message_says_both():
    world = releasing("blue")

    class Broken(MemoryRouter):
        def confirm(self, routing):
            raise NotInForce(f"socket answers no for {routing}")

    with refused(NotInForce, r"no for 100% green.*Putting 100% blue back failed as well.*no for 100% blue"):
        ask(world, "switched", Broken(world), epoch=1, split={"green": 100})
    assert world.next_journal is None


def test_a_client_that_sees_the_wrong_colour_puts_the_former_split_back(monkeypatch):
    asked = []

    def confirm_at(url: str, split: Split, timeout: float) -> None:
        asked.append((url, split, timeout))
        raise NotInForce("answered by blue")

    monkeypatch.setattr(flip, "confirm_at", confirm_at)
    world = releasing("blue")
    before = world.copy()
    with refused(NotInForce, "put back"):
        ask(world, "switched", epoch=1, split={"green": 100}, confirm_url="http://localhost/", timeout=3)
    assert asked == [("http://localhost/", Split(100), 3)]
    assert world == before


def test_the_order_of_a_change():
    router = MemoryRouter(releasing("blue"))
    outcome = ask(router._world, "switched", router, epoch=1, split={"green": 100})
    important = [step for step in router.steps if step in ("lock", "observe", "stage", "commit", "confirm", "store")]
    assert important == ["lock", "observe", "stage", "commit", "confirm", "store"]
    assert outcome.flip_ms is not None
    assert outcome.flip_ms >= 0


def test_a_change_of_the_journal_alone_does_not_touch_traffic():
    router = MemoryRouter(releasing("blue", {"green": 100}))
    outcome = ask(router._world, "settled", router, epoch=1)
    assert not {"commit", "stage routing", "confirm"} & set(router.steps)
    assert outcome.flip_ms is None


def test_a_router_that_is_being_changed_is_busy():
    world = releasing("blue")
    world.busy = True
    with refused(Busy, "Traffic now: 100% blue"):
        ask(world, "rolled_back")
    assert world.busy


def test_a_router_that_does_not_answer_has_no_known_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    world = releasing("blue")
    router = MemoryRouter(world)

    def observe() -> Any:
        raise SocketError("no answer")

    monkeypatch.setattr(router, "observe", observe)
    with refused(SocketError, "Traffic now: not known"):
        ask(world, "rolled_back", router)


@pytest.mark.parametrize(
    ("can", "params"),
    [
        (Capabilities(weights=False), {"state": "switched", "split": {"green": 5}}),
        (Capabilities(sticky=False), {"state": "switched", "split": {"green": 100}, "sticky": "cookie"}),
        (Capabilities(cohorts=False), {"state": "switched", "split": {"green": 0, "cohort": "green"}}),
        (Capabilities(cuts=False), {"state": "drained", "colour": "green", "shutdown_sessions": True}),
    ],
)
def test_what_a_kind_of_router_can_not_do_is_refused_before_anything_else(can, params):
    world = world_with("blue")
    router = MemoryRouter(world, can=can)
    with refused(BadInput, "this kind of router"):
        ask(world, router=router, **params)
    assert router.steps == ["observe"]  # only for the message


def test_a_router_that_only_switches_can_be_switched():
    world = world_with("blue")
    ask(world, "switched", MemoryRouter(world, can=Capabilities(weights=False, sticky=False)), split={"green": 100})
    assert consistent(world) == ON_GREEN


# Waits: the clock jumps, nothing sleeps.


def heal(world: World) -> None:
    world.capacity["green"] = HEALTHY


def test_health_is_waited_for_and_no_longer_than_needed():
    world = releasing("blue")
    world.capacity["green"] = SICK
    world.after(7, heal)
    outcome = ask(world, "healthy", colour="green", epoch=1, timeout=30, interval=0.5)
    assert outcome.done
    assert not outcome.changed
    assert world.now == pytest.approx(NOON + 7, abs=0.6)
    assert outcome.note == "green: 2 of 2 healthy"


def test_sickness_is_reported_with_what_is_left():
    world = releasing("blue")
    world.capacity["green"] = HALF
    with refused(Unhealthy, r"green has 1 of 2 healthy \(s2: DOWN\), expected 100% .* within 30 s"):
        ask(world, "healthy", colour="green", timeout=30)
    assert world.now == pytest.approx(NOON + 30)
    outcome = ask(world, "healthy", colour="green", timeout=30, on_timeout="report")
    assert (outcome.done, outcome.changed) == (False, False)
    assert ask(world, "healthy", colour="green", min_healthy=50).done


def test_a_healthy_colour_at_the_last_look_is_in_time():
    world = releasing("blue")
    world.capacity["green"] = SICK
    world.after(29.99, heal)
    assert ask(world, "healthy", colour="green", timeout=30, interval=20).done


@given(st.floats(0.001, 50), st.floats(0.01, 10), st.floats(0, 60))
def test_no_wait_is_longer_than_asked_for(timeout, interval, healed_after):
    world = releasing("blue")
    world.capacity["green"] = SICK
    world.after(healed_after, heal)
    outcome = ask(world, "healthy", colour="green", timeout=timeout, interval=interval, on_timeout="report")
    assert world.now - NOON <= timeout + 0.001
    assert outcome.done == (outcome.seen.capacity["green"] == HEALTHY)


def test_check_mode_looks_once_and_does_not_wait():
    world = releasing("blue")
    world.capacity["green"], world.in_flight["green"] = SICK, 3
    assert not ask(world, "healthy", check=True, colour="green").done
    assert ask(world, "drained", check=True, colour="green").left == 3
    assert world.now - NOON < 0.01


@pytest.mark.parametrize("state", ["healthy", "drained"])
def test_a_fenced_run_does_not_wait_at_all(state):
    world = releasing("blue", epoch=2)
    world.capacity["green"], world.in_flight["green"] = SICK, 3
    with pytest.raises(Fenced):
        ask(world, state, colour="green", epoch=1)
    assert world.now == NOON


def test_a_run_that_is_fenced_while_it_waits_stops_waiting():
    world = releasing("blue")
    world.capacity["green"] = SICK
    world.after(5, lambda world: world.__setattr__("journal", releasing("blue", epoch=2).journal))
    with pytest.raises(Fenced):
        ask(world, "healthy", colour="green", epoch=1, timeout=30)
    assert world.now < NOON + 6


def roll_back(world: World) -> None:
    ask(world, "rolled_back", run="b")


def in_flight(count: int) -> Any:
    return lambda world: world.in_flight.__setitem__("blue", count)


def test_a_drain_ends_when_nothing_is_left():
    world = releasing("blue", {"green": 100})
    in_flight(9)(world)
    world.after(4, in_flight(1))
    world.after(8, in_flight(0))
    outcome = ask(world, "drained", colour="blue", epoch=1, timeout=30, interval=1)
    assert (outcome.left, outcome.done, outcome.changed) == (0, True, False)
    assert outcome.seen.in_flight["blue"] == 0
    assert world.now == pytest.approx(NOON + 8, abs=1.1)


def test_a_drain_that_does_not_end_says_how_many_are_left():
    world = releasing("blue", {"green": 100})
    in_flight(9)(world)
    world.after(4, in_flight(2))
    with refused(TimedOut, "2 still in flight on blue after 10 s"):
        ask(world, "drained", colour="blue", timeout=10)
    outcome = ask(world, "drained", colour="blue", timeout=10, on_timeout="report")
    assert (outcome.left, outcome.done, outcome.changed) == (2, False, False)
    assert world.cuts == []


def test_sessions_are_ended_only_at_the_end_of_the_time():
    world = releasing("blue", {"green": 100})
    in_flight(2)(world)
    outcome = ask(world, "drained", colour="blue", epoch=1, timeout=10, shutdown_sessions=True)
    assert world.cuts == ["blue"]
    assert (outcome.changed, outcome.left, outcome.done) == (True, 0, True)
    assert outcome.note == "2 sessions of blue were ended at the deadline"
    assert world.now >= NOON + 10
    assert not ask(world, "drained", colour="blue", shutdown_sessions=True).changed
    assert world.cuts == ["blue"]


@pytest.mark.parametrize("split", [{"green": 0}, {"green": 95}, {"green": 100, "cohort": "blue"}])
def test_a_colour_with_weight_does_not_drain(split):
    world = releasing("blue", split)
    with refused(Refused, "blue can not drain"):
        ask(world, "drained", colour="blue", shutdown_sessions=True)
    assert world.cuts == []


def test_a_colour_in_doubt_does_not_drain():
    world = releasing("blue", {"green": 100})
    world.processes[1] = ON_BLUE
    with pytest.raises(Refused):
        ask(world, "drained", colour="blue", shutdown_sessions=True, timeout=1)
    assert world.cuts == []


def test_no_session_is_ended_when_traffic_has_come_back_meanwhile():
    world = releasing("blue", {"green": 100})
    in_flight(2)(world)
    world.after(5, roll_back)
    with pytest.raises((Fenced, Refused)):
        ask(world, "drained", colour="blue", timeout=10, shutdown_sessions=True)
    assert world.cuts == []
    world = releasing("blue", {"green": 100})
    in_flight(2)(world)
    world.after(5, roll_back)
    with pytest.raises(Fenced):
        ask(world, "drained", colour="blue", epoch=1, timeout=10, shutdown_sessions=True)
    assert world.cuts == []


def test_the_answer_carries_what_people_and_programs_need():
    world = releasing("blue")
    router = MemoryRouter(world)
    result = ask(world, "switched", router, epoch=1, split={"green": 25}).as_result(router)
    assert result["msg"] == "memory: traffic goes from 100% blue to 75% blue, 25% green"
    assert result["split"] == {"blue": 75, "green": 25}
    assert (result["changed"], result["epoch"], result["doubts"]) == (True, 1, [])
    assert result["diff"]["before"]["in_force"] == "100% blue"
    assert "left" not in result


def test_doubts_name_what_disagrees():
    world = releasing("blue")
    world.durable = ON_GREEN
    router = MemoryRouter(world)
    assert outcome.describe(router, router.observe())["doubts"] == [
        "traffic is 100% blue, but after a restart it would be 100% green"
    ]
    world.durable, world.processes = ON_GREEN, [ON_GREEN, ON_GREEN]
    assert "changed by hand" in outcome.describe(router, router.observe())["doubts"][0]
    world.next_journal = world.journal
    assert "interrupted" in outcome.describe(router, router.observe())["doubts"][0]
