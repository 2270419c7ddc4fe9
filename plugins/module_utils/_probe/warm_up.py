# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm-up: asks the idle colour for pages until its latency is flat."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import BadInput, Unhealthy
from . import access_log, report
from .access_log import Choice, Top
from .client import Client, Outcome
from .errors import NotWarm, WrongColour
from .flatness import Flatness, p95, window_size
from .options import CLIENT_OPTIONS, MAX_REQUESTS, PREVIEW_OPTIONS, concurrency_of, rate_of, validated, within
from .preview import ask, meet, stray
from .requests import Asked, Request, accepted
from .tally import Tally

LOG_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "required": True},
    "format": {"type": "str", "choices": sorted(access_log.FORMATS), "default": "combined"},
    "top": {"type": "int", "default": 200},
    "since_bytes": {"type": "int", "default": 64 << 20},
    "include": {"type": "str"},
    "exclude": {"type": "str"},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "urls": {"type": "list", "elements": "str", "default": []},
    "access_log": {"type": "dict", "options": LOG_OPTIONS},
    "concurrency": {"type": "int", "default": 8},
    "max_rate": {"type": "float", "default": 200.0},
    "window": {"type": "int", "default": 200},
    "flat_windows": {"type": "int", "default": 3},
    "tolerance": {"type": "float", "default": 0.1},
    "floor_ms": {"type": "float", "default": 5.0},
    "max_seconds": {"type": "float", "default": 120.0},
    "max_requests": {"type": "int", "default": 50_000},
    "on_cap": {"type": "str", "choices": ["report", "fail"], "default": "report"},
    **PREVIEW_OPTIONS,
    **CLIENT_OPTIONS,
}
#: Seconds that one of the clients waits after a request without an answer, so that nobody hammers what is down.
_PAUSE = 0.05
_SHOWN = 100


@dataclass(frozen=True)
class WarmUp:
    """What to ask for, and when to stop. See the module ``warm_up`` for each."""

    colour: str
    asked: Asked
    log: Top | None
    timeout: float
    accepted: Collection[int]
    colour_header: str
    flatness: Flatness
    window: int
    concurrency: int
    max_rate: float
    max_seconds: float
    max_requests: int
    on_cap: str

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> WarmUp:
        """Check options by the names of the module ``warm_up``, and read the access log where one is named.

        Raises:
            BadInput: an option that can not be meant, or nothing to ask for.
            StorageError: the access log can not be read.
        """
        params = validated(OPTIONS, given)
        statuses = accepted(params["status"])
        log = _read_log(params["access_log"], statuses) if params["access_log"] else None
        paths = tuple(dict.fromkeys([*params["urls"], *(log.paths if log else ())]))
        if not paths:
            raise BadInput(_nothing(log), "give urls, or an access_log of the live colour")
        flatness = Flatness(params["flat_windows"], params["tolerance"], params["floor_ms"])
        window = window_size(within("window", params["window"], 20, 100_000), len(paths))
        most = within("max_requests", params["max_requests"], 1, MAX_REQUESTS)
        if most < window * flatness.windows:
            raise BadInput(
                f"max_requests is {most}: expected at least {window * flatness.windows}, which is flat_windows "
                f"{flatness.windows} times a window of {window} requests for {len(paths)} URLs",
                "raise max_requests, or take fewer URLs",
            )
        if not params["max_seconds"] > 0:
            raise BadInput(f"max_seconds is {params['max_seconds']:g}: expected more than 0")
        return cls(
            params["colour"],
            ask(params, params["colour"], paths, "turnout-warm-up"),
            log,
            params["timeout"],
            statuses,
            params["colour_header"],
            flatness,
            window,
            int(min(concurrency_of(params["concurrency"]), 100)),
            rate_of("max_rate", params["max_rate"]),
            params["max_seconds"],
            most,
            params["on_cap"],
        )

    def plan(self) -> dict[str, Any]:
        """What would be sent, for check mode."""
        paths = len(self.asked.requests)
        words = f"{paths} URLs from {self.colour}, at most {self.max_requests} requests in {self.max_seconds:g} s"
        return {"msg": f"Would ask for {words}; nothing was sent", **self.source()}

    def source(self) -> dict[str, Any]:
        """Which URLs, and where they come from."""
        paths = [request.path for request in self.asked.requests]
        log = self.log and {
            "lines": self.log.lines,
            "taken": self.log.taken,
            "dropped_secrets": self.log.secrets,
            "not_understood": self.log.unknown,
        }
        return {"urls": len(paths), "urls_used": paths[:_SHOWN], "access_log": log}


def _read_log(params: Mapping[str, Any], statuses: Collection[int]) -> Top:
    least = within("access_log.since_bytes", params["since_bytes"], 1, 1 << 40)
    choice = Choice(
        params["format"],
        statuses,
        access_log.expression("access_log.include", params["include"]),
        access_log.expression("access_log.exclude", params["exclude"]),
        within("access_log.top", params["top"], 1, 5000),
    )
    return access_log.top(access_log.tail(params["path"], least), choice)


def _nothing(log: Top | None) -> str:
    if log is None:
        return "neither urls nor access_log is given: there is nothing to ask for"
    told = f"{log.lines} lines were read, {log.unknown} are not in its format, {log.secrets} look like secrets"
    return f"the access log has no GET request to repeat: {told}"


