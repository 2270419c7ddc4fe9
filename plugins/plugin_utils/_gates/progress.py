# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bake: the gates over time, from the first reading to the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .definition import Gate
from .questions import Answer
from .reading import Reading
from .series import Series
from .tally import IN_ROW, Tally
from .wording import counted, seconds

#: Of a gate.
RUNNING, YES, NO, ADVISORY_NO = "running", "yes", "no", "advisory_no"
#: Of a bake, beside ``running``.
PASSED, FAILED = "passed", "failed"
#: The reason for a no, beside the keys of the policy.
NO_GOOD_ANSWER = "no_good_answer"


@dataclass(frozen=True)
class No:
    """Why a gate is not a yes.

    Args:
        gate: its name.
        colour: the candidate.
        reason: ``failures_in_row`` or ``failures_total``, the key of the policy that was violated, or ``no_good_answer`` for a
            gate that has none to the end.
        value: of the last answer, if it had one.
        limit: of the last answer, if it had one.
        bad: how many answers were against the gate, in a row or in all as the reason says.
        allowed: how many of them are tolerated.
        at: when it was decided, seconds.
        evidence_seconds: from the reading of the first of the bad answers without a good one in between to the decision.
        words: all of it for people.
    """

    gate: str
    colour: str
    reason: str
    value: float | None
    limit: float | None
    bad: int
    allowed: int
    at: float
    evidence_seconds: float
    words: str

    @property
    def first_bad_at(self) -> float:
        """When the first of these bad answers was read, seconds."""
        return self.at - self.evidence_seconds


@dataclass(frozen=True)
class Verdict:
    """How the bake stands.

    ``at`` is when it ended, in seconds, None while it runs. ``noes`` are those of critical gates; the first one is the reason of
    the end. ``advisory`` are the other ones.
    """

    state: str
    at: float | None = None
    noes: tuple[No, ...] = ()
    advisory: tuple[No, ...] = ()

    @property
    def evidence_seconds(self) -> float | None:
        """From the first bad answer of the deciding ones to the decision; None without a no."""
        return self.noes[0].evidence_seconds if self.noes else None

    @property
    def first_bad_at(self) -> float | None:
        """When the first bad answer of the deciding ones was read, seconds; None without a no."""
        return self.noes[0].first_bad_at if self.noes else None


class GateProgress:
    """One gate during a bake."""

    def __init__(self, gate: Gate, candidate: str, stable: str, begin: float, baseline: Sequence[float] = ()) -> None:
        self.gate = gate
        self.since = begin + gate.policy.delay
        self.candidate = Series(candidate, self.since)
        self.stable = Series(stable, self.since, baseline)
        self.tally = Tally(gate.policy)
        self.due_at = self.since
        self.answer: Answer | None = None
        self.verdict = RUNNING
        self.no: No | None = None

    @property
    def answered(self) -> bool:
        """Whether an answer has come, be it that there is no data."""
        return self.tally.answered > 0

    def take(self, now: float, readings: Mapping[str, Reading]) -> None:
        """Answer by the readings of this interval, by colour; a colour that is not among them has no data."""
        if self.verdict != RUNNING or now < self.since:
            return
        first = self.candidate.last is None
        at = now
        for series in (self.candidate, self.stable):
            reading = readings.get(series.colour) or Reading.missing(now, "")
            series.add(reading)
            at = min(at, reading.at)
        self._next(now)
        if first and any(reading.first_look for reading in readings.values()):
            return
        self.answer = self.gate.question.answer(self.candidate, self.stable, self.gate.policy.min_samples)
        self.tally.take(self.answer, at)
        self._decide(now)

    def _next(self, now: float) -> None:
        """Due with the first interval that begins after now; those that were missed are not made up for."""
        interval = self.gate.policy.interval
        # A hundredth more, because 0.3 / 0.1 is a little less than 3 in floating point.
        self.due_at += interval * max(math.floor((now - self.due_at) / interval + 0.01) + 1, 0)

    def close(self, now: float) -> None:
        """The bake is over: a gate with a good answer is a yes, if it was not a no before."""
        if self.verdict != RUNNING:
            return
        if self.tally.favour:
            self.verdict = YES
            return
        words = "no good answer to the end" if self.tally.bad or self.tally.early else "no data to the end"
        begin = self.since if self.tally.since is None else self.tally.since
        self._say_no(NO_GOOD_ANSWER, self.tally.row, self.gate.policy.failures_in_row, now, now - begin, words)

    def _decide(self, now: float) -> None:
        reason = self.tally.violated()
        if reason is None:
            self.verdict = YES if self.tally.done() else RUNNING
            return
        evidence = 0.0 if self.tally.since is None else now - self.tally.since
        if reason == IN_ROW:
            bad, allowed, where = self.tally.row, self.gate.policy.failures_in_row, "in a row"
        else:
            bad, allowed, where = self.tally.against, self.gate.policy.failures_total, "in all"
        words = f"{counted(bad, 'bad answer')} {where}, {allowed} allowed, {seconds(evidence)} since the last run of them began"
        self._say_no(reason, bad, allowed, now, evidence, words)

    def _say_no(self, reason: str, bad: int, allowed: int, now: float, evidence: float, words: str) -> None:
        last = self.answer or Answer.no_data("nothing was read")
        colour = self.candidate.colour
        words = f"{self.gate.name} of {colour}: {last.words}; {words}"
        self.no = No(self.gate.name, colour, reason, last.value, last.limit, bad, allowed, now, evidence, words)
        self.verdict = NO if self.gate.policy.critical else ADVISORY_NO


