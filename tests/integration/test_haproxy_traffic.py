# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a HAProxy does with real requests after a `traffic` task, and what it does not do."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import Apps
from tests.support.faults import as_asked
from tests.support.haproxy import HAProxy, Service
from tests.support.load import LoadProcess, Profile
from tests.support.net import wait_until
from tests.support.router import COLLECTIONS, Connection, Router, WebSocket, results

SIDE = [f"side{number}" for number in range(6)]
BLUE, GREEN = {"blue": 100, "green": 0}, {"blue": 0, "green": 100}


@pytest.fixture(scope="module")
def _router(_module_apps: Apps) -> Iterator[Router]:
    ports = _module_apps.ports("blue"), _module_apps.ports("green")
    services = [Service.on_free_ports(name, *ports) for name in ("shop", *SIDE)]
    with HAProxy(services, sockets=2) as haproxy, Router([haproxy]) as router:
        yield router


@pytest.fixture
def router(_router: Router, apps: Apps) -> Router:
    """Seven services on one HAProxy with two stats sockets: all traffic on blue, no journal."""
    _router.reset()
    _router.wait_health("blue", 2)
    _router.wait_health("green", 2)
    return _router


@pytest.mark.parametrize("percent", [0, 1, 25, 100])
def test_a_split_divides_the_requests(router: Router, percent: int) -> None:
    router.do("present")
    answer = router.do("switched", split={"green": percent})
    assert answer["split"] == {"blue": 100 - percent, "green": percent}
    assert answer["changed"] is (percent != 0)
    seen = router.colours(2000)
    assert as_asked(seen["green"], 2000, percent), seen
    assert (seen["green"] > 0) is (percent > 0)
    assert router.look()["doubts"] == []


def cookie_colours(router: Router, cookies: range) -> dict[int, str]:
    with Connection(router.url) as connection:
        return {cookie: connection.colour(Cookie=f"session=client-{cookie}") for cookie in cookies}


def test_a_cookie_keeps_its_colour_and_only_moves_with_the_percent(router: Router) -> None:
    router.do("present")
    assert router.do("switched", split={"green": 30}, sticky="cookie")["sticky"] == "cookie"
    first = cookie_colours(router, range(800))
    assert cookie_colours(router, range(800)) == first
    assert as_asked(Counter(first.values())["green"], 800, 30)
    # Stickiness stays when a task does not name it; whoever had green has it still.
    assert router.do("switched", split={"green": 60})["sticky"] == "cookie"
    more = cookie_colours(router, range(800))
    assert as_asked(Counter(more.values())["green"], 800, 60)
    assert all(more[cookie] == "green" for cookie, colour in first.items() if colour == "green")
    router.do("switched", split={"green": 60}, sticky="none")
    with Connection(router.url) as connection:
        assert {connection.colour(Cookie="session=client-1") for _number in range(60)} == {"blue", "green"}


def source_colours(router: Router) -> dict[str, str]:
    seen = {}
    for number in range(300):
        source = f"127.{number // 100}.{number % 100}.1"
        with Connection(router.url, source) as connection:
            seen[source] = connection.colour()
            assert connection.colour() == seen[source]
    return seen


def test_an_address_keeps_its_colour(router: Router) -> None:
    router.do("present")
    router.do("switched", split={"green": 40}, sticky="source")
    first = source_colours(router)
    assert as_asked(Counter(first.values())["green"], len(first), 40)
    assert source_colours(router) == first


def test_flips_under_load_lose_nothing_and_no_request_goes_astray(router: Router) -> None:
    router.do("present", release="v1")
    windows: list[tuple[float, str]] = []
    begins: list[float] = []
    with LoadProcess(Profile(port=router.port, rate=400, longest=2)) as load:
        for number in range(14):
            colour = ("green", "blue")[number % 2]
            begins.append(time.monotonic())
            answer = router.do("switched", split={colour: 100}, confirm_url=router.url)
            windows.append((time.monotonic(), colour))
            assert answer["changed"]
            assert set(router.colours(50)) == {colour}
        seen = load.progress().requests
        wait_until(lambda: load.progress().requests > seen, "traffic after the last flip")
    summary = load.summary
    assert summary.lost == 0, summary.losses
    assert {answer.kind for answer in summary.answers} >= {"keepalive", "new", "post", "slow", "stream", "websocket"}
    asked = 0
    for (since, colour), until in zip(windows, [*begins[1:], math.inf]):
        asked += bool(list(summary.between(since, until)))
        assert summary.strays("blue" if colour == "green" else "green", since, until) == []
    # On a busy machine one flip may follow another before the load gets its turn.
    assert asked > len(windows) / 2


def test_what_is_in_force_survives_reload_and_restart(router: Router) -> None:
    router.do("present")
    router.do("switched", split={"green": 100}, sticky="cookie")
    for again in (router.haproxy.reload, router.haproxy.restart):
        again()
        seen = router.look()
        assert (seen["split"], seen["sticky"], seen["doubts"]) == (GREEN, "cookie", [])
        assert set(router.colours()) == {"green"}


