# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router has answered for each colour since an earlier look: the value objects, and how latencies are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Upper bounds of neighbouring buckets have this ratio, so that a percentile is at most 10 % too high.
RATIO = 1.1
_STEP = math.log(RATIO)


def bucket(milliseconds: float) -> int:
    """The number of the bucket of a latency; bucket 0 has all up to 1 ms."""
    return 0 if milliseconds <= 1 else math.ceil(round(math.log(milliseconds) / _STEP, 9))


def upper_bound(number: int) -> float:
    """The longest latency of a bucket, in milliseconds."""
    return float(RATIO**number)


def percentile(counts: Mapping[int, int], percent: float) -> float | None:
    """Nearest-rank percentile in milliseconds, as the upper bound of its bucket; None when nothing was counted.

    Args:
        counts: requests by bucket.
        percent: for example 95.
    """
    rank = math.ceil(round(sum(counts.values()) * percent / 100, 9))
    seen = 0
    for number in sorted(counts):
        seen += counts[number]
        if seen >= max(rank, 1):
            return upper_bound(number)
    return None


@dataclass(frozen=True)
class Answered:
    """What one colour has answered since an earlier look.

    Args:
        requests: how many.
        errors: how many of them with a status of 500 or more, or cut off by the server.
        latencies: requests by :func:`bucket`; None when this kind of router does not know single latencies.
        average_ms: mean latency of the last requests, where the router keeps one; None when it does not, or there were none.
    """

    requests: int = 0
    errors: int = 0
    latencies: Mapping[int, int] | None = None
    average_ms: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; buckets as pairs, because keys of JSON are texts."""
        latencies = None if self.latencies is None else sorted([number, count] for number, count in self.latencies.items())
        return {"requests": self.requests, "errors": self.errors, "latencies": latencies, "average_ms": self.average_ms}


@dataclass(frozen=True)
class Statistics:
    """What both colours have answered since an earlier look.

    Args:
        cursor: hand it in at the next look.
        answered: by colour.
        doubts: what is missing in these counts, one text each.
    """

    cursor: str
    answered: Mapping[str, Answered]
    doubts: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        answered = {colour: count.as_dict() for colour, count in self.answered.items()}
        return {"cursor": self.cursor, "answered": answered, "doubts": list(self.doubts)}


def mean(pairs: Iterable[tuple[float, int]]) -> float | None:
    """The mean of values that stand for so many requests each; None when there were none."""
    known = [(value, count) for value, count in pairs if count > 0]
    total = sum(count for _value, count in known)
    return sum(value * count for value, count in known) / total if total else None
