"""The sums against exact fractions, the interval against its definition."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.binomial import at_least, at_most, contradicts, interval
from hypothesis import given
from hypothesis import strategies as st

PERCENTS = st.integers(0, 100)
COUNTS = st.integers(1, 120).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


def exact(counts: range, total: int, percent: int) -> Fraction:
    share = Fraction(percent, 100)
    return sum((comb(total, count) * share**count * (1 - share) ** (total - count) for count in counts), Fraction(0))


@given(COUNTS, PERCENTS)
def test_tails_are_those_of_the_exact_sum(counted, percent):
    count, total = counted
    assert at_least(count, total, percent / 100) == pytest.approx(float(exact(range(count, total + 1), total, percent)), rel=1e-9)
    assert at_most(count, total, percent / 100) == pytest.approx(float(exact(range(count + 1), total, percent)), rel=1e-9)


@pytest.mark.parametrize("total", [1000, 100_000, 3_000_000])
def test_many_draws_are_no_trouble(total):
    # Far above the mean by five standard deviations, where a normal approximation is off by a tenth and more.
    count = round(total * 0.25 + 5 * (total * 0.25 * 0.75) ** 0.5)
    assert 1e-7 < at_least(count, total, 0.25) < 1e-6
    assert at_least(count, total, 0.25) + at_most(count - 1, total, 0.25) == pytest.approx(1, abs=1e-6)


def test_known_intervals():
    # Without any hit, and with hits only, the interval has a closed form: (alpha / 2) ** (1 / n).
    assert interval(0, 20, 0.95) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))
    assert interval(20, 20, 0.95) == pytest.approx((0.025 ** (1 / 20), 1))


@given(COUNTS, PERCENTS, st.sampled_from([0.9, 0.99, 0.999]))
def test_the_interval_holds_what_is_not_contradicted(counted, percent, confidence):
    count, total = counted
    low, high = interval(count, total, confidence)
    share = percent / 100
    if min(abs(share - low), abs(share - high)) > 1e-9:
        assert contradicts(count, total, share, confidence) is not (low < share < high)


@given(st.integers(1, 1000), st.sampled_from([0.9, 0.999]))
def test_a_single_stray_contradicts_all_or_nothing(total, confidence):
    assert contradicts(1, total, 0.0, confidence)
    assert contradicts(total - 1, total, 1.0, confidence)
    assert not contradicts(0, total, 0.0, confidence)
    assert not contradicts(total, total, 1.0, confidence)


@pytest.mark.parametrize("percent", [1, 5, 25, 50, 99])
def test_a_right_split_is_rarely_contradicted(percent):
    wrong = [count for count in range(301) if contradicts(count, 300, percent / 100, 0.99)]
    assert sum(exact(range(count, count + 1), 300, percent) for count in wrong) <= Fraction(1, 100)
