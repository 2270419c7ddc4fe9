# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see while a bake runs, and what is left of it for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .definition import FAIL
from .progress import ADVISORY_NO, NO, NO_GOOD_ANSWER, RUNNING, YES, GateProgress, No, Progress
from .sparkline import sparkline
from .wording import clipped, counted, finite, seconds

#: Characters of a line, and of its parts.
LONGEST_LINE = 200
_TITLE, _NAME, _SHORT = 40, 40, 48
_BARS = 12
#: Seconds between two lines at least, however short the interval is.
LEAST_PAUSE = 1.0

_BAD, _WAITING, _OK = "bad", "waiting", "ok"
_ORDER = (_BAD, _WAITING, _OK)


class Screen:
    """Which lines are worth printing: the first, those with something new, and one now and then as a sign of life.

    Never more than one in a second; what is new in between is in the next one.

    Args:
        every: seconds after which a line is printed although nothing is new, one or more.
    """

    def __init__(self, every: float = 30.0) -> None:
        self.every = max(every, LEAST_PAUSE)
        self._at: float | None = None
        self._news: list[Any] = []

    def wants(self, now: float, progress: Progress) -> bool:
        """Whether to print a line now; True means that it is printed."""
        news = [(one.verdict, one.answer.good if one.answer else None) for one in progress.gates]
        if self._at is not None and now - self._at < (self.every if news == self._news else LEAST_PAUSE):
            return False
        self._at, self._news = now, news
        return True


def line(title: str, progress: Progress, now: float) -> str:
    """How the gates stand, in at most 200 characters: when there are too many, the bad ones come first and the rest is counted.

    Args:
        title: what is watched, such as ``bake 25% green``.
        progress: the bake.
        now: seconds.
    """
    head = f"  {clipped(title, _TITLE)}: {_left(progress, now)}"
    full = " | ".join([head, *(_part(one, now, bars=True) for one in progress.gates)])
    return full if len(full) <= LONGEST_LINE else _folded(head, progress.gates, now)


def closing(title: str, progress: Progress, now: float) -> str:
    """How the bake stands or has ended, in one sentence."""
    verdict = progress.verdict(now)
    if verdict.at is None:
        return f"{title}: {_left(progress, now)}"
    after = seconds(verdict.at - progress.begin)
    said = [no.words for no in verdict.noes] or [f"{counted(len(progress.gates), 'gate')} watched"]
    said += [f"advisory: {no.words}" for no in verdict.advisory]
    # A blip is tolerated, but whether it was one is not known of the last answers.
    said += [
        f"{one.gate.name} ended on {counted(one.tally.row, 'bad answer')}, {one.gate.policy.failures_in_row} allowed in a row"
        for one in progress.gates
        if one.verdict == YES and one.tally.row
    ]
    return f"{title}: {verdict.state} after {after}: {'; '.join(said)}"


def result(progress: Progress, now: float, wall: float) -> dict[str, Any]:
    """The bake in plain JSON types, with every sample that was kept; times are in seconds since its begin.

    Args:
        progress: the bake.
        now: seconds, by the clock of the bake.
        wall: the same instant in seconds since the epoch, for what is held against other clocks.
    """
    verdict = progress.verdict(now)
    first_bad_at = verdict.first_bad_at
    return {
        "verdict": verdict.state,
        "candidate": progress.candidate,
        "stable": progress.stable,
        "seconds": progress.duration,
        "stopped_after_seconds": None if verdict.at is None else round(verdict.at - progress.begin, 3),
        "evidence_seconds": None if verdict.evidence_seconds is None else round(verdict.evidence_seconds, 3),
        "first_bad_at": None if first_bad_at is None else round(wall - (now - first_bad_at), 3),
        "reasons": [no.words for no in verdict.noes],
        "advisory": [no.words for no in verdict.advisory],
        "gates": [_row(one, progress) for one in progress.gates],
        "baseline": {one.gate.name: one.stable.measured() for one in progress.gates if one.gate.compares},
    }


def _row(one: GateProgress, progress: Progress) -> dict[str, Any]:
    tally, answer = one.tally, one.answer
    return {
        "name": one.gate.name,
        "source": one.gate.source,
        "critical": one.gate.policy.critical,
        "question": one.gate.question.text(progress.stable),
        "verdict": one.verdict,
        "value": finite(answer.value) if answer else None,
        "limit": finite(answer.limit) if answer else None,
        "words": answer.words if answer else "nothing was read",
        "answers": {"good": tally.good, "bad": tally.bad, "missing": tally.missing, "early": tally.early},
        "bad_in_row": tally.row,
        "why_no": _why(one.no, progress) if one.no else None,
        "samples": {series.colour: series.samples(progress.begin) for series in (one.candidate, one.stable)},
    }


def _why(no: No, progress: Progress) -> dict[str, Any]:
    return {
        "reason": no.reason,
        "bad": no.bad,
        "allowed": no.allowed,
        "after_seconds": round(no.at - progress.begin, 3),
        "evidence_seconds": round(no.evidence_seconds, 3),
        "words": no.words,
    }


def _left(progress: Progress, now: float) -> str:
    if now < progress.end:
        return f"{seconds(progress.end - now)} left"
    return "waits for the last answers" if progress.verdict(now).at is None else "over"


def _standing(one: GateProgress) -> str:
    """In which of three heaps a gate is."""
    if one.verdict in (NO, ADVISORY_NO) or one.tally.row:
        return _BAD
    return _WAITING if one.verdict == RUNNING and (one.answer is None or one.answer.good is None) else _OK


def _part(one: GateProgress, now: float, bars: bool) -> str:
    """One gate, such as ``p95 1.8x blue (max 1.3) BAD 1/2`` with or without its bars."""
    name = clipped(one.gate.name, _NAME)
    if one.answer is None:
        return f"{name} waits {seconds(one.since - now)}" if now < one.since else f"{name} waits"
    words = [name, clipped(one.answer.short, _SHORT), _mark(one)]
    if bars:
        words.append(sparkline(one.candidate.values(_BARS)))
    return " ".join(word for word in words if word)


def _mark(one: GateProgress) -> str:
    tally = one.tally
    if one.no and one.no.reason == NO_GOOD_ANSWER:
        mark = "NO"
    elif tally.row:
        bad, enough = tally.nearest()
        mark = f"BAD {bad}/{enough}"
    elif one.answer and one.answer.good is None:
        mark = "" if one.answer.early or tally.policy.no_data == FAIL else tally.policy.no_data
    else:
        mark = "done" if one.verdict == YES and tally.policy.count else "ok"
    return f"{mark} (advisory)" if one.verdict == ADVISORY_NO else mark


def _folded(head: str, gates: Sequence[GateProgress], now: float) -> str:
    """As many gates as there is room for, the bad ones first, and how many more there are."""
    ordered = sorted(gates, key=lambda one: _ORDER.index(_standing(one)))
    parts = [head]
    for place, one in enumerate(ordered):
        rest = _counted_rest(ordered[place + 1 :])
        forms = [_part(one, now, bars) for bars in (True, False)]
        fitting = [form for form in forms if len(" | ".join([*parts, form, *rest])) <= LONGEST_LINE]
        if not fitting:
            return " | ".join([*parts, *_counted_rest(ordered[place:])])
        parts.append(fitting[0] if _standing(one) == _BAD else fitting[-1])
    return " | ".join(parts)


def _counted_rest(gates: Sequence[GateProgress]) -> list[str]:
    standings = [_standing(one) for one in gates]
    return [", ".join(f"+{standings.count(word)} {word}" for word in _ORDER if word in standings)] if gates else []
