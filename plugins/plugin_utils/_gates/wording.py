# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and texts as people read them."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """Three digits, or all digits before the point when there are more: ``0.84``, ``1.8``, ``12345``, ``2.1e-05``."""
    if 999.5 <= abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value + 0.0:.3g}"  # + 0.0 takes the sign from a zero


def apart(value: float, limit: float) -> tuple[str, str]:
    """Both numbers, with all their digits when three look the same: nobody believes that 1 is above 1."""
    shown, bound = number(value), number(limit)
    return (repr(value), repr(limit)) if shown == bound and value != limit else (shown, bound)


def percent(share: float) -> str:
    """``83%`` for 0.83."""
    return f"{share * 100:.0f}%"


def seconds(value: float) -> str:
    """``42 s``; parts of a second only below ten: ``2.5 s``."""
    return f"{value:.1f}".removesuffix(".0") + " s" if value < 9.95 else f"{value:.0f} s"


def counted(count: int, thing: str) -> str:
    """``1 point``, ``3 points``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def clipped(text: str, most: int) -> str:
    """One line of at most so many characters, four or more; dots tell that something was cut."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."


def finite(value: float | None) -> float | None:
    """A number that JSON has, or None."""
    return value if value is not None and math.isfinite(value) else None
