# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate asks, and the answer to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from .judge import GREATER, LESS, Rule, Verdict, exact_test, verdict
from .series import Series
from .wording import apart, counted, number, percent

INCREASE, DECREASE, EITHER = "increase", "decrease", "either"
DIRECTIONS = {INCREASE: (GREATER,), DECREASE: (LESS,), EITHER: (GREATER, LESS)}


@dataclass(frozen=True)
class Answer:
    """The answer of one interval.

    Args:
        good: None without data.
        value: what was held against the limit: the value, the ratio, the difference, or the share of pairs that look worse.
        limit: the limit that was broken, or that is next to be.
        words: a sentence part for people, such as ``0.84 is above 0.5``.
        short: the same for a line with many gates, such as ``0.84 (max 0.5)``.
        early: data came, but the judge needs more of it. That is held against no gate before the end.
    """

    good: bool | None
    value: float | None
    limit: float | None
    words: str
    short: str
    early: bool = False

    @classmethod
    def no_data(cls, why: str) -> Answer:
        """No answer, and why."""
        return cls(None, None, None, f"no data: {why}", f"no data: {why}")


class Question(ABC):
    """What is asked of the readings of both colours; ``compares`` says whether the stable one is needed."""

    compares = True

    @abstractmethod
    def text(self, stable: str) -> str:
        """The question for people; ``stable`` is the colour to compare with."""

    @abstractmethod
    def answer(self, candidate: Series, stable: Series, min_samples: int = 1) -> Answer:
        """The answer to the latest readings.

        Args:
            candidate: readings of the candidate.
            stable: readings of the stable colour.
            min_samples: events behind a value, or points of each series for the judge. Fewer are no data.
        """


class OfValues(Question):
    """A question that is answered by the values of one interval."""

    @abstractmethod
    def _held(self, pair: Pair) -> Answer:
        """The answer to the values."""

    def answer(self, candidate: Series, stable: Series, min_samples: int = 1) -> Answer:
        needed = (candidate, stable) if self.compares else (candidate, candidate)
        values = []
        for series in needed:
            last = series.last
            if last is None or last.value is None:
                return _nothing_of(series)
            if last.samples < min_samples:
                return Answer.no_data(f"{counted(last.samples, 'sample')} of {series.colour}, {min_samples} are needed")
            values.append(last.value)
        return self._held(Pair(candidate.colour, values[0], stable.said, values[1]))


@dataclass(frozen=True)
class Pair:
    """The values of both colours in one interval; a question that compares nothing has no use for the stable one."""

    candidate: str
    value: float
    stable: str
    base: float


@dataclass(frozen=True)
class Limits:
    """The greatest and the least good value; at least one of them."""

    max: float | None = None
    min: float | None = None

    def keeps(self, value: float) -> bool:
        """Whether the value is within the limits."""
        return (self.max is None or value <= self.max) and (self.min is None or value >= self.min)

    def next(self, value: float) -> tuple[str, float]:
        """The limit that counts for the value: the one it breaks, or else the nearer one; with its name."""
        given = [(name, limit) for name, limit in (("max", self.max), ("min", self.min)) if limit is not None]
        excess = {"max": value - given[0][1], "min": given[-1][1] - value}
        return max(given, key=lambda one: excess[one[0]])

    def text(self) -> str:
        """``at most 1, at least 0.5``."""
        words = {"at most": self.max, "at least": self.min}
        return ", ".join(f"{word} {number(limit)}" for word, limit in words.items() if limit is not None)


@dataclass(frozen=True)
class Threshold(OfValues):
    """The candidate's value by itself."""

    limits: Limits
    compares = False

    def text(self, stable: str) -> str:
        return self.limits.text()

    def _held(self, pair: Pair) -> Answer:
        name, limit = self.limits.next(pair.value)
        shown, bound = apart(pair.value, limit)
        good = self.limits.keeps(pair.value)
        words = f"{shown}, limit {bound}" if good else f"{shown} is {'above' if name == 'max' else 'below'} {bound}"
        return Answer(good, pair.value, limit, words, f"{shown} ({name} {bound})")


@dataclass(frozen=True)
class Measured(OfValues):
    """No question: the value is good whatever it is."""

    compares = False

    def text(self, stable: str) -> str:
        return "any"

    def _held(self, pair: Pair) -> Answer:
        shown = number(pair.value)
        return Answer(True, pair.value, None, shown, shown)


