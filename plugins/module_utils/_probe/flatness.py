# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a colour is warm. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .._errors import BadInput


@dataclass(frozen=True)
class Flatness:
    """Latency is flat when the p95 of each of the last ``windows`` windows is within an allowance of their mean, and the
    last of them is not faster than the first of them by more than the allowance.

    The allowance is ``tolerance`` times the mean, at least ``floor_ms``.

    Why so. *p95*: users notice the cold pages, which an average hides behind the warm ones. *Several windows in a row*: one
    good window may be luck. *The mean of those windows*, and not the best one so far: with luck one window is very good, and
    nothing would ever be flat again. *The last against the first*: latency that still falls by a little each time is close
    to its mean as well, and is not warm yet. *A floor in milliseconds*: on a fast and quiet service 1.2 and 1.6 ms differ by
    a third and mean nothing. For a request that fails no latency is known, so it counts as slower than any other; a window
    in which more than one in twenty fail has no p95 and is never flat.

    Args:
        windows: how many in a row.
        tolerance: allowance as a part of the mean.
        floor_ms: allowance in milliseconds that is always there.
    """

    windows: int = 3
    tolerance: float = 0.1
    floor_ms: float = 5.0

    def __post_init__(self) -> None:
        if not 2 <= self.windows <= 100:
            raise BadInput(f"flat_windows is {self.windows}: expected 2 to 100")
        if not 0 <= self.tolerance < 1:
            raise BadInput(f"tolerance is {self.tolerance:g}: expected 0 or more and less than 1, such as 0.1")
        if not self.floor_ms >= 0:
            raise BadInput(f"floor_ms is {self.floor_ms:g}: expected 0 or more")

    def reached(self, p95s: Sequence[float | None]) -> bool:
        """Whether latency is flat after windows with these p95, in milliseconds, oldest first; None has none."""
        last = [p95 for p95 in p95s[-self.windows :] if p95 is not None]
        if len(last) < self.windows:
            return False
        mean = math.fsum(last) / len(last)
        allowed = max(self.tolerance * mean, self.floor_ms)
        return all(abs(p95 - mean) <= allowed for p95 in last) and last[0] - last[-1] <= allowed


def window_size(wanted: int, urls: int) -> int:
    """Requests of a window: whole rounds over all URLs.

    With fewer, each window would hold other pages: a first round over many cold pages would look flat, each window as cold
    as the one before.
    """
    return math.ceil(wanted / urls) * urls


def p95(latencies: Sequence[float], failed: int) -> float | None:
    """Nearest-rank p95 in milliseconds of a window, in which a failed request is slower than any answer.

    Args:
        latencies: seconds, of the good answers.
        failed: number of the other requests.
    """
    total = len(latencies) + failed
    rank = math.ceil(total * 95 / 100)
    if not total or rank > len(latencies):
        return None
    return round(sorted(latencies)[rank - 1] * 1000, 2)
