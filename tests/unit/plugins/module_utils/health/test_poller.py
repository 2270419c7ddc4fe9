from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.expectations import (
    Expectation,
    HealthError,
    Outcome,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.poller import (
    Pace,
    Poller,
    Record,
    Verdict,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.targets import Policy, Target
from hypothesis import given
from hypothesis import strategies as st

GOOD, BAD = Outcome(0.01), Outcome(0.01, "status 503, expected 200-299")


def target(name: str = "a", **policy: Any) -> Target:
    return Target(name, f"tcp://{name}:1", name, 1, Policy(**policy), Expectation())


class Script:
    """A probe that plays outcomes by target name; the last one stays. ``None`` never answers."""

    def __init__(self, takes: float = 0.0, **outcomes: list[Outcome | None]) -> None:
        self.takes = takes
        self.outcomes = {name: list(reversed(played)) for name, played in outcomes.items()}
        self.started: list[tuple[float, str]] = []
        self.running = self.most = 0

    async def __call__(self, target: Target) -> Outcome:
        self.started.append((round(asyncio.get_running_loop().time(), 3), target.name))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.takes)
            left = self.outcomes[target.name]
            outcome = left.pop() if len(left) > 1 else left[0]
            if outcome is None:
                await asyncio.sleep(1e9)
                raise AssertionError("nobody waits that long")
            return outcome
        finally:
            self.running -= 1


@pytest.fixture
def poll(run, timing):
    def poll(script: Script, *targets: Target, **pace: Any) -> list[Record]:
        return run(Poller(script, Pace(**{"jitter": 0.0, **pace}), timing).poll(targets))

    return poll


def test_successes_must_be_in_a_row(poll):
    script = Script(a=[GOOD, GOOD, BAD, GOOD, GOOD, GOOD])
    (record,) = poll(script, target(successes=3, interval=2))
    assert record.verdict is Verdict.HEALTHY
    assert [at for at, _name in script.started] == [0, 2, 4, 6, 8, 10]
    assert (record.tries, record.successes, record.failures) == (6, 5, 1)
    assert record.last_error == BAD.error


def test_a_failure_beyond_max_failures_is_the_last_try(poll, loop):
    script = Script(a=[GOOD, BAD, GOOD])
    (record,) = poll(script, target(successes=9, max_failures=0))
    assert record.verdict is Verdict.GIVEN_UP
    assert record.tries == 2
    assert loop.now < 2
    assert record.reason == "status 503, expected 200-299, given up at failure 1"


def test_max_failures_counts_failures_that_are_not_in_a_row(poll):
    script = Script(a=[BAD, GOOD, BAD, GOOD, BAD, GOOD])
    (record,) = poll(script, target(successes=3, max_failures=2))
    assert (record.verdict, record.tries) == (Verdict.GIVEN_UP, 5)


def test_without_max_failures_tries_go_on_until_the_deadline(poll, loop):
    script = Script(a=[BAD])
    (record,) = poll(script, target(interval=1), deadline=10.5)
    assert (record.verdict, record.tries) == (Verdict.UNDECIDED, 11)
    assert loop.now == pytest.approx(10), "it does not wait for a deadline before which nothing can happen"
    assert record.reason == BAD.error


def test_a_try_is_bounded_by_its_timeout(poll):
    (record,) = poll(Script(a=[None]), target(timeout=3, interval=1, max_failures=1))
    assert record.last_error == "no answer within 3 s"
    assert record.failures == 2


def test_the_deadline_bounds_a_try_without_hiding_the_earlier_error(poll, loop):
    (record,) = poll(Script(a=[BAD, None]), target(timeout=60, max_failures=1), deadline=10)
    assert loop.now == pytest.approx(10)
    assert (record.tries, record.failures, record.reason) == (2, 1, BAD.error)


def test_a_single_try_cut_by_the_deadline_says_so(poll):
    (record,) = poll(Script(a=[None]), target(timeout=60), deadline=10)
    assert record.reason == "no answer before the deadline"


def test_too_few_successes_at_the_deadline_are_counted(poll):
    (record,) = poll(Script(a=[BAD, GOOD]), target(successes=5, interval=1), deadline=3.5)
    assert record.reason == f"3 of 5 successes in a row at the deadline, last error: {BAD.error}"


def test_a_target_that_got_no_turn_says_so(poll):
    records = poll(Script(a=[None], b=[GOOD]), target(timeout=60), target("b"), deadline=5, concurrency=1)
    assert records[1].reason == "never tried, the deadline came first"
    assert records[1].verdict is Verdict.UNDECIDED


def test_every_target_follows_its_own_policy(poll):
    script = Script(a=[GOOD], b=[GOOD])
    records = poll(script, target("a", successes=1), target("b", successes=4, interval=0.5))
    assert [record.tries for record in records] == [1, 4]


def test_fail_fast_ends_the_poll_at_the_first_target_given_up(poll, loop):
    script = Script(a=[GOOD], b=[GOOD, BAD], c=[GOOD])
    targets = [target("a", successes=99), target("b", successes=99, max_failures=0), target("c")]
    records = poll(script, *targets, fail_fast=True)
    assert loop.now == pytest.approx(1)
    assert [record.verdict for record in records] == [Verdict.UNDECIDED, Verdict.GIVEN_UP, Verdict.HEALTHY]
    assert records[0].reason == "not decided, another target ended the poll"


def test_without_fail_fast_the_others_are_decided(poll):
    script = Script(a=[GOOD], b=[BAD])
    records = poll(script, target("a", successes=5), target("b", max_failures=0))
    assert [record.verdict for record in records] == [Verdict.HEALTHY, Verdict.GIVEN_UP]


def test_pauses_are_jittered_around_the_interval(run, timing):
    asked = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    script = Script(a=[GOOD])
    pace = Pace(jitter=0.25)
    run(Poller(script, pace, replace(timing, uniform=uniform)).poll([target(successes=3, interval=4)]))
    assert set(asked) == {(0.75, 1.25)}
    assert [at for at, _name in script.started] == [0, 5, 10]


def test_a_defect_of_the_probe_is_not_swallowed(poll):
    with pytest.raises(KeyError):
        poll(Script(), target())


@given(bound=st.integers(1, 9), count=st.integers(1, 30))
def test_never_more_tries_at_once_than_asked_for(bound, count):
    from .conftest import JumpingLoop, Timing

    loop = JumpingLoop()
    names = [f"t{number}" for number in range(count)]
    outcomes: dict[str, list[Outcome | None]] = {name: [BAD, GOOD] for name in names}
    script = Script(takes=0.5, **outcomes)
    poller = Poller(script, Pace(concurrency=bound), Timing(loop.time, asyncio.sleep, lambda low, high: high))
    records = loop.run_until_complete(poller.poll([target(name, interval=0.1) for name in names]))
    loop.close()
    assert script.most == min(bound, count)
    assert all(record.verdict is Verdict.HEALTHY for record in records)
    assert Counter(name for _at, name in script.started) == dict.fromkeys(names, 2)


@given(
    outcomes=st.lists(st.booleans(), max_size=40),
    successes=st.integers(1, 4),
    allowed=st.none() | st.integers(0, 4),
)
def test_a_verdict_holds_exactly_when_its_definition_does(outcomes, successes, allowed):
    record = Record(target(successes=successes, max_failures=allowed))
    for count, good in enumerate(outcomes, 1):
        record.add(GOOD if good else BAD)
        seen = outcomes[:count]
        healthy = len(seen) >= successes and all(seen[-successes:])
        failed = allowed is not None and seen.count(False) > allowed
        expected = Verdict.HEALTHY if healthy else Verdict.GIVEN_UP if failed else Verdict.UNDECIDED
        assert record.verdict is expected


@pytest.mark.parametrize("wrong", [{"deadline": 0}, {"jitter": 1.1}, {"jitter": -0.1}, {"concurrency": 0}])
def test_a_pace_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(HealthError, match=next(iter(wrong))):
        Pace(**wrong)
