# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge: the Mann-Whitney U test, and the verdict that it leads to."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.judge import (
    GREATER,
    LESS,
    SMALL,
    TWO_SIDED,
    Rule,
    Verdict,
    mann_whitney,
    scaled,
    verdict,
)
from hypothesis import given
from hypothesis import strategies as st

RULE = Rule(0.25, 0.98, 0.6)
NUMBERS = st.floats(-1e6, 1e6)
FEW = st.integers(0, 9).map(float)  # few different numbers, so many ties
SERIES = st.lists(NUMBERS, min_size=1, max_size=40) | st.lists(FEW, min_size=1, max_size=40)


def judged(candidate: Sequence[float], stable: Sequence[float], *directions: str, rule: Rule = RULE) -> Verdict:
    return verdict(candidate, stable, directions or (GREATER,), rule, None)


def test_an_example_that_can_be_counted_by_hand():
    found = mann_whitney([3, 4, 5], [1, 2, 3], GREATER)
    assert found.u == 8.5  # of nine pairs eight above, one equal
    # Mean 4.5, ties of 2: sigma^2 = 9/12 * (7 - 6/30) = 5.1, z = (8.5 - 4.5 - 0.5) / 2.2583 = 1.55
    assert found.p == pytest.approx(0.0606, abs=1e-4)
    assert mann_whitney([3, 4, 5], [1, 2, 3], TWO_SIDED).p == pytest.approx(2 * found.p)


@given(SERIES, SERIES)
def test_u_counts_the_pairs_that_are_above(x, y):
    pairs = sum((one > other) + (one == other) / 2 for one in x for other in y)
    assert mann_whitney(x, y, GREATER).u == pairs


@given(SERIES, SERIES, st.sampled_from([GREATER, LESS, TWO_SIDED]))
def test_the_test_is_symmetric(x, y, alternative):
    mirrored = {GREATER: LESS, LESS: GREATER, TWO_SIDED: TWO_SIDED}[alternative]
    assert mann_whitney(x, y, alternative).p == mann_whitney(y, x, mirrored).p
    assert 0 <= mann_whitney(x, y, alternative).p <= 1


@pytest.mark.parametrize(
    ("x", "y", "alternative"),
    [([], [1], GREATER), ([1], [], GREATER), ([1, math.nan], [1], LESS), ([1], [math.nan], LESS), ([1], [2], "up")],
)
def test_what_can_not_be_tested_is_refused(x, y, alternative):
    with pytest.raises(ValueError, match=r"is empty|is NaN|is unknown"):
        mann_whitney(x, y, alternative)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="is NaN"):
        judged([math.nan] * 20, [1.0, 2.0] * 10)


def test_equal_series_are_alike():
    assert judged([2.0] * 20, [2.0] * 20) == Verdict(False, GREATER, 0.5, 1.0)
    assert judged([0.0] * 20, [0.0] * 20, GREATER, LESS).worse is False


def test_constant_series_that_differ_are_told_apart_beyond_the_tolerance():
    assert judged([2.0] * 20, [1.0] * 20).worse is True
    assert judged([1.25] * 20, [1.0] * 20).worse is False
    assert judged([1.2] * 20, [1.0] * 20).worse is False


def test_against_a_stable_series_of_zeros_a_part_that_is_large_enough_counts():
    zeros = [0.0] * 40
    few = judged([0.0] * 36 + [1.0] * 4, zeros)
    assert (few.worse, few.effect) == (False, 0.55)
    assert few.p == pytest.approx(0.022, abs=0.002)
    assert judged([0.0] * 30 + [1.0] * 10, zeros).worse is True
    assert judged([0.0] * 30 + [1.0] * 10, zeros, LESS).worse is False


def test_negative_values_are_tolerated_by_a_part_of_their_absolute_median():
    assert scaled([-4.0, -2.0, 1.0], 0.25, GREATER) == [-3.5, -1.5, 1.5]
    assert scaled([-4.0, -2.0, 1.0], 0.25, LESS) == [-4.5, -2.5, 0.5]
    near, far = [-90.0 - part / 10 for part in range(20)], [-50.0 - part / 10 for part in range(20)]
    stable = [-100.0 - part / 10 for part in range(20)]
    assert judged(near, stable).worse is False
    assert judged(far, stable).worse is True
    assert judged(stable, far, LESS).worse is True


