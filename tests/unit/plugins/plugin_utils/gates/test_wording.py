# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and texts as people read them."""

from __future__ import annotations

import math

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates import wording
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.sparkline import BARS, sparkline
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.84, "0.84"),
        (1.0, "1"),
        (999.4, "999"),
        (999.7, "1000"),
        (12345.6, "12346"),
        (0.0000213, "2.13e-05"),
        (-0.0, "0"),
        (-3.14159, "-3.14"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert wording.number(value) == text


@given(NUMBERS, NUMBERS)
def test_different_numbers_look_different_beside_each_other(value, limit):
    shown, bound = wording.apart(value, limit)
    assert (shown == bound) == (value == limit)


@given(st.floats(-1e300, 1e300))
def test_a_number_is_told_to_three_digits(value):
    assert float(wording.number(value)) == pytest.approx(value, rel=0.006, abs=0)


@given(st.text(), st.integers(4, 80))
def test_a_clipped_text_is_one_line_of_at_most_that_length(text, most):
    found = wording.clipped(text, most)
    assert len(found) <= most
    assert len(found.splitlines()) <= 1
    assert found.endswith("...") or found == " ".join(text.split())


def test_seconds_have_parts_only_while_they_are_few():
    assert [wording.seconds(value) for value in (0, 2.54, 9.94, 9.96, 42.4)] == ["0 s", "2.5 s", "9.9 s", "10 s", "42 s"]


def test_json_gets_no_number_that_it_does_not_have():
    assert [wording.finite(value) for value in (1.5, math.inf, math.nan, None)] == [1.5, None, None, None]


@given(st.lists(st.none() | NUMBERS, max_size=12))
def test_a_sparkline_has_one_character_for_each_value_and_keeps_their_order(values):
    line = sparkline(values)
    assert [character == "·" for character in line] == [value is None for value in values]
    drawn = [(value, BARS.index(character)) for value, character in zip(values, line) if value is not None]
    assert all(low <= high for (one, low) in drawn for (other, high) in drawn if one < other)


def test_a_sparkline_uses_its_whole_height():
    assert sparkline([1, 1, 1, 2, 6, 8, None]) == "▁▁▁▂▆█·"
    assert sparkline([3, 3]) == "▁▁"
