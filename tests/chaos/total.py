# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes of many faults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Total:
    """Faults made, those after which something was wrong, requests made, and requests lost."""

    faults: int = 0
    stuck: int = 0
    requests: int = 0
    lost: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(self.faults + other.faults, self.stuck + other.stuck, self.requests + other.requests, self.lost + other.lost)


def say(text: str) -> None:
    """One line of the report, at once."""
    print(f"chaos: {text}", flush=True)
