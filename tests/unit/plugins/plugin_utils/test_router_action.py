# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one answer tells about a router's clock."""

from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._router_action import _about_clock
from hypothesis import given
from hypothesis import strategies as st

SECONDS = st.floats(0, 5)


@given(offset=st.floats(-1e6, 1e6), there=SECONDS, back=SECONDS)
def test_the_offset_is_within_its_error_and_0_when_it_may_be(offset: float, there: float, back: float) -> None:
    began = 1_800_000_000.0
    ended = began + there + back
    facts = _about_clock(began + there + offset, began, ended)
    assert abs(facts["clock_offset"] - offset) <= there + back + 1e-3
    assert facts["clock_error"] == pytest.approx((there + back) / 2, abs=1e-3)
    if -there <= offset <= back:
        assert facts["clock_offset"] == pytest.approx(0, abs=1e-3)


def test_an_answer_without_a_clock_tells_only_how_long_it_took() -> None:
    assert _about_clock(None, 10.0, 10.25) == {"took": 0.25}
