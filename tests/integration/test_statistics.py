# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router says about the requests that each colour has answered, against what clients got."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._statistics import percentile

from tests.support.apps import Apps
from tests.support.haproxy import HAProxy, Service
from tests.support.net import wait_until
from tests.support.nginx import Nginx, NginxRouter
from tests.support.router import AnyRouter, Connection, Router

Counts = dict[str, tuple[int, int]]


@pytest.fixture(params=["haproxy", "nginx"])
def router(request: pytest.FixtureRequest, service: Service) -> Iterator[AnyRouter]:
    """Half of the requests for each colour."""
    if request.param == "haproxy":
        with HAProxy([service]) as haproxy, Router([haproxy]) as router:
            router.do("present")
            router.do("switched", split={"green": 50})
            yield router
    else:
        with Nginx([service], percent=50) as nginx, NginxRouter(nginx) as router:
            router.do("present")
            yield router


def ask(router: AnyRouter, path: str, count: int) -> tuple[Counts, int]:
    """Requests and errors by colour as clients see them, and how many."""
    seen: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for _number in range(count):
        try:
            with urllib.request.urlopen(f"{router.url}{path}", timeout=30) as answer:
                headers, status = answer.headers, answer.status
        except urllib.error.HTTPError as error:
            headers, status = error.headers, error.code
        colour = headers["X-Bluegreen-Colour"]
        seen[colour] += 1
        errors[colour] += status >= 500
    return {colour: (seen[colour], errors[colour]) for colour in ("blue", "green")}, count


def statistics(router: AnyRouter, since: str) -> dict[str, Any]:
    found: dict[str, Any] = router.look(statistics_since=since)["statistics"]
    return found


def counted(found: dict[str, Any]) -> Counts:
    return {colour: (row["requests"], row["errors"]) for colour, row in found["answered"].items()}


def collect(router: AnyRouter, since: str, count: int) -> dict[str, Any]:
    """nginx writes its lines within a second: look from the same place until all are there."""
    found: list[dict[str, Any]] = []

    def complete() -> bool:
        found.append(statistics(router, since))
        return sum(requests for requests, _errors in counted(found[-1]).values()) >= count

    wait_until(complete, f"{count} requests in the statistics")
    return found[-1]


def test_requests_and_errors_of_each_colour_are_those_of_clients(router: AnyRouter, apps: Apps) -> None:
    cursor = statistics(router, "")["cursor"]
    _seen, sent = ask(router, "/", 5)
    first = collect(router, cursor, sent)
    assert first["doubts"] == []
    good, sent = ask(router, "/", 40)
    found = collect(router, first["cursor"], sent)
    assert counted(found) == good
    apps.release("green", "v3", "errors", error_percent=50)
    wait_until(lambda: router.look()["capacity"]["green"]["healthy"] == 2, "green is healthy again")
    bad, sent = ask(router, "/", 40)
    assert bad["green"][1] > 0
    found = collect(router, found["cursor"], sent)
    assert counted(found) == bad


def test_latencies_are_those_of_clients(router: AnyRouter) -> None:
    cursor = statistics(router, "")["cursor"]
    _seen, sent = ask(router, "/slow?ms=50", 20)
    for row in collect(router, cursor, sent)["answered"].values():
        if row["latencies"] is None:
            assert 50 <= row["average_ms"] < 500
        else:
            assert 50 <= (percentile(dict(row["latencies"]), 50) or 0) < 500


def test_the_module_says_the_same_as_the_command(router: AnyRouter) -> None:
    cursor = statistics(router, "")["cursor"]
    _seen, sent = ask(router, "/", 10)
    found = collect(router, cursor, sent)
    assert router.module(f"{router.kind}_traffic_info", statistics_since=cursor)["statistics"] == found
    refused = router.ask("present", info=True, statistics_since="x")
    assert (refused["failed"], refused["reason"]) == (True, "bad_input")


def test_a_process_that_a_reload_leaves_behind_is_counted(service: Service) -> None:
    with HAProxy([service]) as haproxy, Router([haproxy]) as router:
        router.do("present")
        with Connection(router.url) as held, Connection(router.url) as connection:
            held.colour()
            connection.colour()
            cursor = statistics(router, "")["cursor"]
            held.send("/slow?ms=3000")
            connection.send("/slow?ms=1000")
            haproxy.reload()
            ask(router, "/", 3)
            connection.receive()
            found = statistics(router, cursor)
            assert found["answered"]["blue"]["requests"] == 4
            held.receive()
        wait_until(lambda: len(haproxy.workers()) == 1, "the former worker has ended")
        assert "last requests are not counted" in statistics(router, found["cursor"])["doubts"][0]
