"""A clock that jumps: polls of minutes run in milliseconds, and every time in a test is exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.poller import Timing


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        selector: Any = vars(self)["_selector"]
        select = selector.select

        def jump(timeout: float | None) -> Any:
            assert timeout is not None, "everything waits and no timer is set"
            self.now += timeout
            return select(0)

        selector.select = jump

    def time(self) -> float:
        return self.now


@pytest.fixture
def loop() -> Iterator[JumpingLoop]:
    jumping = JumpingLoop()
    yield jumping
    jumping.close()


@pytest.fixture
def run(loop: JumpingLoop) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    return loop.run_until_complete


@pytest.fixture
def timing(loop: JumpingLoop) -> Timing:
    """The jumping clock, and no randomness: pauses are exactly the interval."""
    return Timing(clock=loop.time, sleep=asyncio.sleep, uniform=lambda low, high: (low + high) / 2)
