# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All readings of one gate and colour, in little memory."""

from __future__ import annotations

import math
import statistics
import sys
from array import array
from collections.abc import Sequence

from .reading import Reading


class Series:
    """What was read of one colour since the delay of the gate was over.

    16 bytes for a reading and 8 for a point: a bake of 12 hours at 5 s with 48 series takes 6.6 MB for readings and 0.8 MB for
    points. However long it is, readings take no more than 7.7 MB: beyond ``READINGS``, which is more than 13 hours at 5 s, every
    second one of the older half goes, again and again. Of points the latest ``POINTS`` stay, which the judge compares.

    Args:
        colour: whose readings they are.
        since: points before this instant are not for the judge, seconds.
        baseline: values from before the step. A colour that has no traffic any more has no data, and is held to these.

    ``rests`` says that it is. ``last`` is the latest reading. ``points`` are the values of the latest points, ``new_points`` says
    how many came with the latest reading.
    """

    READINGS = 10_000
    POINTS = 2_048
    __slots__ = ("_at", "_latest", "_values", "baseline", "colour", "last", "new_points", "points", "rests")

    def __init__(self, colour: str, since: float = -math.inf, baseline: Sequence[float] = ()) -> None:
        self.colour = colour
        self.baseline = tuple(baseline)
        self.rests = False
        self.last: Reading | None = None
        self.points = array("d")
        self.new_points = 0
        self._latest = math.nextafter(since, -math.inf)
        self._at = array("d")
        self._values = array("d")

    def add(self, reading: Reading) -> None:
        """Keep one reading, and those of its points that are newer than all earlier ones."""
        if len(self._at) >= self.READINGS:
            older = slice(1, self.READINGS // 2, 2)
            del self._at[older], self._values[older]
        self._at.append(reading.at)
        self._values.append(math.nan if reading.value is None else reading.value)
        self.last = reading
        self.rests = reading.value is None and bool(self.baseline)
        if self.rests:
            self._rest(reading.at)
            return
        data = reading.data()
        new = [value for at, value in data if at > self._latest]
        self._latest = max((at for at, _value in data), default=self._latest) if new else self._latest
        self.new_points = len(new)
        self.points.extend(new)
        del self.points[: max(len(self.points) - self.POINTS, 0)]

    def _rest(self, at: float) -> None:
        self.last = Reading(at, statistics.median(self.baseline), sys.maxsize)
        self.new_points = len(self.baseline)
        if not self.points:
            self.points.extend(self.baseline[-self.POINTS :])

    @property
    def said(self) -> str:
        """The colour, for people."""
        return f"{self.colour} before" if self.rests else self.colour

    def measured(self) -> list[float]:
        """All values that were read; the baseline where there are none."""
        return [value for value in self._values if not math.isnan(value)] or list(self.baseline)

    def __len__(self) -> int:
        return len(self._at)

    def values(self, latest: int) -> list[float | None]:
        """The latest so many values; None where there was no data."""
        return [_or_none(value) for value in self._values[-latest:]]

    def samples(self, begin: float) -> list[list[float | None]]:
        """``[seconds since begin, value]`` of each kept reading, the value None where there was no data."""
        return [[round(at - begin, 3), _or_none(value)] for at, value in zip(self._at, self._values)]


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
