# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the routers themselves say of both colours: answers, errors, latencies, healthy servers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import COLOURS
from ansible_collections.turnout.bluegreen.plugins.module_utils._statistics import percentile
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import NoData, Options, Source

#: Of the time between two looks, after which a router is one that does not answer; and seconds in any case.
LATE, LATE_SECONDS = 3, 10.0
GLANCE_SECONDS = 0.5

PERCENTILES = {"latency_p50_ms": 50, "latency_p95_ms": 95, "latency_p99_ms": 99}
COUNTED = ("error_percent", "requests_per_second", "latency_average_ms", *PERCENTILES)
SEEN = ("healthy_percent", "in_flight")


@dataclass
class Total:
    """What one colour has answered since the watch began, on all routers."""

    requests: int = 0
    errors: int = 0
    latencies: Counter[int] = field(default_factory=Counter)
    weighed_ms: float = 0.0
    weighed: int = 0

    def add(self, answered: Mapping[str, Any]) -> None:
        """What one router has answered between two looks; an average stands for its requests."""
        self.requests += answered["requests"]
        self.errors += answered["errors"]
        self.latencies.update(dict(answered["latencies"] or []))
        if answered["average_ms"] is not None:
            self.weighed_ms += answered["average_ms"] * answered["requests"]
            self.weighed += answered["requests"]

    def since(self, before: Total) -> Total:
        """What came since then."""
        return Total(
            self.requests - before.requests,
            self.errors - before.errors,
            self.latencies - before.latencies,
            self.weighed_ms - before.weighed_ms,
            self.weighed - before.weighed,
        )


@dataclass(frozen=True)
class Sight:
    """What was known at one moment.

    Args:
        looks: at each router, until then.
        totals: what each colour has answered on all routers since the watch began.
        healthy_percent: of each colour, on the router that sees the fewest healthy servers.
        in_flight: requests of each colour, on all routers.
    """

    looks: Mapping[str, int] = field(default_factory=dict)
    totals: Mapping[str, Total] = field(default_factory=dict)
    healthy_percent: Mapping[str, float] = field(default_factory=dict)
    in_flight: Mapping[str, int] = field(default_factory=dict)


@dataclass
class _Router:
    """The latest of one router; ``looks`` counts those that were answered."""

    looks: int = 0
    answered_at: float = 0.0
    capacity: Mapping[str, Any] = field(default_factory=dict)
    in_flight: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    uncounted: str = "it has not been looked at yet"


class Routers:
    """What has been collected from all routers; shared by all gates that ask for it, each in a thread of its own.

    Args:
        names: of the routers.
        interval: seconds from one look at a router to the next.
        began: when they began to be watched.
    """

    def __init__(self, names: Iterable[str], interval: float, began: float) -> None:
        self.totals = {colour: Total() for colour in COLOURS}
        self.epoch = 0
        self.doubts: dict[str, str] = {}
        self._routers = {name: _Router(answered_at=began) for name in names}
        self._late = max(LATE * interval, LATE_SECONDS)
        self._news = threading.Condition()

    def add(self, name: str, look: Mapping[str, Any]) -> None:
        """One look at one router, as :func:`line_of` gives it."""
        with self._news:
            self._add(self._routers[name], name, look)
            self._news.notify_all()

    def _add(self, router: _Router, name: str, look: Mapping[str, Any]) -> None:
        if look.get("error"):
            router.error = look["error"]
            return
        router.error, router.answered_at, router.looks = "", look["at"], router.looks + 1
        router.capacity, router.in_flight = look["capacity"], look["in_flight"]
        self.epoch = max(self.epoch, look["epoch"])
        router.uncounted = look["uncounted"]
        if router.uncounted:
            return
        for colour, answered in look["answered"].items():
            self.totals[colour].add(answered)
        for doubt in look["doubts"]:
            self.doubts[doubt] = name

    def after(self, looks: Mapping[str, int], clock: Callable[[], float], counted: bool) -> Sight:
        """What is known when each router has been looked at once more.

        Args:
            looks: of the sight before; empty for the first one.
            clock: the clock of the looks.
            counted: whether numbers of requests are needed.

        Raises:
            NoData: a router does not answer, or does not count.
        """
        with self._news:
            while True:
                self._check(clock(), counted)
                if all(router.looks > looks.get(name, 0) for name, router in self._routers.items()):
                    return self._sight()
                self._news.wait(GLANCE_SECONDS)

    def _sight(self) -> Sight:
        rows = list(self._routers.values())
        return Sight(
            looks={name: router.looks for name, router in self._routers.items()},
            totals={colour: total.since(Total()) for colour, total in self.totals.items()},
            healthy_percent={colour: min(_healthy(router.capacity[colour]) for router in rows) for colour in COLOURS},
            in_flight={colour: sum(router.in_flight[colour] for router in rows) for colour in COLOURS},
        )

    def _check(self, now: float, counted: bool) -> None:
        if not self._routers:
            raise NoData("no router is watched")
        for name, router in self._routers.items():
            if now - router.answered_at > self._late:
                raise NoData(
                    f"{name} gives no answer since {now - router.answered_at:.0f} s{router.error and ': ' + router.error}"
                )
            if counted and router.looks and router.uncounted:
                raise NoData(f"{name}: {router.uncounted}")


