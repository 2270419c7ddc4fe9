# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user writes about gates, checked and made into values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput

from .options import Options, Range, shown
from .questions import DIRECTIONS, INCREASE, Difference, Judge, Limits, Question, Ratio, Threshold

FAIL, HOLD, PASS = "fail", "hold", "pass"
LONGEST_NAME = 60
#: Seconds. A source is asked no more often, however short the interval of the bake is.
LEAST_INTERVAL = 0.1

_QUESTIONS = {
    Threshold: ("max", "min"),
    Ratio: ("max_ratio", "min_ratio", "ignore_below"),
    Difference: ("max_difference", "min_difference"),
    Judge: ("judge",),
}
_JUDGE = ("direction", "tolerance", "confidence", "effect")
_POLICY = ("delay", "interval", "count", "failures_in_row", "failures_total", "min_samples", "no_data", "critical")
#: The keys of a gate that are not its source's.
KEYS = ("name", "source", *(key for keys in _QUESTIONS.values() for key in keys), *_POLICY)


@dataclass(frozen=True)
class Policy:
    """What follows from the answers.

    Args:
        delay: seconds from the step to the first answer that counts.
        interval: seconds from one answer to the next.
        count: answers after which the gate is done with a yes; None: at the end of the bake.
        failures_in_row: bad answers in a row that are tolerated; the next one is a no.
        failures_total: bad answers that are tolerated in all; the next one is a no.
        min_samples: events behind an answer, or points of each series for the judge.
        no_data: ``fail``: a missing answer counts as a bad one. ``hold``: it counts as nothing. ``pass``: as a good one.
        critical: False: a no is shown and reported, and stops nothing.
    """

    delay: float = 0.0
    interval: float = 5.0
    count: int | None = None
    failures_in_row: int = 1
    failures_total: int = 3
    min_samples: int = 1
    no_data: str = FAIL
    critical: bool = True


@dataclass(frozen=True)
class Gate:
    """A source, a question and a policy. ``source_options`` are the source's own keys, which it checks itself."""

    name: str
    source: str
    question: Question
    policy: Policy
    source_options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def compares(self) -> bool:
        """Whether the stable colour is needed for the answer."""
        return self.question.compares


def parse(gates: Any, source_keys: Mapping[str, Collection[str]], interval: float = 5.0) -> tuple[Gate, ...]:
    """The gates that a user has written.

    Args:
        gates: a list of dictionaries, see ``KEYS``.
        source_keys: for each source its own keys; the names of the sources that there are.
        interval: seconds, for gates that say nothing else.

    Raises:
        BadInput: names the gate, the key, what was found and what is expected.
    """
    if not isinstance(gates, (list, tuple)):
        raise BadInput(f"gates: found {shown(gates)}, expected a list of dictionaries")
    found: dict[str, Gate] = {}
    for position, given in enumerate(gates, 1):
        gate = _gate(given, f"gate {position} of {len(gates)}", source_keys, interval)
        if gate.name in found:
            raise BadInput(f"gate {gate.name!r}, name: found it twice, expected a name of its own for each gate")
        found[gate.name] = gate
    return tuple(found.values())


def _gate(given: Any, where: str, source_keys: Mapping[str, Collection[str]], interval: float) -> Gate:
    if not isinstance(given, Mapping):
        raise BadInput(f"{where}: found {shown(given)}, expected a dictionary")
    name = Options(where, given).line("name", LONGEST_NAME)
    options = Options(f"gate {name!r}", given)
    source = options.choice("source", source_keys)
    own = [key for key in source_keys[source] if key not in KEYS]
    options.known([*KEYS, *own])
    policy = Policy(
        delay=options.number("delay", Policy.delay, Range(least=0)),
        interval=options.number("interval", interval, Range(least=LEAST_INTERVAL)),
        count=options.maybe_whole("count", 1),
        failures_in_row=options.whole("failures_in_row", Policy.failures_in_row, 0),
        failures_total=options.whole("failures_total", Policy.failures_total, 0),
        min_samples=options.whole("min_samples", Policy.min_samples, 0),
        no_data=options.choice("no_data", (FAIL, HOLD, PASS), FAIL),
        critical=options.truth("critical", True),
    )
    return Gate(name, source, _question(options), policy, {key: given[key] for key in own if key in given})


def _question(options: Options) -> Question:
    """The one kind of question that is asked."""
    asked = {kind: [key for key in keys if key in options.given] for kind, keys in _QUESTIONS.items()}
    kinds = [kind for kind, keys in asked.items() if keys]
    if len(kinds) != 1:
        found = ", ".join(key for keys in asked.values() for key in keys) or "no question"
        kinds_of_keys = "; ".join(", ".join(keys) for keys in _QUESTIONS.values())
        raise BadInput(f"{options.where}: found {found}, expected keys of exactly one kind of question: {kinds_of_keys}")
    if kinds == [Threshold]:
        return Threshold(_limits(options, "max", "min", Range()))
    if kinds == [Difference]:
        return Difference(_limits(options, "max_difference", "min_difference", Range()))
    return _ratio(options) if kinds == [Ratio] else _judge(options)


def _limits(options: Options, most: str, least: str, allowed: Range) -> Limits:
    limits = Limits(options.maybe_number(most, allowed), options.maybe_number(least, allowed))
    if limits.max is not None and limits.min is not None and limits.min > limits.max:
        raise options.wrong(least, f"at most the {most}, {limits.max:g}")
    return limits


def _ratio(options: Options) -> Ratio:
    ignore_below = options.maybe_number("ignore_below", Range(least=0))
    if ignore_below is not None and "max_ratio" not in options.given:
        # It would ignore just what a least ratio is there to find: a throughput that has broken down.
        raise options.wrong("max_ratio", "a number above 0, because ignore_below makes exceptions of it alone")
    return Ratio(_limits(options, "max_ratio", "min_ratio", Range(above=0)), ignore_below)


def _judge(options: Options) -> Judge:
    given = options.given["judge"]
    if not isinstance(given, Mapping):
        raise options.wrong("judge", f"a dictionary of {', '.join(_JUDGE)}")
    inner = Options(f"{options.where}, judge", given)
    inner.known(_JUDGE)
    direction = inner.choice("direction", DIRECTIONS)
    # No decrease is larger than all there is.
    allowed = Range(least=0) if direction == INCREASE else Range(least=0, below=1)
    return Judge(
        direction,
        inner.number("tolerance", Judge.tolerance, allowed),
        inner.number("confidence", Judge.confidence, Range(least=0.5, below=1)),
        inner.number("effect", Judge.effect, Range(least=0.5, most=1)),
    )
