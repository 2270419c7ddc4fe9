# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients have seen of the acts of the demo, in figures that compare strategies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.timeline import Summary


@dataclass(frozen=True)
class Act:
    """One playbook from its start to its end (monotonic), and the version that it was about.

    Args:
        kind: ``good`` for a release that succeeds, ``bad`` for one that goes back by itself, ``back`` for a rollback by hand.
        strategy: of the release.
        version: that came or went.
    """

    kind: str
    strategy: str
    version: str
    began: float
    ended: float


def good(act: Act, summary: Summary) -> dict[str, float]:
    """Of a release that succeeds: how long it took, and how long both versions answered clients."""
    answers = list(summary.between(act.began, act.ended))
    first = min(answer.done for answer in answers if answer.version == act.version)
    last = max(answer.sent for answer in answers if answer.version != act.version)
    return {"release_s": round(act.ended - act.began, 1), "both_versions_s": round(max(last - first, 0.0), 2)}


def bad(act: Act, summary: Summary) -> dict[str, float]:
    """Of a bad release: whom it reached before it was gone, and for how long."""
    answers = list(summary.between(act.began, act.ended))
    reached = [answer for answer in answers if answer.version == act.version]
    first, last = min(answer.sent for answer in reached), max(answer.sent for answer in reached)
    meanwhile = sum(first <= answer.sent <= last for answer in answers)
    return {
        "bad_requests": len(reached),
        "bad_percent": round(100 * len(reached) / meanwhile, 1),
        "bad_s": round(last - first, 1),
    }


def back(act: Act, summary: Summary) -> dict[str, float]:
    """Of a rollback by hand: from its start to the last request that the version still answered."""
    last = max(answer.sent for answer in summary.between(act.began, act.ended) if answer.version == act.version)
    return {"rollback_ms": round(1000 * (act.ended - act.began)), "rollback_client_ms": round(1000 * (last - act.began))}


def compare(acts: Sequence[Act], summary: Summary) -> dict[str, dict[str, float]]:
    """The numbers of each strategy, each from the first act of a kind."""
    kinds = {"good": good, "bad": bad, "back": back}
    found: dict[str, dict[str, float]] = {}
    for act in acts:
        numbers = found.setdefault(act.strategy, {})
        for name, value in kinds[act.kind](act, summary).items():
            numbers.setdefault(name, value)
    return found
