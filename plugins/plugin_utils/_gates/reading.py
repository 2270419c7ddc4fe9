# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source says of one colour in one interval."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """One colour in one interval, the time from the reading before it to this one.

    A value or a point that is no finite number (Prometheus says NaN where nothing was counted) is not data: the value becomes
    None with its reason in ``why``, the point is left out. A source need not check.

    Args:
        at: when it was read, seconds.
        value: what was measured, in the unit of the gate's limits; None without data.
        samples: events behind the value, such as requests.
        why: why there is no value, for people.
        points: (seconds, value), in the order of time, for the judge: of a range query, or single latencies. Of points that
            were in an earlier reading the judge takes no notice. Empty: the value itself is the one point.
        first_look: nothing was measured yet, because the source counts changes and has seen only where they begin. Such a
            reading is not held against the gate, once.
    """

    at: float
    value: float | None
    samples: int = 1
    why: str = ""
    points: tuple[tuple[float, float], ...] = ()
    first_look: bool = False

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            object.__setattr__(self, "why", self.why or f"the value is {self.value}")
            object.__setattr__(self, "value", None)
        if not all(math.isfinite(value) for _at, value in self.points):
            object.__setattr__(self, "points", tuple(point for point in self.points if math.isfinite(point[1])))

    @classmethod
    def missing(cls, at: float, why: str) -> Reading:
        """A reading without data, and why."""
        return cls(at, None, 0, why)

    def data(self) -> tuple[tuple[float, float], ...]:
        """The points, or the value as the one point; nothing without a value."""
        if self.value is None:
            return ()
        return self.points or ((self.at, self.value),)
