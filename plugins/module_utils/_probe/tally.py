# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts what became of requests, for a stretch of time. Pure."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from .._health.stats import Latencies
from .client import Outcome

#: Colours that are told apart. A header that holds something new each time must not fill the memory.
_COLOURS = 8
_REASONS = 50
_OTHER = "other reasons"


class _Latencies(Latencies):
    """Those of all requests that one task may send, four bytes each."""

    __slots__ = ()
    KEPT = 1 << 20


@dataclass(frozen=True)
class ColourWindow:
    """What one colour has answered. Times are seconds since the Unix epoch, latencies are seconds.

    Args:
        answers: whole answers, of any status.
        refused: those among them whose status is not accepted.
        first_at: when the first one was complete; None when there is none.
        last_at: when the last one was.
        latencies: of the accepted answers, in no particular order.
    """

    answers: int
    refused: int
    first_at: float | None
    last_at: float | None
    latencies: array[float]


@dataclass(frozen=True)
class ProbeWindow:
    """What was seen between two looks. Requests count when they end.

    Args:
        began: seconds since the Unix epoch.
        ended: the same.
        requests: that have ended, lost ones included.
        not_started: requests that could not start at their time.
        retried: requests that were sent again, because the server had closed the kept connection.
        lost: by reason, how many got no whole answer with an accepted status.
        unknown: answers that name no colour.
        colours: answers by colour.
    """

    began: float
    ended: float
    requests: int
    not_started: int
    retried: int
    lost: Mapping[str, int]
    unknown: ColourWindow
    colours: Mapping[str, ColourWindow]

    @property
    def answers(self) -> dict[str, int]:
        """Number of answers by colour."""
        return {colour: window.answers for colour, window in self.colours.items()}


@dataclass
class _Colour:
    answers: int = 0
    refused: int = 0
    first_at: float | None = None
    last_at: float | None = None
    latencies: _Latencies = field(default_factory=_Latencies)

    def window(self) -> ColourWindow:
        return ColourWindow(self.answers, self.refused, self.first_at, self.last_at, self.latencies.samples())


class Tally:
    """Counts outcomes.

    Args:
        accepted: statuses of a good answer.
        colour_header: name of the header by which an answer names its colour.
        began: seconds since the Unix epoch.
    """

    def __init__(self, accepted: Collection[int], colour_header: str, began: float) -> None:
        self._accepted, self._header, self._began = accepted, colour_header.lower(), began
        self.requests = self.not_started = self.retried = 0
        self.lost: Counter[str] = Counter()
        self._unknown = _Colour()
        self._colours: dict[str, _Colour] = {}

    def colour_of(self, outcome: Outcome) -> str:
        """The colour that an answer names; empty when there is no answer, or it names none that could be one."""
        value = outcome.answer.headers.get(self._header, "") if outcome.answer else ""
        return value if re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", value) else ""

    def failure_of(self, outcome: Outcome) -> str:
        """Why the request counts as lost; empty when it does not."""
        if outcome.answer is None:
            return outcome.failure
        return "" if outcome.answer.status in self._accepted else f"status {outcome.answer.status}"

    def add(self, outcome: Outcome, at: float) -> None:
        """Count a request that has ended ``at``, in seconds since the Unix epoch."""
        self.requests += 1
        self.retried += outcome.retried
        failure = self.failure_of(outcome)
        if failure:
            known = failure in self.lost or len(self.lost) < _REASONS
            self.lost[failure if known else _OTHER] += 1
        if outcome.answer is None:
            return
        name = self.colour_of(outcome)
        if name and (name in self._colours or len(self._colours) < _COLOURS):
            colour = self._colours.setdefault(name, _Colour())
        else:
            colour = self._unknown
        colour.answers += 1
        colour.first_at = at if colour.first_at is None else colour.first_at
        colour.last_at = at
        if failure:
            colour.refused += 1
        else:
            colour.latencies.add(outcome.seconds)

    def skip(self) -> None:
        """Count a request that could not start."""
        self.not_started += 1

    def window(self, ended: float) -> ProbeWindow:
        """All that was counted, until ``ended``; count no more afterwards."""
        colours = {name: colour.window() for name, colour in sorted(self._colours.items())}
        return ProbeWindow(
            self._began,
            ended,
            self.requests,
            self.not_started,
            self.retried,
            dict(self.lost.most_common()),
            self._unknown.window(),
            colours,
        )
