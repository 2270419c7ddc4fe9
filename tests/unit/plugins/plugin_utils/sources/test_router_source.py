# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of several routers as one number for each colour."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import parse
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.health import Health
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.registry import KEYS, make
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.router import Routers, line_of
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import Surroundings

COLOURS = ("green", "blue")


class Watch:
    """Routers whose looks the tests make, by a clock that the tests hold."""

    def __init__(self, *names: str) -> None:
        self.now = 100.0
        self.routers = Routers(names, 5.0, self.now)
        self.names = names
        self.health = Health(names, 30.0, self.now)
        feeds = {"router": self.routers, "health": self.health}
        self.around = Surroundings(feeds=feeds, clock=lambda: self.now)

    def source(self, **keys: Any):
        (gate,) = parse([{"name": "g", "max": 1, **keys}], KEYS)
        return make(gate, self.around)

    def look(self, name: str, seconds: float = 0.0, uncounted: str = "", **answered: Any) -> None:
        """One look; for each colour requests, errors, latencies, average."""
        self.now += seconds
        rows = {colour: dict(zip(("requests", "errors", "latencies", "average_ms"), row)) for colour, row in answered.items()}
        capacity = {"blue": {"healthy": 2, "total": 2}, "green": {"healthy": 1, "total": 4}}
        answer = {
            "capacity": capacity,
            "in_flight": {"blue": 3, "green": 1},
            "epoch": 4,
            "statistics": {"answered": rows, "doubts": []},
        }
        self.routers.add(name, {"at": self.now, **line_of(answer, uncounted)})


def values(readings):
    return {colour: reading.value for colour, reading in readings.items()}


def test_errors_are_counted_over_all_routers_from_one_reading_to_the_next():
    watch = Watch("a", "b")
    source = watch.source(source="router", metric="error_percent")
    for name in watch.names:
        watch.look(name, blue=(50, 50, None, None), green=(0, 0, None, None))
    first = source.read(COLOURS)
    assert all(reading.first_look and reading.value is None for reading in first.values())
    watch.look("a", 5, blue=(90, 0, None, None), green=(10, 1, None, None))
    watch.look("b", blue=(10, 1, None, None), green=(30, 1, None, None))
    second = source.read(COLOURS)
    assert values(second) == {"green": 5.0, "blue": 1.0}
    assert {colour: reading.samples for colour, reading in second.items()} == {"green": 40, "blue": 100}
    for name in watch.names:
        watch.look(name, 5, blue=(0, 0, None, None), green=(0, 0, None, None))
    assert {reading.why for reading in source.read(COLOURS).values()} == {"no requests"}


def test_latencies_and_rates():
    watch = Watch("a")
    sources = {
        metric: watch.source(source="router", metric=metric)
        for metric in ("latency_p95_ms", "latency_average_ms", "requests_per_second")
    }
    watch.look("a", blue=(0, 0, [], None), green=(0, 0, [], None))
    for source in sources.values():
        source.read(COLOURS)
    watch.look("a", 10, blue=(100, 0, [[0, 90], [24, 10]], None), green=(20, 0, None, 30.0))
    found = {metric: source.read(COLOURS) for metric, source in sources.items()}
    assert found["latency_p95_ms"]["blue"].value == pytest.approx(1.1**24)
    assert "no single latencies" in found["latency_p95_ms"]["green"].why
    assert found["latency_average_ms"]["green"].value == 30.0
    assert "keeps no average" in found["latency_average_ms"]["blue"].why
    assert values(found["requests_per_second"]) == {"green": 2.0, "blue": 10.0}


def test_health_is_that_of_the_router_which_sees_least():
    watch = Watch("a", "b")
    for name in watch.names:
        watch.look(name)
    watch.routers._routers["b"].capacity = {"blue": {"healthy": 1, "total": 2}, "green": {"healthy": 0, "total": 0}}
    assert values(watch.source(source="router", metric="healthy_percent").read(COLOURS)) == {"green": 0.0, "blue": 50.0}
    assert values(watch.source(source="router", metric="in_flight").read(COLOURS)) == {"green": 2.0, "blue": 6.0}


def test_a_router_that_gives_no_answer_is_no_data_and_named():
    watch = Watch("a", "b")
    watch.look("a")
    watch.look("b")
    watch.look("a", 14)
    watch.routers.add("b", {"at": watch.now, "error": "it can not be reached"})
    watch.now += 2
    reading = watch.source(source="router", metric="healthy_percent").read(COLOURS)["green"]
    assert reading.value is None
    assert reading.why == "b gives no answer since 16 s: it can not be reached"


def test_a_router_without_statistics_says_what_to_do_and_its_health_is_known():
    watch = Watch("a")
    watch.look("a", uncounted="a: set nginx_statistics")
    assert watch.source(source="router", metric="error_percent").read(COLOURS)["green"].why == "a: a: set nginx_statistics"
    watch.look("a", uncounted="a: set nginx_statistics")
    assert watch.source(source="router", metric="healthy_percent").read(COLOURS)["blue"].value == 100.0


def test_a_reading_waits_for_the_next_look():
    watch = Watch("a")
    source = watch.source(source="router", metric="healthy_percent")
    watch.look("a")
    source.read(COLOURS)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(source.read(COLOURS)))
    thread.start()
    thread.join(0.2)
    assert not found
    watch.look("a")
    thread.join(10)
    assert found


def test_nobody_watches():
    watch = Watch()
    assert watch.source(source="router", metric="in_flight").read(COLOURS)["green"].why == "no router is watched"
    assert watch.source(source="health").read(COLOURS)["green"].why == "no router sends health requests"


def test_failed_health_requests_are_those_of_the_router_that_has_most():
    watch = Watch("a", "b")
    source = watch.source(source="health")
    watch.health.add("a", {"at": watch.now, "tries": 3, "failed": 0, "error": ""})
    watch.health.add("b", {"at": watch.now, "tries": 3, "failed": 1, "error": "green: status 503"})
    assert values(source.read(COLOURS)) == {"green": 1.0, "blue": 1.0}
    watch.health.add("a", {"at": watch.now, "tries": 3, "failed": 0, "error": ""})
    watch.health.add("b", {"at": watch.now, "tries": 2, "failed": 2, "error": "green: status 503"})
    reading = source.read(COLOURS)["green"]
    assert (reading.value, reading.samples, reading.why) == (3.0, 5, "b: green: status 503")
