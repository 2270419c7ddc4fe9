# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe: a synthetic client that says what users of a router get at this moment."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Callable

from .._errors import BadInput
from .._routing import Split
from . import report
from .client import Client, Outcome
from .errors import RequestsLost, SplitDiffers
from .open_loop import OpenLoop
from .options import CLIENT_OPTIONS, CONNECTIONS, MAX_REQUESTS, concurrency_of, count_of, rate_of, validated, within
from .requests import Asked, accepted, build
from .split import CONSISTENT, CONTRADICTED, Question, compare
from .tally import ProbeWindow, Tally

OPTIONS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True, "no_log": True},
    "paths": {"type": "list", "elements": "str", "default": []},
    "method": {"type": "str", "choices": ["GET", "HEAD"], "default": "GET"},
    "rate": {"type": "float", "default": 10.0},
    "seconds": {"type": "float"},
    "count": {"type": "int"},
    "connections": {**CONNECTIONS, "default": "both"},
    "concurrency": {"type": "int", "default": 200},
    "split": {"type": "dict"},
    "confidence": {"type": "float", "default": 0.999},
    "resolution": {"type": "int", "default": 10},
    "independent": {"type": "bool", "default": True},
    "max_lost": {"type": "int", "default": 0},
    "fail_on_lost": {"type": "bool", "default": True},
    "fail_on_split": {"type": "str", "choices": ["contradicted", "unproven", "never"], "default": "contradicted"},
    **CLIENT_OPTIONS,
}
_SECONDS = 10.0
#: Seconds that a thread may need to end, besides the requests under way.
_ENDS = 5.0


@dataclass(frozen=True)
class ProbeOptions:
    """What to send, how fast, and what is good. See the module ``probe`` for each."""

    asked: Asked
    rate: float
    count: int
    connections: str
    concurrency: int
    timeout: float
    accepted: Collection[int]
    colour_header: str
    question: Question | None
    max_lost: int
    fail_on_lost: bool
    fail_on_split: str

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> ProbeOptions:
        """Check options by the names of the module ``probe``; what is left out has the module's default.

        Raises:
            BadInput: one that can not be meant.
        """
        params = validated(OPTIONS, given)
        rate = rate_of("rate", params["rate"])
        if params["count"] is not None and params["seconds"] is not None:
            raise BadInput("seconds and count are both given: expected one of them")
        if params["count"] is None:
            seconds = _SECONDS if params["seconds"] is None else params["seconds"]
            count = count_of(rate, seconds)
        else:
            count = within("count", params["count"], 1, MAX_REQUESTS)
        question = None
        if params["split"] is not None:
            split = Split.parse(params["split"])
            question = Question(split, params["confidence"], params["resolution"], params["independent"])
        return cls(
            build(params["url"], params["paths"], "turnout-probe", params),
            rate,
            count,
            params["connections"],
            concurrency_of(params["concurrency"]),
            params["timeout"],
            accepted(params["status"]),
            params["colour_header"],
            question,
            params["max_lost"],
            params["fail_on_lost"],
            params["fail_on_split"],
        )

    def plan(self) -> dict[str, Any]:
        """What would be sent, for check mode."""
        words = f"{self.count} requests at {self.rate:g} per second to {self.asked.url}"
        return {"msg": f"Would send {words}; nothing was sent", "planned": {"requests": self.count, "rate": self.rate}}


class _Sender:
    """Sends, and counts what comes back; may be looked at from another thread."""

    def __init__(self, options: ProbeOptions, clock: Callable[[], float]) -> None:
        self._options, self._clock = options, clock
        self._client = Client(options.asked.origin, options.timeout)
        self._loop = OpenLoop(self._client.fetch, options.asked.requests, options.connections, options.concurrency)
        self._lock = threading.Lock()
        self._tally = self._fresh(clock())

    def _fresh(self, began: float) -> Tally:
        return Tally(self._options.accepted, self._options.colour_header, began)

    def _seen(self, outcome: Outcome) -> None:
        with self._lock:
            self._tally.add(outcome, self._clock())

    def _skipped(self) -> None:
        with self._lock:
            self._tally.skip()

    async def send(self, count: int | None) -> None:
        try:
            await self._loop.run(self._options.rate, count, self._seen, self._skipped)
        finally:
            await self._client.close()

    def stop(self) -> None:
        self._loop.stopped = True

    def take(self) -> ProbeWindow:
        with self._lock:
            now = self._clock()
            done, self._tally = self._tally, self._fresh(now)
            return done.window(now)