class Progress:
    """All gates of a bake.

    Who drives it reads the sources and keeps the time:

        while progress.verdict(clock()).state == RUNNING:
            wait until progress.wake_at(clock())
            progress.add(clock(), readings of progress.due(clock()))

    A gate is due when its delay is over, then once in each interval; intervals that were missed are not made up for. The bake
    ends at once when a critical gate is a no. Else it ends when its time is over and each gate has answered at least once, be it
    that there is no data. Then a gate without one answer in its favour is a no, too: no answer is never a yes.

    Args:
        gates: what to watch.
        candidate: colour that is released.
        stable: colour to compare with.
        begin: when the step was made, seconds.
        duration: how long to watch, seconds.
        baseline: by the name of the gate, values of the stable colour from before the step.
    """

    def __init__(
        self,
        gates: Sequence[Gate],
        candidate: str,
        stable: str,
        begin: float,
        duration: float,
        baseline: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self.candidate = candidate
        self.stable = stable
        self.begin = begin
        self.duration = duration
        self.gates = tuple(GateProgress(gate, candidate, stable, begin, (baseline or {}).get(gate.name, ())) for gate in gates)
        self._by_name = {one.gate.name: one for one in self.gates}
        self._end: Verdict | None = None

    @property
    def end(self) -> float:
        """When the time is over, seconds."""
        return self.begin + self.duration

    def due(self, now: float) -> tuple[Gate, ...]:
        """The gates whose sources are to be read now."""
        if self._end:
            return ()
        return tuple(one.gate for one in self.gates if one.verdict == RUNNING and one.due_at <= now)

    def wake_at(self, now: float) -> float:
        """When something is to be done next, seconds: a gate is due, or the time is over."""
        waits = [one.due_at for one in self.gates if one.verdict == RUNNING]
        return min([*waits, self.end] if now < self.end else waits, default=now)

    def add(self, now: float, readings: Mapping[str, Mapping[str, Reading]]) -> None:
        """Take what was read: by the name of the gate, then by colour.

        Each gate that was due must be among them; what could not be read is a :meth:`Reading.missing`.

        Raises:
            KeyError: a name that no gate has.
        """
        if self._end:
            return
        for name, by_colour in readings.items():
            self._by_name[name].take(now, by_colour)
        if any(one.verdict == NO for one in self.gates):
            self._finish(FAILED, now)

    def verdict(self, now: float) -> Verdict:
        """How the bake stands. Asked when the time is over, it closes the bake."""
        waits = any(one.verdict == RUNNING and not one.answered for one in self.gates)
        if not self._end and now >= self.end and not waits:
            for one in self.gates:
                one.close(now)
            self._finish(FAILED if any(one.verdict == NO for one in self.gates) else PASSED, now)
        return self._end or Verdict(RUNNING, advisory=self._noes(ADVISORY_NO))

    def _finish(self, state: str, now: float) -> None:
        self._end = Verdict(state, now, self._noes(NO), self._noes(ADVISORY_NO))

    def _noes(self, verdict: str) -> tuple[No, ...]:
        return tuple(one.no for one in self.gates if one.no and one.verdict == verdict)
