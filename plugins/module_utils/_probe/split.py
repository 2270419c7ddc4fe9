# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the colours that answered against the split that was asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import BadInput
from .._routing import Split
from .binomial import contradicts, interval

CONSISTENT, CONTRADICTED, TOO_FEW, NOT_COMPARED = "consistent", "contradicted", "too_few", "not_compared"
#: Of a split that can not be counted it makes no sense to say how many answers would do.
_MOST = 1 << 20


@dataclass(frozen=True)
class Question:
    """What the answers are held against.

    Args:
        split: what was asked of the router.
        confidence: a right split is called contradicted in at most 1 minus this of all comparisons. One comparison is
            meant: whoever compares again and again must come closer to 1.
        resolution: percent. A split counts as seen only when it could be told from one that is so far off.
        independent: whether each request is a draw of its own. Behind a sticky router the requests of one client are not:
            they show where this client is sent, and nothing about the others.
    """

    split: Split
    confidence: float = 0.999
    resolution: int = 10
    independent: bool = True

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:
            raise BadInput(f"confidence is {self.confidence:g}: expected at least 0.5 and less than 1, such as 0.999")
        if not 1 <= self.resolution <= 50:
            raise BadInput(f"resolution is {self.resolution} percent: expected 1 to 50")

    @property
    def neighbours(self) -> tuple[int, ...]:
        """Percents of green that the asked one must be told from."""
        asked = self.split.green
        around = (max(0, asked - self.resolution), min(100, asked + self.resolution))
        return tuple(percent for percent in around if percent != asked)

    def told(self, green: int, total: int) -> bool:
        """Whether so many answers of green rule out every neighbour."""
        return all(contradicts(green, total, percent / 100, self.confidence) for percent in self.neighbours)

    def needed(self) -> int:
        """About how many answers tell the asked split from its neighbours."""
        low, high = 0, 1
        while high < _MOST and not self.told(round(high * self.split.green / 100), high):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            if self.told(round(middle * self.split.green / 100), middle):
                high = middle
            else:
                low = middle
        return high


@dataclass(frozen=True)
class Comparison:
    """What came out: ``verdict`` is a word for programs, ``words`` are for people; ``interval`` is in percent of green."""

    verdict: str
    words: str
    interval: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for an answer; ``consistent`` is None where nothing can be claimed."""
        known = {CONSISTENT: True, CONTRADICTED: False}
        return {
            "verdict": self.verdict,
            "consistent": known.get(self.verdict),
            "interval": None if self.interval is None else list(self.interval),
            "words": self.words,
        }


def compare(question: Question, answers: Mapping[str, int]) -> Comparison:
    """Hold counted answers against a split.

    A split is contradicted when the share of green is outside of the exact interval of Clopper and Pearson; with 0 and 100
    percent by any single stray. When it is not, and the share that is ``resolution`` percent above or below would not be
    contradicted either, there are too few samples to claim anything.

    Args:
        question: what was asked for.
        answers: number of answers by colour; others than blue and green are not part of any split and are left out.
    """
    green = answers.get("green", 0)
    total = green + answers.get("blue", 0)
    asked = question.split.green
    if not total:
        return Comparison(TOO_FEW, f"no answer names blue or green: nothing to hold against {question.split}")
    bounds = tuple(round(bound * 100, 2) for bound in interval(green, total, question.confidence))
    seen = f"green gave {100 * green / total:.4g}% of {total} answers, asked for {asked}%"
    span = f"{question.confidence * 100:g}% interval {bounds[0]:g}% to {bounds[1]:g}%"
    if not question.independent and 0 < asked < 100:
        return Comparison(NOT_COMPARED, f"{seen}: not compared, the requests are not independent of each other")
    if contradicts(green, total, asked / 100, question.confidence):
        return Comparison(CONTRADICTED, f"{seen}: contradicted ({span})", (bounds[0], bounds[1]))
    if not question.independent:
        return Comparison(NOT_COMPARED, f"{seen}: no stray, which shows the way of this client only")
    if not question.told(green, total):
        others = " and ".join(f"{percent}%" for percent in question.neighbours)
        words = f"{seen}: too few samples, about {question.needed()} tell it from {others}"
        return Comparison(TOO_FEW, words, (bounds[0], bounds[1]))
    return Comparison(CONSISTENT, f"{seen}: consistent ({span})", (bounds[0], bounds[1]))