def _healthy(capacity: Mapping[str, Any]) -> float:
    return 100.0 * capacity["healthy"] / capacity["total"] if capacity["total"] else 0.0


class RouterSource(Source):
    """A number of the routers' own statistics, over all routers and the time since the last reading."""

    OPTIONS: ClassVar[Options] = {"metric": (str,)}
    REQUIRED: ClassVar[tuple[str, ...]] = ("metric",)

    def prepare(self) -> None:
        self._metric = self.choice("metric", (*COUNTED, *SEEN), "")
        self._routers: Routers | None = self.around.feeds.get("router")
        self._at, self._sight, self._before = 0.0, Sight(), Sight()

    def read(self, colours: Sequence[str]) -> dict[str, Reading]:
        """All colours of one sight, which is waited for."""
        clock = self.around.clock
        try:
            if self._routers is None:
                raise NoData("no router is watched")
            sight = self._routers.after(self._sight.looks, clock, self._metric in COUNTED)
        except NoData as error:
            return {colour: Reading.missing(clock(), error.message) for colour in colours}
        before, self._before, self._sight = self._at, self._sight, sight
        self._at = clock()
        self._seconds = self._at - before
        return super().read(colours)

    def measure(self, colour: str) -> Reading:
        if self._metric == "healthy_percent":
            return self.reading(self._sight.healthy_percent[colour])
        if self._metric == "in_flight":
            return self.reading(self._sight.in_flight[colour])
        if not self._before.looks:
            return Reading(self._at, None, 0, "the counting begins", first_look=True)
        return self._of(self._sight.totals[colour].since(self._before.totals[colour]), self._seconds)

    def _of(self, new: Total, seconds: float) -> Reading:
        if self._metric == "requests_per_second":
            return self.reading(new.requests / seconds, new.requests)
        if not new.requests:
            raise NoData("no requests")
        if self._metric == "error_percent":
            return self.reading(100.0 * new.errors / new.requests, new.requests)
        if self._metric == "latency_average_ms":
            if not new.weighed:
                raise NoData("this kind of router keeps no average: ask for latency_p50_ms")
            return self.reading(new.weighed_ms / new.weighed, new.requests)
        if not new.latencies:
            raise NoData("this kind of router knows no single latencies: ask for latency_average_ms, or another source")
        return self.reading(percentile(new.latencies, PERCENTILES[self._metric]), new.requests)


def line_of(answer: Mapping[str, Any], uncounted: str) -> dict[str, Any]:
    """What a watch keeps of one answer of ``traffic_info``."""
    if answer.get("failed"):
        return {"error": answer["msg"]}
    statistics = answer.get("statistics") or {"answered": {}, "doubts": []}
    return {
        "capacity": answer["capacity"],
        "in_flight": answer["in_flight"],
        "epoch": answer["epoch"] or 0,
        "answered": statistics["answered"],
        "doubts": statistics["doubts"],
        "uncounted": uncounted,
    }