def test_workers_that_a_reload_left_behind_are_told_too(router: Router) -> None:
    router.do("present")
    held = [Connection(router.url) for _number in range(8)]
    assert {connection.colour() for connection in held} == {"blue"}
    with WebSocket(router.port) as websocket:
        held[0].send("/slow?ms=1500")
        old = router.haproxy.workers()[0]
        router.haproxy.reload()
        assert old in router.haproxy.workers()[1:]
        assert router.look()["in_flight"]["blue"] >= 1  # the old worker's
        router.do("switched", split={"green": 100})
        assert old in router.haproxy.workers()[1:]
        assert [connection.colour() for connection in held[1:]] == ["green"] * 7
        assert all(connection.closing for connection in held[1:]), "the old worker asks for one last request"
        assert held[0].receive() == "blue"  # was on its way before the flip
        assert websocket.alive()
        # A new worker shows no session at all; the count sees the old one's.
        assert router.do("drained", colour="blue", timeout=0.1, on_timeout="report")["left"] == 1
    assert router.do("drained", colour="blue", timeout=20)["left"] == 0
    for connection in held:
        connection.close()


@pytest.fixture
def pair(apps: Apps) -> Iterator[Router]:
    """Two HAProxies that read one map file."""
    ports = apps.ports("blue"), apps.ports("green")
    with HAProxy([Service.on_free_ports("shop", *ports)]) as first:
        second = HAProxy([Service.on_free_ports("shop", *ports)])
        second.map = first.map
        second.write_config()
        with second, Router([first, second]) as router:
            router.do("present")
            yield router


def all_colours(router: Router) -> list[set[str]]:
    return [set(router.colours(url=haproxy.services["shop"].url)) for haproxy in router.haproxies]


def test_every_haproxy_of_a_host_is_switched(pair: Router) -> None:
    pair.do("switched", split={"green": 100})
    assert all_colours(pair) == [{"green"}, {"green"}]
    with WebSocket(pair.haproxies[1].services["shop"].port):
        assert pair.look()["in_flight"] == {"blue": 0, "green": 1}


def test_processes_that_disagree_are_told_apart_and_brought_together(pair: Router) -> None:
    pair.haproxies[1].command(f"set map {pair.map} shop 100")
    seen = pair.look()
    assert seen["split"] is None
    assert any("processes disagree" in doubt for doubt in seen["doubts"])
    refused = pair.ask("drained", colour="blue", timeout=1)
    assert (refused.get("failed"), refused.get("reason")) == (True, "refused")
    assert all_colours(pair) == [{"blue"}, {"green"}]
    assert pair.do("rolled_back")["changed"]
    assert all_colours(pair) == [{"blue"}, {"blue"}]
    assert pair.look()["doubts"] == []


def test_with_one_haproxy_down_none_is_switched(pair: Router) -> None:
    pair.haproxies[1].stop()
    refused = pair.ask("switched", split={"green": 100})
    assert refused["reason"] == "socket"
    assert str(pair.haproxies[1].sockets[0]) in refused["msg"]
    assert set(pair.colours()) == {"blue"}
    assert pair.leftovers() == []


def test_a_drain_waits_for_the_last_answer(router: Router) -> None:
    router.do("present")
    ends: list[float] = []

    def ask_slowly() -> None:
        with Connection(router.url) as connection:
            assert connection.colour("/slow?ms=1500") == "blue"
            ends.append(time.monotonic())

    client = threading.Thread(target=ask_slowly)
    client.start()
    wait_until(lambda: router.look()["in_flight"]["blue"] == 1, "the slow request")
    router.do("switched", split={"green": 100})
    drained = router.do("drained", colour="blue", timeout=30)
    returned = time.monotonic()
    client.join()
    assert (drained["left"], drained["done"], drained["changed"]) == (0, True, False)
    # HAProxy counts a session down and hands over its last bytes in the same turn of its loop.
    assert ends[0] - 0.1 < returned < ends[0] + 10


def test_a_drain_that_takes_too_long_is_a_failure_or_a_report(router: Router) -> None:
    router.do("present")
    with WebSocket(router.port) as websocket:
        assert router.ask("drained", colour="blue", timeout=1)["reason"] == "refused"  # blue has the traffic
        router.do("switched", split={"green": 100})
        report = router.do("drained", colour="blue", timeout=0.2, on_timeout="report")
        assert (report["left"], report["done"], report["changed"]) == (1, False, False)
        late = router.ask("drained", colour="blue", timeout=0.2)
        assert (late["failed"], late["reason"]) == (True, "timed_out")
        assert "1 still in flight on blue after 0.2 s" in late["msg"]
        assert websocket.alive()
    assert router.do("drained", colour="blue", timeout=20)["done"]


