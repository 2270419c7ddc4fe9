# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact statements about a share that was counted. Pure.

The probabilities are sums of the binomial distribution's own terms, with no normal approximation, because shares near 0
and 100 percent are what a canary has. The interval is that of C. J. Clopper and E. S. Pearson, "The use of confidence or
fiducial limits illustrated in the case of the binomial", Biometrika 26 (1934), 404-413: it holds those shares for which
neither tail of the count has less than half of the error probability.
"""

from __future__ import annotations

import math
from typing import Callable

_HALVINGS = 60


def at_least(count: int, total: int, share: float) -> float:
    """Probability that of ``total`` independent draws, each a hit with probability ``share``, ``count`` or more are hits."""
    if count <= 0:
        return 1.0
    if count > total or share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    if count > total * share:
        return _far_tail(count, total, share)
    return 1.0 - _far_tail(total - count + 1, total, 1.0 - share)


def at_most(count: int, total: int, share: float) -> float:
    """Probability of ``count`` hits or fewer."""
    return at_least(total - count, total, 1.0 - share)


def contradicts(count: int, total: int, share: float, confidence: float) -> bool:
    """Whether ``count`` hits of ``total`` are no result of ``share``.

    Args:
        count: hits.
        total: draws.
        share: the probability in question, 0 to 1. With 0 and 1, one hit or miss that can not be is enough.
        confidence: a share that is right is contradicted with a probability of at most 1 minus this.
    """
    least = (1.0 - confidence) / 2
    return at_least(count, total, share) < least or at_most(count, total, share) < least


def interval(count: int, total: int, confidence: float) -> tuple[float, float]:
    """The shares, from least to greatest, that are not contradicted (Clopper and Pearson)."""
    least = (1.0 - confidence) / 2
    low = 0.0 if count == 0 else _first(lambda share: at_least(count, total, share) >= least)
    high = 1.0 if count == total else _first(lambda share: at_most(count, total, share) < least)
    return low, high


def _far_tail(count: int, total: int, share: float) -> float:
    """Sum of the terms from ``count``, which lies above the mean, upwards: each is smaller than the one before."""
    odds = share / (1.0 - share)
    # The logarithm of the first term; its factorials are too large for a float.
    logarithm = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    logarithm += count * math.log(share) + (total - count) * math.log1p(-share)
    term = math.exp(logarithm)
    tail = 0.0
    while count <= total and term > tail * 1e-17:
        tail += term
        term *= odds * (total - count) / (count + 1)
        count += 1
    return tail


def _first(reached: Callable[[float], bool]) -> float:
    """The least share for which it is true, when it is false below and true above."""
    low, high = 0.0, 1.0
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        if reached(middle):
            high = middle
        else:
            low = middle
    return high
