# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Latency percentiles over a bounded number of samples."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable


class Latencies:
    """The latest latencies of one target, in seconds.

    A bake may try a target for hours, so only the last ``KEPT`` samples stay, four bytes each: a
    thousand targets take at most 16 MB.
    """

    __slots__ = ("_next", "_samples")
    KEPT = 4096

    def __init__(self) -> None:
        self._samples = array("f")
        self._next = 0

    def add(self, seconds: float) -> None:
        """Keep one sample; the oldest makes room for it."""
        if len(self._samples) < self.KEPT:
            self._samples.append(seconds)
        else:
            self._samples[self._next] = seconds
            self._next = (self._next + 1) % self.KEPT

    def samples(self) -> array[float]:
        """The kept samples in seconds, in no particular order."""
        return self._samples


def percentiles(samples: Iterable[float]) -> dict[str, float | None]:
    """Nearest-rank p50, p95 and p99 in milliseconds; each is None when there is no sample.

    Nearest rank: the smallest sample such that at least p percent of all samples are not above it.
    """
    ranked = sorted(samples)
    return {f"p{percent}": _nearest_rank(ranked, percent) for percent in (50, 95, 99)}


def _nearest_rank(ranked: list[float], percent: int) -> float | None:
    if not ranked:
        return None
    # Integers, because 0.95 * 20 is a little more than 19 in floating point.
    rank = max(1, math.ceil(len(ranked) * percent / 100))
    return round(ranked[rank - 1] * 1000, 2)