@dataclass(frozen=True)
class Ratio(OfValues):
    """The candidate's value divided by the stable colour's of the same interval.

    ``ignore_below``: a candidate's value below it never breaks the maximum, whatever the ratio: one error in place of none is no
    reason to go back. Where the stable colour has 0 there is no ratio: a candidate that has 0 too, or a value that is ignored,
    keeps the maximum, and any other breaks it.
    """

    limits: Limits
    ignore_below: float | None = None

    def text(self, stable: str) -> str:
        ignored = "" if self.ignore_below is None else f", below {number(self.ignore_below)} whatever the ratio"
        return f"{self.limits.text()} times {stable}{ignored}"

    def _held(self, pair: Pair) -> Answer:
        for colour, value in ((pair.candidate, pair.value), (pair.stable, pair.base)):
            if value < 0:
                return Answer.no_data(f"{colour} has {number(value)}, and a ratio needs values of 0 or more")
        ignored = self.ignore_below is not None and pair.value < self.ignore_below
        if pair.base == 0:
            return self._without_ratio(pair, ignored)
        ratio = pair.value / pair.base
        name, limit = self.limits.next(ratio)
        shown, bound = apart(ratio, limit)
        good, words = self.limits.keeps(ratio), f"{shown} times {pair.stable}, limit {bound}"
        if ignored and not good and name == "max":
            good, words = True, f"{words}, ignored because {number(pair.value)} is below {number(self.ignore_below or 0)}"
        return Answer(good, ratio, limit, words, f"{shown}x {pair.stable} ({name} {bound})")

    def _without_ratio(self, pair: Pair, ignored: bool) -> Answer:
        """The stable colour has 0: no least ratio can be missed, and the greatest only by more than nothing."""
        good = self.limits.max is None or pair.value == 0 or ignored
        words = f"{number(pair.value)}, {pair.stable} has 0"
        limit = self.limits.min if self.limits.max is None else self.limits.max
        return Answer(good, None, limit, words if good else f"{words}: more than any ratio", words)


@dataclass(frozen=True)
class Difference(OfValues):
    """The candidate's value less the stable colour's of the same interval."""

    limits: Limits

    def text(self, stable: str) -> str:
        return f"{self.limits.text()} more than {stable}"

    def _held(self, pair: Pair) -> Answer:
        difference = pair.value - pair.base
        name, limit = self.limits.next(difference)
        shown, bound = apart(difference, limit)
        words = f"{'+' if difference > 0 else ''}{shown} to {pair.stable}"
        return Answer(self.limits.keeps(difference), difference, limit, f"{words}, limit {bound}", f"{words} ({name} {bound})")


@dataclass(frozen=True)
class Judge(Question):
    """Whether the candidate's series is worse than the stable colour's, by a statistical test; see ``judge.py``.

    Args:
        direction: which way is worse: ``increase``, ``decrease`` or ``either``.
        tolerance: the part by which the candidate may be off, 0.25 for 25 %.
        confidence: of the one-sided test.
        effect: the least share of pairs of values in which the candidate's is beyond the tolerance.
    """

    direction: str
    tolerance: float = 0.25
    confidence: float = 0.98
    effect: float = 0.6

    def text(self, stable: str) -> str:
        signs = {INCREASE: "+", DECREASE: "-", EITHER: "+-"}
        return (
            f"like {stable} {signs[self.direction]}{number(self.tolerance * 100)}%"
            f" (confidence {number(self.confidence)}, effect {number(self.effect)})"
        )

    def answer(self, candidate: Series, stable: Series, min_samples: int = 1) -> Answer:
        for series in (candidate, stable):
            if series.last is None or series.last.value is None:
                return _nothing_of(series)
            if not series.new_points:
                # Else a source that has gone silent would be judged by what it said before.
                return Answer.no_data(f"{series.colour}: no new point, is the interval shorter than the step of the range?")
        few = min((candidate, stable), key=lambda series: len(series.points))
        have = f"{counted(len(few.points), 'point')} of {few.colour}"
        if len(few.points) < min_samples:
            return self._early(have, f", {min_samples} are needed")
        found = verdict(candidate.points, stable.points, DIRECTIONS[self.direction], self._rule(), exact_test())
        if found.worse is None:
            return self._early(have, f"; it needs {found.needed}")
        return self._answer(found, stable.said)

    def _rule(self) -> Rule:
        return Rule(self.tolerance, self.confidence, self.effect)

    def _early(self, have: str, needed: str) -> Answer:
        return Answer(None, None, self.effect, f"too early: {have}{needed}", f"too early: {have}", early=True)

    def _answer(self, found: Verdict, stable: str) -> Answer:
        above = found.direction == GREATER
        bound = f"{stable} {'+' if above else '-'}{number(self.tolerance * 100)}%"
        shown = f"{percent(found.effect)} of pairs {'above' if above else 'below'} {bound}"
        words = f"{shown}, limit {percent(self.effect)}, p {number(found.p)}"
        if found.worse:
            words = f"worse: {words}"
        elif found.effect >= self.effect:
            words += f" proves nothing ({number(1 - self.confidence)} would)"
        return Answer(not found.worse, found.effect, self.effect, words, f"{shown} (max {percent(self.effect)})")


def _nothing_of(series: Series) -> Answer:
    why = series.last.why if series.last else ""
    return Answer.no_data(f"{series.colour}: {why or 'nothing was read'}")