def test_sessions_are_ended_only_when_that_is_asked_for(router: Router) -> None:
    router.do("present")
    with WebSocket(router.port) as blue:
        router.do("switched", split={"green": 100})
        with WebSocket(router.port) as green:
            checked = router.do("drained", colour="blue", timeout=0.2, shutdown_sessions=True, check=True)
            assert (checked["left"], blue.alive()) == (1, True)
            cut = router.do("drained", colour="blue", timeout=0.2, shutdown_sessions=True)
            assert (cut["left"], cut["changed"], cut["done"]) == (0, True, True)
            assert not blue.alive()
            assert green.alive()


def test_check_mode_changes_nothing_and_says_what_the_run_then_does(router: Router) -> None:
    steps: list[tuple[str, dict[str, Any]]] = [
        ("present", {"release": "v1"}),
        ("switched", {"split": {"green": 25}, "sticky": "cookie"}),
        ("switched", {"split": {"green": 100}}),
        ("rolled_back", {}),
    ]
    for state, given in steps:
        before = router.files(), router.runtime()
        checked = router.do(state, check=True, **given)
        assert (router.files(), router.runtime()) == before
        real = router.do(state, **given)
        assert checked["changed"] is real["changed"] is True
        assert checked["diff"] == real["diff"]
        assert checked["diff"]["before"] != checked["diff"]["after"]
        assert checked["msg"] == real["msg"]
        assert checked["doubts"] == real["doubts"] == []
        after = router.files(), router.runtime()
        again = router.do(state, **given)
        assert again["changed"] is router.do(state, check=True, **given)["changed"] is False
        assert again["diff"]["before"] == again["diff"]["after"]
        assert (router.files(), router.runtime()) == after


def test_the_module_and_the_command_are_the_same_thing(router: Router) -> None:
    router.module(state="present", release="v1")
    checked = router.module(check=True, diff=True, split={"green": 100})
    assert checked["changed"]
    assert set(router.colours()) == {"blue"}
    real = router.module(diff=True, split={"green": 100})
    assert real["diff"] == checked["diff"]
    assert set(router.colours()) == {"green"}
    told = router.do("switched", split={"green": 100})
    assert told["changed"] is False
    # flip_ms is there only when traffic moved; invocation is Ansible's own.
    assert told.keys() == real.keys() - {"flip_ms", "invocation"}
    info = router.module("haproxy_traffic_info")
    assert info.keys() - {"invocation"} == router.look().keys()
    assert info["split"] == GREEN
    refused = router.module(state="drained", colour="green", timeout=1)
    assert (refused["failed"], refused["reason"]) == (True, "refused")


@pytest.mark.parametrize(("installed", "via"), [(True, "zipapp"), (False, "module")])
def test_the_traffic_task_takes_the_fast_way_where_there_is_one(
    router: Router, tmp_path: Path, installed: bool, via: str
) -> None:
    router.do("present")
    hostvars = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "bluegreen_router": "haproxy",
        "bluegreen_router_options": router.options,
        "bluegreen_turnout_directory": str(router.folder if installed else tmp_path),
    }
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"routers": {"hosts": {"r1": hostvars}}}), encoding="utf-8")
    task = {"service": "shop", "state": "switched", "split": {"green": 100}}
    command = [sys.executable, "-m", "ansible", "adhoc", "r1", "-i", str(inventory)]
    command += ["-m", "turnout.bluegreen.traffic", "-a", json.dumps(task)]
    done = subprocess.run(
        command,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1"}
        | {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout.partition("=>")[2])
    assert (answer["via"], answer["changed"], answer["split"]) == (via, True, GREEN)
    assert set(router.colours()) == {"green"}


def test_services_that_share_a_map_can_be_switched_at_the_same_time(router: Router) -> None:
    results(router.start("present", service=service) for service in SIDE)
    for step in (0, 10):
        percents = {service: step + 10 * number for number, service in enumerate(SIDE, 1)}
        calls = [router.start("switched", service=service, split={"green": percent}) for service, percent in percents.items()]
        for answer in results(calls):
            assert answer.get("changed"), answer["msg"]
        lines = dict(line.split() for line in router.map.read_text(encoding="ascii").splitlines())
        assert {service: int(lines[service]) for service in SIDE} == percents
        assert {service: router.haproxy.percent(service) for service in SIDE} == percents
    assert lines["shop"] == "0"
    assert len(lines) == 2 * (1 + len(SIDE))
    assert set(router.colours()) == {"blue"}
    assert router.leftovers() == []


def test_concurrent_switches_of_one_service_come_one_after_the_other(router: Router) -> None:
    first = router.do("present")["epoch"]
    answers = results([router.start("switched", split={"green": percent}, run=f"run-{percent}") for percent in range(10, 90, 10)])
    epochs = sorted(answer["epoch"] for answer in answers)
    assert epochs == list(range(first + 1, first + 1 + len(answers)))
    last = max(answers, key=lambda answer: answer["epoch"])
    seen = router.look()
    assert (seen["split"], seen["epoch"], seen["doubts"]) == (last["split"], epochs[-1], [])
    assert router.leftovers() == []
