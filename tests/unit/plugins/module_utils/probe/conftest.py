"""The clock that jumps, as for the polls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.plugins.module_utils.health.conftest import JumpingLoop


@pytest.fixture
def loop() -> Iterator[JumpingLoop]:
    jumping = JumpingLoop()
    yield jumping
    jumping.close()
