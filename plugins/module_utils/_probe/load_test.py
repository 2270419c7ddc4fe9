# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load test: holds an idle colour under load against limits, and against the colour that serves the users."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Callable

from .._errors import BadInput, Refused
from .._routing import other
from . import report
from .client import Client, Outcome
from .errors import LimitsExceeded, WrongColour
from .limits import Limits, problems, ratio
from .open_loop import OpenLoop
from .options import CLIENT_OPTIONS, CONNECTIONS, PREVIEW_OPTIONS, concurrency_of, count_of, rate_of, validated, within
from .preview import ask, meet, stray
from .requests import Asked, accepted
from .tally import ProbeWindow, Tally

OPTIONS: dict[str, dict[str, Any]] = {
    "percent": {"type": "int", "required": True},
    "urls": {"type": "list", "elements": "str", "default": ["/"]},
    "rate": {"type": "float", "default": 20.0},
    "seconds": {"type": "float", "default": 30.0},
    "connections": {**CONNECTIONS, "default": "keep_alive"},
    "concurrency": {"type": "int", "default": 200},
    "max_p95_ms": {"type": "float"},
    "max_error_percent": {"type": "float", "default": 1.0},
    "compare": {"type": "bool", "default": False},
    "stable_rate": {"type": "float"},
    "max_ratio": {"type": "float"},
    "ignore_below_ms": {"type": "float", "default": 5.0},
    "min_answers": {"type": "int", "default": 100},
    "on_limit": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
    **PREVIEW_OPTIONS,
    **CLIENT_OPTIONS,
}
#: The stable colour serves users: this much is asked of it at most, unless somebody says otherwise. Per second.
_GENTLE = 20.0
#: Seconds of one slice when the colours take turns.
_SLICE = 2.0


@dataclass(frozen=True)
class LoadTest:
    """What to send, and what to hold it against. See the module ``load_test`` for each."""

    colour: str
    candidate: Asked
    stable: Asked | None
    rate: float
    stable_rate: float
    seconds: float
    connections: str
    concurrency: int
    timeout: float
    accepted: Collection[int]
    colour_header: str
    limits: Limits
    on_limit: str

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> LoadTest:
        """Check options by the names of the module ``load_test``.

        Raises:
            BadInput: an option that can not be meant.
            Refused: the colour is live.
        """
        params = validated(OPTIONS, given)
        colour, percent = params["colour"], params["percent"]
        if within("percent", percent, 0, 100) != 0:
            raise Refused(
                f"{colour} has {percent}% of the traffic of {params['service']}: a load test is for an idle colour",
                "test it before the cutover, or take its traffic away first",
            )
        if params["max_ratio"] is not None and not params["compare"]:
            raise BadInput("max_ratio is given without compare: there is nothing to divide by", "set compare to true")
        rate, paths = rate_of("rate", params["rate"]), params["urls"] or ["/"]
        count_of(rate, params["seconds"])
        stable_rate = min(rate, _GENTLE) if params["stable_rate"] is None else rate_of("stable_rate", params["stable_rate"])
        return cls(
            colour,
            ask(params, colour, paths, "turnout-load-test"),
            ask(params, other(colour), paths, "turnout-load-test") if params["compare"] else None,
            rate,
            stable_rate,
            params["seconds"],
            params["connections"],
            concurrency_of(params["concurrency"]),
            params["timeout"],
            accepted(params["status"]),
            params["colour_header"],
            Limits(
                params["max_p95_ms"],
                within("max_error_percent", params["max_error_percent"], 0, 100),
                params["max_ratio"],
                params["ignore_below_ms"],
                within("min_answers", params["min_answers"], 1, 1_000_000),
            ),
            params["on_limit"],
        )

    @property
    def planned(self) -> dict[str, int]:
        """Requests by colour."""
        planned = {self.colour: count_of(self.rate, self.seconds)}
        if self.stable is not None:
            planned[other(self.colour)] = count_of(self.stable_rate, self.seconds)
        return planned

    def plan(self) -> dict[str, Any]:
        """What would be sent, for check mode."""
        words = " and ".join(f"{count} requests to {colour}" for colour, count in self.planned.items())
        return {"msg": f"Would send {words}; nothing was sent", "planned": self.planned}


