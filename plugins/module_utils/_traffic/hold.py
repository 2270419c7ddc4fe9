# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that waits for a person: what is asked, and what an answer does. Pure.

The run that waits keeps its lease, and its epoch stays the newest: an answer moves nothing by itself, the run does.
"""

from __future__ import annotations

from dataclasses import replace

from .._errors import NothingHeld, Refused
from .._journal import Hold, Journal
from .._router import Observation
from .request import Request


def asked(request: Request, seen: Observation, step: int, former: Hold | None) -> Hold:
    """The hold of this step: the one that is there, with its answer, or a new one.

    Args:
        request: ``timeout`` and ``hold_on_timeout``.
        seen: the router.
        step: percent of the candidate in force.
        former: the last hold of the same epoch.
    """
    if former is not None and former.step == step:
        return former
    return Hold(step, seen.clock, seen.clock + request.timeout, request.hold_on_timeout)


def answered(request: Request, seen: Observation, journal: Journal) -> Hold:
    """The hold with its answer.

    Raises:
        NothingHeld: nothing waits, or not what is named.
        Refused: it was answered differently, or nobody waits any more.
    """
    hold = journal.hold
    if hold is None or journal.candidate is None:
        under_way = f"release {journal.release} is under way" if journal.candidate else "no release is under way"
        raise NothingHeld(f"nothing waits for approval: {under_way} (phase {journal.phase})", "run status.yml")
    if request.release is not None and request.release != journal.release:
        raise NothingHeld(
            f"release {request.release} does not wait: {journal.release} does, at {where(journal, hold)}", "name that one"
        )
    if request.step is not None and request.step != hold.step:
        raise NothingHeld(f"{request.step}% does not wait for approval: {where(journal, hold)} does", "run status.yml")
    now = journal.routing.split.percent(journal.candidate)
    if now != hold.step:
        raise NothingHeld(
            f"nothing waits for approval: release {journal.release} is at {now}% {journal.candidate}, "
            f"and {where(journal, hold)} was answered with {hold.answer} by {hold.by}",
            "run status.yml",
        )
    if hold.answer == request.answer:
        return hold
    if hold.answer is not None:
        raise Refused(
            f"{where(journal, hold)} can not be answered with {request.answer}: {hold.by} has answered {hold.answer} "
            f"{seen.clock - (hold.answered_at or seen.clock):.0f} s ago",
            "rollback.yml ends the release in any case",
        )
    _need_waiting(request, seen, journal)
    return replace(hold, answer=request.answer, by=request.owner, answered_at=seen.clock)


def _need_waiting(request: Request, seen: Observation, journal: Journal) -> None:
    """An answer that nobody waits for would be taken by nobody. The run itself, with its epoch, is there."""
    lease = journal.lease
    if request.epoch is not None or (lease is not None and lease.until > seen.clock):
        return
    who = (
        f"the run of {lease.owner} has given no sign of life for {seen.clock - lease.until + lease.seconds:.0f} s"
        if lease
        else "no run"
    )
    raise Refused(
        f"nobody waits for the answer any more: {who}",
        f"run release.yml with {journal.release} again: it comes to the same step and asks again; or run rollback.yml",
    )


def need_approval(journal: Journal) -> None:
    """A step that waits for a person is not passed by the run's own will.

    Raises:
        Refused: nobody has said go.
    """
    hold = journal.hold
    if hold is not None and hold.answer != "go":
        raise Refused(
            f"{where(journal, hold)} waits for approval" if hold.answer is None else f"{hold.by} has answered {hold.answer}",
            "answer with promote.yml; or run rollback.yml",
        )


def where(journal: Journal, hold: Hold) -> str:
    """The step that waits, in words."""
    if hold.step:
        return f"{hold.step}% {journal.candidate}"
    return f"the cohort on {journal.candidate}" if journal.routing.split.cohort else "the cutover"


def consequence(journal: Journal, hold: Hold, answer: str) -> str:
    """What an answer does to traffic."""
    if answer == "go" and hold.step == 100:
        return f"go: {journal.candidate} becomes stable, traffic stays where it is"
    if answer == "go":
        return f"go: release {journal.release} goes on from {hold.step}% {journal.candidate} with its next step"
    if not journal.routing.split.serves(journal.candidate or ""):
        return f"stop: release {journal.release} is given up, all traffic stays on {journal.stable}"
    return f"stop: all traffic goes back to {journal.stable}"
