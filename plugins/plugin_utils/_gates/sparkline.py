# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few values as a line of little bars."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
#: Where there was no data.
GAP = "·"


def sparkline(values: Sequence[float | None]) -> str:
    """One bar for each value, from the least to the greatest of them; equal values are low bars."""
    known = [value for value in values if value is not None]
    least, greatest = min(known, default=0.0), max(known, default=0.0)
    # Halves, because the difference of two numbers may be too large for a number.
    half = greatest / 2 - least / 2
    return "".join(
        GAP if value is None else BARS[round((value / 2 - least / 2) / half * (len(BARS) - 1)) if half else 0] for value in values
    )
