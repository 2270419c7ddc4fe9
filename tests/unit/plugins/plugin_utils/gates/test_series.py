# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readings, and what is kept of them."""

from __future__ import annotations

import math

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.series import Series
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_no_data_and_says_why(value):
    reading = Reading(1.0, value)
    assert reading.value is None
    assert reading.why == f"the value is {value}"
    assert reading.data() == ()


def test_points_that_are_no_finite_numbers_are_left_out():
    assert Reading(3.0, 1.0, points=((1.0, math.nan), (2.0, 5.0))).data() == ((2.0, 5.0),)


def test_a_reading_without_points_is_one_point_itself():
    assert Reading(3.0, 1.5).data() == ((3.0, 1.5),)


def test_points_of_ranges_that_overlap_are_taken_once():
    series = Series("green")
    series.add(Reading(3.0, 2.0, points=((1.0, 1.0), (2.0, 2.0), (2.0, 2.5))))
    assert series.new_points == 3
    series.add(Reading(4.0, 3.0, points=((1.0, 1.0), (2.0, 2.0), (3.0, 3.0))))
    assert (list(series.points), series.new_points) == ([1.0, 2.0, 2.5, 3.0], 1)
    series.add(Reading(5.0, 3.0, points=((2.0, 2.0), (3.0, 3.0))))
    assert (len(series.points), series.new_points) == (4, 0)


def test_points_from_before_the_delay_are_not_for_the_judge():
    series = Series("green", since=10.0)
    series.add(Reading(10.5, 3.0, points=((9.9, 1.0), (10.0, 2.0), (10.5, 3.0))))
    assert list(series.points) == [2.0, 3.0]


def test_samples_tell_when_there_was_no_data():
    series = Series("green")
    series.add(Reading(100.0, 1.0))
    series.add(Reading.missing(105.0, "refused"))
    assert series.samples(100.0) == [[0.0, 1.0], [5.0, None]]
    assert series.values(1) == [None]
    assert series.last == Reading(105.0, None, 0, "refused")


class Short(Series):
    """As little as shows what happens at the bounds."""

    READINGS = 16
    POINTS = 20


@given(st.integers(0, 300), st.integers(1, 3))
def test_a_long_bake_is_kept_in_bounds_and_to_its_end(count, points_each):
    series = Short("green")
    for number in range(count):
        points = tuple((number + part / 10, float(number)) for part in range(points_each))
        series.add(Reading(float(number), float(number), points=points))
    samples = series.samples(0.0)
    assert len(series) == len(samples) <= 16
    assert len(series.points) == min(count * points_each, 20)
    assert samples == sorted(samples)
    assert [at for at, _value in samples[-8:]] == [float(number) for number in range(max(count - 8, 0), count)]


def test_of_a_long_bake_the_beginning_is_thinned_out_not_lost():
    series = Short("green")
    for number in range(40):
        series.add(Reading(float(number), 1.0))
    times = [at for at, _value in series.samples(0.0) if at is not None]
    assert times[0] == 0
    assert len([at for at in times if at < 20]) < len([at for at in times if at >= 20])