def test_positive_values_are_multiplied():
    assert scaled([0.0, 1.0, 4.0], 0.25, GREATER) == [0.0, 1.25, 5.0]
    assert scaled([0.0, 1.0, 4.0], 0.25, LESS) == [0.0, 0.75, 3.0]


def test_a_difference_that_is_certain_and_small_is_no_reason_to_go_back():
    # p is far below the bound, but the candidate is above in 57 % of the pairs only.
    stable = [float(number) for number in range(1000)]
    candidate = [number + 75.0 for number in stable]
    found = judged(candidate, stable, rule=Rule(0.0, 0.98, 0.6))
    assert found.p < 1e-6
    assert 0.55 < found.effect < 0.6
    assert found.worse is False
    assert judged(candidate, stable, rule=Rule(0.0, 0.98, 0.55)).worse is True


def test_of_both_directions_the_one_that_is_worse_is_told():
    high, low = [10.0 + part for part in range(20)], [1.0 + part / 10 for part in range(20)]
    assert (judged(high, low, GREATER, LESS).worse, judged(high, low, GREATER, LESS).direction) == (True, GREATER)
    assert (judged(low, high, GREATER, LESS).worse, judged(low, high, GREATER, LESS).direction) == (True, LESS)


@pytest.mark.parametrize(("n1", "n2"), [(0, 0), (0, 9), (1, 1), (3, 3), (1, 48)])
def test_series_that_could_prove_nothing_are_not_called_alike(n1, n2):
    found = judged([2.0] * n1, [1.0] * n2)
    assert (found.worse, found.needed) == (None, "more: so few prove nothing")


def test_the_fewest_points_that_can_prove_something():
    assert judged([2.0] * 4, [1.0] * 4).worse is not None  # one order of 70
    assert judged([2.0], [1.0] * 49).worse is not None  # one order of 50, which is just 2 %
    assert judged([2.0] * 4, [1.0] * 4, rule=Rule(0.25, 0.99, 0.6)).worse is None


def test_small_series_without_ties_need_the_exact_test():
    candidate, stable = [10.0, 11.0, 12.0, 13.0, 14.0], [1.0, 2.0, 3.0, 4.0, 5.0]
    assert judged(candidate, stable).needed == f"SciPy on the control node, or more than {SMALL}"
    asked = []

    def exact(x: Sequence[float], y: Sequence[float], alternative: str) -> float:
        asked.append((list(x), list(y), alternative))
        return 1 / 252

    assert verdict(candidate, stable, (GREATER,), RULE, exact) == Verdict(True, GREATER, 1.0, 1 / 252)
    assert asked == [(candidate, [1.25, 2.5, 3.75, 5.0, 6.25], GREATER)]


def test_how_small_a_series_is_that_needs_the_exact_test():
    nine, many = [100.0 + number for number in range(9)], [1.0 + number for number in range(30)]
    for few in (nine, nine[:8]):
        assert judged(few, many).worse is (True if few is nine else None)
        assert judged(many, few, LESS).worse is (True if few is nine else None)


def test_small_series_with_ties_are_judged_by_the_approximation():
    assert judged([2.0] * 5, [1.0] * 5).worse is True


@given(SERIES, SERIES, st.sampled_from([(GREATER,), (LESS,), (GREATER, LESS)]))
def test_a_candidate_is_worse_only_with_proof_and_effect(x, y, directions):
    found = verdict(x, y, directions, RULE, None)
    if found.worse is not None and len({*x, *y}) > 1:
        tested = mann_whitney(x, scaled(y, RULE.tolerance, found.direction), found.direction)
        assert found.worse == (tested.p <= 1 - RULE.confidence and found.effect >= RULE.effect)


@given(st.lists(st.floats(0, 1e6), min_size=9, max_size=40), st.sampled_from([(GREATER,), (LESS,), (GREATER, LESS)]))
def test_a_candidate_is_never_worse_than_itself(series, directions):
    assert verdict(series, series, directions, RULE, None).worse is not True
