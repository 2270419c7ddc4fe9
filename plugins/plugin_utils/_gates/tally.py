# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of one gate, counted by its policy."""

from __future__ import annotations

from dataclasses import dataclass

from .definition import FAIL, PASS, Policy
from .questions import Answer

IN_ROW, IN_ALL = "failures_in_row", "failures_total"


@dataclass
class Tally:
    """What was answered so far.

    ``good``, ``bad``, ``missing`` and ``early`` are the answers as they came. ``favour`` and ``against`` are how the policy
    counts them: a missing one is ``against`` by ``fail``, in ``favour`` by ``pass``, neither by ``hold``; one that came too early
    for the judge is neither, but in ``favour`` by ``pass``. ``row`` is how many were against the gate without one in its favour
    in between, ``since`` when the first of them was read, in seconds.
    """

    policy: Policy
    good: int = 0
    bad: int = 0
    missing: int = 0
    early: int = 0
    favour: int = 0
    against: int = 0
    row: int = 0
    since: float | None = None

    def take(self, answer: Answer, at: float) -> None:
        """Count one answer, which was read at this instant."""
        self.good += answer.good is True
        self.bad += answer.good is False
        self.early += answer.good is None and answer.early
        self.missing += answer.good is None and not answer.early
        counts = self._counts(answer)
        if counts is True:
            self.favour += 1
            self.row, self.since = 0, None
        elif counts is False:
            self.against += 1
            self.row += 1
            self.since = at if self.since is None else self.since

    def _counts(self, answer: Answer) -> bool | None:
        """In favour of the gate, against it, or neither."""
        if answer.good is not None:
            return answer.good
        if self.policy.no_data == PASS:
            return True
        return False if self.policy.no_data == FAIL and not answer.early else None

    @property
    def answered(self) -> int:
        """All answers, those that are missing included."""
        return self.good + self.bad + self.missing + self.early

    def violated(self) -> str | None:
        """The key of the policy that the answers violate, None while they violate none."""
        if self.row > self.policy.failures_in_row:
            return IN_ROW
        return IN_ALL if self.against > self.policy.failures_total else None

    def done(self) -> bool:
        """As many answers as were asked for, and no doubt left open by bad ones at their end."""
        return self.policy.count is not None and self.favour + self.against >= self.policy.count and not self.row

    def nearest(self) -> tuple[int, int]:
        """Of the two bounds the one that is broken first if bad answers follow: how many there are, and how many make a no."""
        in_row = (self.row, self.policy.failures_in_row + 1)
        in_all = (self.against, self.policy.failures_total + 1)
        return min(in_row, in_all, key=lambda one: one[1] - one[0])