class Probe:
    """A probe that goes on in the background while its owner does something else, such as a bake.

    It runs in a thread with an event loop of its own, from :meth:`start` to :meth:`stop`, whatever ``count`` says. Use it as
    a context manager, so that it ends in any case. Its latencies include the moments in which its owner keeps Python busy.

    >>> with Probe(ProbeOptions.parse({"url": "http://router/", "rate": 5})) as probe:
    ...     window = probe.take()

    Args:
        options: what to send; the question about the split is the caller's: see :func:`split.compare`.
        clock: seconds since the Unix epoch.
    """

    def __init__(self, options: ProbeOptions, clock: Callable[[], float] = time.time) -> None:
        self._sender = _Sender(options, clock)
        self._patience = options.timeout + _ENDS
        self._error: BaseException | None = None
        # A daemon, so that an owner who dies does not wait for it.
        self._thread = threading.Thread(target=self._work, name="turnout-probe", daemon=True)

    def _work(self) -> None:
        try:
            asyncio.run(self._sender.send(None))
        except BaseException as error:
            self._error = error

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def take(self) -> ProbeWindow:
        """What was seen since the last call, or since the start. Every request is in exactly one window.

        Raises whatever has ended the thread: a probe that does not run any more must not look like silence.
        """
        if self._error is not None:
            raise self._error
        return self._sender.take()

    def stop(self, wait: bool = True) -> ProbeWindow:
        """End it, wait for the requests under way unless told not to, and return the last window. May be called again."""
        self._sender.stop()
        if wait and self._thread.ident is not None:
            self._thread.join(self._patience)
        return self.take()

    def __enter__(self) -> Probe:
        self.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._sender.stop()
        self._thread.join(self._patience)


def run_probe(options: ProbeOptions, clock: Callable[[], float] = time.time) -> dict[str, Any]:
    """Send all requests and return what the module ``probe`` returns, good or bad; :func:`judge` says which.

    Args:
        options: what to send.
        clock: seconds since the Unix epoch.
    """
    sender = _Sender(options, clock)
    asyncio.run(sender.send(options.count))
    return result(options, sender.take())


def result(options: ProbeOptions, window: ProbeWindow) -> dict[str, Any]:
    """The return values of the module ``probe`` for what was seen in a window."""
    total = sum(window.answers.values())
    comparison = None if options.question is None else compare(options.question, window.answers)
    colours = {name: report.colour(seen, total) for name, seen in window.colours.items()}
    parts = [f"{window.requests} requests in {window.ended - window.began:.1f} s", report.lost(window.lost)]
    parts += [f"{window.not_started} not started, because too many were under way or this host was late"] * bool(
        window.not_started
    )
    parts += [f"{name} {seen['percent']:g}%" for name, seen in colours.items()]
    parts += [f"{window.unknown.answers} answers name no colour"] * bool(window.unknown.answers)
    parts += [comparison.words] if comparison else []
    if options.question is not None:
        for name, seen in colours.items():
            seen["asked_percent"] = options.question.split.as_dict().get(name, 0)
    return {
        "msg": f"{options.asked.url}: {'; '.join(parts)}",
        **report.counts(window),
        "latency_ms": report.latency([*window.colours.values(), window.unknown]),
        "colours": colours,
        "split": None if comparison is None else comparison.as_dict(),
    }


def judge(options: ProbeOptions, found: Mapping[str, Any]) -> None:
    """Hold a result against what the options allow.

    Raises:
        RequestsLost: more were lost than allowed, or none was sent.
        SplitDiffers: the split is another one, or can not be claimed and shall be.
    """
    error: RequestsLost | SplitDiffers | None = None
    verdict = found["split"]["verdict"] if found["split"] else CONSISTENT
    if options.fail_on_lost and (found["lost"] > options.max_lost or not found["requests"]):
        error = RequestsLost(found["msg"], "look at the reasons above; take traffic away from a colour that loses requests")
    elif verdict == CONTRADICTED and options.fail_on_split != "never":
        error = SplitDiffers(found["msg"], "look at the router's own answer with turnout.bluegreen.traffic_info")
    elif verdict != CONSISTENT and options.fail_on_split == "unproven":
        error = SplitDiffers(found["msg"], "send more requests, or accept a coarser resolution")
    if error is not None:
        error.details = {name: value for name, value in found.items() if name != "msg"}
        raise error