class _Side:
    """One colour of the test."""

    def __init__(self, options: LoadTest, colour: str, asked: Asked, rate: float, clock: Callable[[], float]) -> None:
        self.colour, self.rate, self._asked, self._clock = colour, rate, asked, clock
        self._client = Client(asked.origin, options.timeout)
        self._loop = OpenLoop(self._client.fetch, asked.requests, options.connections, options.concurrency)
        self._tally = Tally(options.accepted, options.colour_header, clock())
        self.stray = ""
        self.budget = math.inf

    async def meet(self) -> None:
        await meet(self._client, self._asked, self.colour, self._tally)

    async def send(self, count: int) -> bool:
        """Send a slice; whether the test may go on."""
        await self._loop.run(self.rate, count, self._seen, self._tally.skip)
        return not self._loop.stopped

    def _seen(self, outcome: Outcome) -> None:
        self._tally.add(outcome, self._clock())
        self.stray = self.stray or stray(outcome, self._tally.colour_of(outcome), self.colour)
        if self.stray or sum(self._tally.lost.values()) > self.budget:
            self._loop.stopped = True

    async def close(self) -> ProbeWindow:
        await self._client.close()
        return self._tally.window(self._clock())


def load_test(options: LoadTest, clock: Callable[[], float] = time.time) -> dict[str, Any]:
    """Send the load; the return values of the module ``load_test``.

    Args:
        options: what to send, and the limits.
        clock: seconds since the Unix epoch.

    Raises:
        WrongColour: an answer came from another colour than was asked, so that no further request was sent.
        Unhealthy: a colour does not answer.
        LimitsExceeded: the candidate is over a limit, and ``on_limit`` is ``fail``.
    """
    return asyncio.run(_load_test(options, clock))


async def _load_test(options: LoadTest, clock: Callable[[], float]) -> dict[str, Any]:
    sides = [_Side(options, options.colour, options.candidate, options.rate, clock)]
    if options.stable is not None:
        sides.append(_Side(options, other(options.colour), options.stable, options.stable_rate, clock))
    for side in sides:
        # With more errors than this the answer is no, whatever comes: there is no reason to go on.
        side.budget = options.limits.errors_allowed(side.colour, options.colour, options.planned[side.colour])
    windows = {}
    try:
        for side in sides:
            await side.meet()
        await _alternate(options, sides)
    finally:
        for side in sides:
            windows[side.colour] = await side.close()
    result = _result(options, windows)
    strays = "; ".join(side.stray for side in sides if side.stray)
    error: WrongColour | LimitsExceeded | None = None
    if strays:
        error = WrongColour(
            f"{options.candidate.url}: {strays}: the load test was stopped", "find out why before any further load"
        )
    elif result["problems"] and options.on_limit == "fail":
        error = LimitsExceeded(f"{_told(result)}: {'; '.join(result['problems'])}", f"send no traffic to {options.colour}")
    if error is not None:
        error.details = result
        raise error
    verdict = "; ".join(result["problems"]) or "within the limits"
    return {"msg": f"{_told(result)}: {verdict}", **result}


async def _alternate(options: LoadTest, sides: list[_Side]) -> None:
    """The colours take turns in short slices, so that what else happens on these machines meets both alike."""
    slices = max(1, round(options.seconds / _SLICE)) if len(sides) > 1 else 1
    shares = [list(_shares(options.planned[side.colour], slices)) for side in sides]
    for turn in range(slices):
        for side, share in zip(sides, shares):
            if not await side.send(share[turn]):
                return


def _shares(total: int, parts: int) -> Iterator[int]:
    """Whole numbers that add up to ``total``, as equal as can be."""
    for part in range(parts):
        yield total * (part + 1) // parts - total * part // parts


def _result(options: LoadTest, windows: Mapping[str, ProbeWindow]) -> dict[str, Any]:
    colours = {colour: _figures(colour, window, options) for colour, window in windows.items()}
    return {
        "colours": colours,
        "ratio_p95": ratio(colours, options.colour),
        "problems": list(problems(options.limits, options.colour, colours)),
    }


def _figures(colour: str, window: ProbeWindow, options: LoadTest) -> dict[str, Any]:
    seen = window.colours.get(colour)
    counts = report.counts(window)
    return {
        "planned": options.planned[colour],
        **counts,
        "error_percent": round(100 * counts["lost"] / window.requests, 3) if window.requests else None,
        "good_answers": len(seen.latencies) if seen else 0,
        "latency_ms": report.latency([seen] if seen else []),
    }


def _told(result: Mapping[str, Any]) -> str:
    parts = []
    for colour, seen in result["colours"].items():
        p95 = seen["latency_ms"]["p95"]
        shown = "no good answer" if p95 is None else f"p95 {p95:g} ms"
        parts.append(f"{colour} {shown}, {seen['lost']} of {seen['requests']} lost")
    return "; ".join(parts)
