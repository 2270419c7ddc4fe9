# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the figures of a load test are held against. Pure.

The figures of a colour are a dictionary with ``planned``, ``requests``, ``not_started``, ``lost``, ``lost_reasons``,
``error_percent``, ``good_answers`` and ``latency_ms``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._routing import other
from . import report

Figures = Mapping[str, Mapping[str, Any]]
#: Percent of the requests that the stable colour may lose before it is left in peace.
_STABLE_ERRORS = 5.0
#: Percentiles are rounded to this many milliseconds; a division by less would say nothing.
_LEAST_MS = 0.01


@dataclass(frozen=True)
class Limits:
    """Latencies are in milliseconds.

    Args:
        max_p95: of the candidate.
        max_error_percent: requests of the candidate without an accepted answer.
        max_ratio: p95 of the candidate divided by that of the stable colour.
        ignore_below: a p95 below this is good, whatever the ratio.
        min_answers: with fewer accepted answers of a colour, its p95 is not known.
    """

    max_p95: float | None = None
    max_error_percent: float = 1.0
    max_ratio: float | None = None
    ignore_below: float = 5.0
    min_answers: int = 100

    def errors_allowed(self, colour: str, candidate: str, planned: int) -> float:
        """How many of the planned requests to a colour may be lost."""
        return (self.max_error_percent if colour == candidate else _STABLE_ERRORS) / 100 * planned


def ratio(figures: Figures, candidate: str) -> float | None:
    """p95 of the candidate divided by that of the stable colour; None when one is not known."""
    mine, theirs = (figures[name]["latency_ms"]["p95"] if name in figures else None for name in (candidate, other(candidate)))
    return None if mine is None or theirs is None else round(mine / max(theirs, _LEAST_MS), 3)


def problems(limits: Limits, candidate: str, figures: Figures) -> Iterator[str]:
    """One text for each limit that is exceeded, or that nothing can be said about. None: the candidate is good."""
    for name, seen in figures.items():
        yield from _errors(limits, name, candidate, seen)
    yield from _latency(limits, candidate, figures)


def _errors(limits: Limits, name: str, candidate: str, seen: Mapping[str, Any]) -> Iterator[str]:
    allowed = limits.errors_allowed(name, candidate, seen["planned"])
    if seen["lost"] > allowed:
        limit = f"limit {allowed:g} of {seen['planned']}" if name == candidate else "it is live, so the test was stopped"
        yield f"{name}: {report.lost(seen['lost_reasons'])} of {seen['requests']} requests, {limit}"
    if seen["not_started"] > allowed:
        yield f"{name}: {seen['not_started']} of {seen['planned']} requests could not start: it or this host is too slow"


def _latency(limits: Limits, candidate: str, figures: Figures) -> Iterator[str]:
    if limits.max_p95 is None and limits.max_ratio is None:
        return
    needed = [candidate] if limits.max_ratio is None else list(figures)
    few = [
        f"{name} gave {figures[name]['good_answers']}" for name in needed if figures[name]["good_answers"] < limits.min_answers
    ]
    if few:
        yield f"too few good answers for a p95, {limits.min_answers} are needed: {', '.join(few)}"
        return
    p95, times = figures[candidate]["latency_ms"]["p95"], ratio(figures, candidate)
    if limits.max_p95 is not None and p95 > limits.max_p95:
        yield f"p95 of {candidate} is {p95:g} ms, limit {limits.max_p95:g} ms"
    if limits.max_ratio is not None and times is not None and p95 > limits.ignore_below and times > limits.max_ratio:
        yield f"p95 of {candidate} is {times:g} times that of {other(candidate)}, limit {limits.max_ratio:g}"
