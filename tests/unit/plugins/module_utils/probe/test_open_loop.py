"""Pacing, on a clock that jumps: every time is exact."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.client import Outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.open_loop import OpenLoop
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.requests import Request
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.health.conftest import JumpingLoop

PATHS = [Request("GET", path, b"", b"") for path in ("/a", "/b", "/c")]


class Sent:
    """Stands for the network: each request takes ``takes`` seconds."""

    def __init__(self, loop: JumpingLoop, takes: float = 0.0) -> None:
        self.loop, self.takes = loop, takes
        self.starts: list[float] = []
        self.kinds: list[tuple[str, bool]] = []
        self.ended = self.skipped = self.open = self.most = 0

    async def fetch(self, request: Request, kept: bool) -> Outcome:
        self.starts.append(self.loop.time())
        self.kinds.append((request.path, kept))
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(self.takes)
        self.open -= 1
        return Outcome(self.takes)

    def seen(self, _outcome: Outcome) -> None:
        self.ended += 1

    def skip(self) -> None:
        self.skipped += 1

    def run(self, rate: float, count: int | None, connections: str = "both", concurrency: int = 1000) -> OpenLoop:
        pace = OpenLoop(self.fetch, PATHS, connections, concurrency)
        self.loop.run_until_complete(pace.run(rate, count, self.seen, self.skip))
        return pace


@given(st.floats(0.1, 500), st.integers(1, 60), st.floats(0, 20))
def test_requests_start_at_their_times_however_slow_the_answers_are(rate, count, takes):
    loop = JumpingLoop()
    sent = Sent(loop, takes)
    sent.run(rate, count)
    loop.close()
    assert sent.starts == pytest.approx([number / rate for number in range(count)])
    assert (sent.ended, sent.skipped) == (count, 0)


def test_what_can_not_start_is_skipped_and_not_made_up_for(loop):
    sent = Sent(loop, takes=0.95)
    sent.run(10, 40, concurrency=5)
    assert sent.most == 5
    # Five at once, then nothing until the first of them is done.
    assert (sent.ended, sent.skipped) == (20, 20)
    assert loop.time() == pytest.approx(4.35)


def test_a_host_that_was_late_skips_what_is_more_than_a_second_over(loop):
    sent = Sent(loop)
    freezes = iter([3.0])

    async def freeze(request: Request, kept: bool) -> Outcome:
        loop.now += next(freezes, 0.0)
        return await sent.fetch(request, kept)

    pace = OpenLoop(freeze, PATHS, "new", 100)
    loop.run_until_complete(pace.run(10, 50, sent.seen, sent.skip))
    assert sent.ended + sent.skipped == 50
    # Those between 0.1 and 2.0 s were due more than a second ago when the host came back at 3.0 s.
    assert 19 <= sent.skipped <= 20


def test_every_path_is_asked_for_over_every_kind_of_connection(loop):
    sent = Sent(loop)
    sent.run(10, 12)
    assert Counter(sent.kinds) == {(request.path, kept): 2 for request in PATHS for kept in (True, False)}


@pytest.mark.parametrize(("connections", "kept"), [("keep_alive", {True}), ("new", {False})])
def test_one_kind_of_connection(loop, connections, kept):
    sent = Sent(loop)
    sent.run(10, 5, connections)
    assert {kind for _path, kind in sent.kinds} == kept


def test_a_stop_ends_it_and_waits_for_what_is_under_way(loop):
    sent = Sent(loop, takes=2.0)
    pace = OpenLoop(sent.fetch, PATHS, "both", 100)

    async def run() -> None:
        loop.call_later(1.05, setattr, pace, "stopped", True)
        await pace.run(10, None, sent.seen, sent.skip)

    loop.run_until_complete(run())
    assert (sent.ended, sent.skipped) == (11, 0)
    assert loop.time() == pytest.approx(3.0, abs=0.11)


def test_a_fault_of_our_own_is_no_lost_request(loop):
    sent = Sent(loop)

    def broken(_outcome: Outcome) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop.run_until_complete(OpenLoop(sent.fetch, PATHS, "both", 9).run(10, 100, broken, sent.skip))
    assert len(sent.starts) < 5
