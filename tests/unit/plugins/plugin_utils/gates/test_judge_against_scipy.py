# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own Mann-Whitney U test finds what SciPy's does, and small series are judged by SciPy's exact one."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.judge import (
    GREATER,
    LESS,
    SMALL,
    TWO_SIDED,
    Rule,
    exact_test,
    mann_whitney,
    scaled,
    verdict,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

ALTERNATIVES = st.sampled_from([GREATER, LESS, TWO_SIDED])
WITH_TIES = st.integers(-5, 5).map(float)
ALL = st.floats(-1e9, 1e9)
SERIES = st.lists(WITH_TIES, min_size=1, max_size=60) | st.lists(ALL, min_size=1, max_size=60)
WITHOUT_TIES = st.lists(ALL, min_size=2, max_size=80, unique=True)


def same(x, y, alternative):
    found = mann_whitney(x, y, alternative)
    expected = stats.mannwhitneyu(x, y, alternative=alternative, method="asymptotic")
    assert found.u == expected.statistic
    assert found.p == pytest.approx(expected.pvalue, abs=1e-9)


@settings(max_examples=500)
@given(SERIES, SERIES, ALTERNATIVES)
def test_as_scipy_with_and_without_ties(x, y, alternative):
    same(x, y, alternative)


@given(WITHOUT_TIES, st.data(), ALTERNATIVES)
def test_as_scipy_without_any_tie(values, data, alternative):
    cut = data.draw(st.integers(1, len(values) - 1))
    same(values[:cut], values[cut:], alternative)


@pytest.mark.parametrize("alternative", [GREATER, LESS, TWO_SIDED])
@pytest.mark.parametrize(("x", "y"), [([1.0], [1.0]), ([1.0] * 9, [1.0] * 30), ([1.0], [2.0]), ([0.0, -0.0], [0.0])])
def test_as_scipy_at_the_edges(x, y, alternative):
    same(x, y, alternative)


@given(st.lists(ALL, min_size=5, max_size=30, unique=True), st.data(), st.sampled_from([GREATER, LESS]))
def test_what_is_small_and_has_no_ties_is_judged_by_the_exact_test(values, data, direction):
    cut = data.draw(st.integers(1, min(SMALL, len(values) - 1)))
    x, y = values[:cut], values[cut:]
    rule = Rule(0.0, 0.9, 0.5)
    found = verdict(x, y, (direction,), rule, exact_test())
    expected = stats.mannwhitneyu(x, scaled(y, 0.0, direction), alternative=direction)
    if found.worse is not None:
        assert found.p == pytest.approx(expected.pvalue, abs=1e-9)
        assert verdict(x, y, (direction,), rule, None).worse is None
    else:
        assert expected.pvalue > 1 - rule.confidence


def test_series_that_are_said_to_prove_nothing_could_prove_nothing():
    rule = Rule(0.0, 0.98, 0.5)
    for n1, n2 in itertools.product(range(1, 9), range(1, 60)):
        apart = [1000.0 + number for number in range(n1)], [float(number) for number in range(n2)]
        p = stats.mannwhitneyu(*apart, alternative=GREATER, method="exact").pvalue
        told = verdict(*apart, (GREATER,), rule, exact_test())
        assert told.worse is (True if p <= 0.02 + 1e-9 else None), (n1, n2, p)