class _Run:
    """One warm-up."""

    def __init__(self, options: WarmUp, client: Client, shuffle: random.Random) -> None:
        self._options, self._client, self._random = options, client, shuffle
        self._tally = Tally(options.accepted, options.colour_header, 0.0)
        self.windows: list[float | None] = []
        self.requests = 0
        self.errors: Counter[str] = Counter()
        self.stray = ""
        self._good: list[float] = []
        self._failed = 0
        self._next_at = 0.0

    async def warm(self) -> str:
        """Send windows until latency is flat or a cap is reached; the word for what ended it."""
        loop, options = asyncio.get_running_loop(), self._options
        ends = loop.time() + options.max_seconds
        while self.requests + options.window <= options.max_requests:
            await self._window(ends)
            if self.stray:
                return "wrong_colour"
            if len(self._good) + self._failed < options.window:
                return "max_seconds"
            if not self._good:
                return "no_answers"
            self.windows.append(p95(self._good, self._failed))
            if options.flatness.reached(self.windows):
                return "flat"
        return "max_requests"

    async def _window(self, ends: float) -> None:
        """Each URL equally often, in another order each round: with round robin over several servers, a fixed order would
        ask each of them for its own part of the pages only."""
        self._good, self._failed = [], 0
        requests = self._options.asked.requests
        rounds = [self._random.sample(requests, len(requests)) for _n in range(self._options.window // len(requests))]
        pending = (request for turn in rounds for request in turn)

        async def work() -> None:
            for request in pending:
                if self.stray or not await self._turn(ends):
                    return
                await self._send(request)

        await asyncio.gather(*(work() for _n in range(self._options.concurrency)))

    async def _turn(self, ends: float) -> bool:
        """Wait until the next request may start; False when that is after the end."""
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self._next_at)
        if at >= ends:
            return False
        self._next_at = at + 1 / self._options.max_rate
        await asyncio.sleep(at - loop.time())
        return True

    async def _send(self, request: Request) -> None:
        outcome = await self._client.fetch(request, True)
        self.requests += 1
        self._count(outcome)
        if outcome.answer is None:
            await asyncio.sleep(_PAUSE)

    def _count(self, outcome: Outcome) -> None:
        self.stray = self.stray or stray(outcome, self._tally.colour_of(outcome), self._options.colour)
        failure = self._tally.failure_of(outcome)
        if failure:
            self._failed += 1
            self.errors[failure] += 1
        else:
            self._good.append(outcome.seconds)

    def result(self, ended: str, seconds: float) -> dict[str, Any]:
        known = [window for window in self.windows if window is not None]
        first, last = (known[0], known[-1]) if known else (None, None)
        return {
            "warm": ended == "flat",
            "ended": ended,
            "first_p95_ms": first,
            "last_p95_ms": last,
            "windows": self.windows,
            "window": self._options.window,
            "requests": self.requests,
            "errors": sum(self.errors.values()),
            "error_reasons": dict(self.errors.most_common(20)),
            "seconds": round(seconds, 3),
            **self._options.source(),
        }


def warm_up(options: WarmUp, shuffle: random.Random | None = None) -> dict[str, Any]:
    """Warm the colour up; the return values of the module ``warm_up``.

    Args:
        options: what to ask for, and when to stop.
        shuffle: decides over the order of the URLs.

    Raises:
        WrongColour: an answer came from another colour, so that no further request was sent.
        Unhealthy: the colour does not answer.
        NotWarm: a cap was reached, and ``on_cap`` is ``fail``.
    """
    return asyncio.run(_warm_up(options, shuffle or random.Random()))


async def _warm_up(options: WarmUp, shuffle: random.Random) -> dict[str, Any]:
    client, loop = Client(options.asked.origin, options.timeout), asyncio.get_running_loop()
    run, began = _Run(options, client, shuffle), loop.time()
    try:
        await meet(client, options.asked, options.colour, Tally(options.accepted, options.colour_header, 0.0))
        ended = await run.warm()
    finally:
        await client.close()
    result = run.result(ended, loop.time() - began)
    told = _told(options, result)
    error: WrongColour | Unhealthy | NotWarm | None = None
    if ended == "wrong_colour":
        error = WrongColour(f"{options.asked.url}: {run.stray}: the warm-up was stopped", "find out why before any further load")
    elif ended == "no_answers":
        error = Unhealthy(f"{told}: a whole window got no good answer", f"look at {options.colour} first")
    elif ended != "flat" and options.on_cap == "fail":
        error = NotWarm(told, "raise the cap, or accept more variation with tolerance and floor_ms")
    if error is not None:
        error.details = result
        raise error
    return {"msg": told, **result}


def _told(options: WarmUp, result: Mapping[str, Any]) -> str:
    reasons: Sequence[str] = [f"{result['requests']} requests in {result['seconds']:.1f} s"]
    if result["first_p95_ms"] is not None:
        reasons = [*reasons, f"p95 of the first window {result['first_p95_ms']:g} ms, of the last {result['last_p95_ms']:g} ms"]
    if result["errors"]:
        reasons = [*reasons, report.lost(result["error_reasons"])]
    state = "is warm" if result["warm"] else f"is not warm yet, ended by {result['ended']}"
    return f"{options.colour} {state}: {'; '.join(reasons)}"
