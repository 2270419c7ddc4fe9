# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an nginx does with real requests after a `traffic` task, and what it does not do."""

from __future__ import annotations

import http.client
import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import Apps
from tests.support.faults import as_asked
from tests.support.haproxy import Service
from tests.support.load import LoadProcess, Profile
from tests.support.net import HOST, free_port, wait_until
from tests.support.nginx import Nginx, NginxRouter
from tests.support.router import COLLECTIONS, Connection, WebSocket, results

SIDE = [f"side{number}" for number in range(6)]
GREEN = {"blue": 0, "green": 100}
#: Idle connections to the applications are closed soon, so that a drain does not have to wait for them for long.
SETTINGS: dict[str, Any] = {"keepalive_timeout": "1s", "http_extra": ["keepalive_requests 10000;"]}


def shop(apps: Apps, name: str = "shop") -> Service:
    return Service.on_free_ports(name, apps.ports("blue"), apps.ports("green"))


@pytest.fixture(scope="module")
def _router(_module_apps: Apps) -> Iterator[NginxRouter]:
    services = [shop(_module_apps, name) for name in ("shop", *SIDE)]
    with Nginx(services, **SETTINGS) as nginx, NginxRouter(nginx) as router:
        yield router


@pytest.fixture
def router(_router: NginxRouter, apps: Apps) -> NginxRouter:
    """Seven services on one nginx with two workers: all traffic on blue, no journal."""
    _router.reset()
    return _router


@pytest.mark.parametrize("percent", [0, 1, 25, 99, 100])
def test_a_split_divides_the_requests(router: NginxRouter, percent: int) -> None:
    router.do("present")
    answer = router.do("switched", split={"green": percent})
    assert answer["split"] == {"blue": 100 - percent, "green": percent}
    assert answer["changed"] is (percent != 0)
    seen = router.colours(2000)
    assert as_asked(seen["green"], 2000, percent), seen
    assert ((seen["green"] > 0), (seen["blue"] > 0)) == (percent > 0, percent < 100)
    assert router.look()["doubts"] == []


def cookie_colours(router: NginxRouter, cookies: range) -> dict[int, str]:
    with Connection(router.url) as connection:
        return {cookie: connection.colour(Cookie=f"session=client-{cookie}") for cookie in cookies}


def test_a_cookie_keeps_its_colour_and_only_moves_with_the_percent(apps: Apps) -> None:
    with Nginx([shop(apps)], sticky="cookie", **SETTINGS) as nginx, NginxRouter(nginx) as router:
        router.do("present")
        assert router.do("switched", split={"green": 30})["sticky"] == "cookie"
        first = cookie_colours(router, range(800))
        assert cookie_colours(router, range(800)) == first
        assert as_asked(Counter(first.values())["green"], 800, 30)
        router.do("switched", split={"green": 60}, sticky="cookie")
        more = cookie_colours(router, range(800))
        assert as_asked(Counter(more.values())["green"], 800, 60)
        assert all(more[cookie] == "green" for cookie, colour in first.items() if colour == "green")
        # Whoever has no cookie yet is known by his address.
        assert len(set(router.colours(60))) == 1


def test_a_stickiness_that_is_configured_anew_is_neither_drift_nor_a_change(apps: Apps) -> None:
    with Nginx([shop(apps)], **SETTINGS) as nginx, NginxRouter(nginx) as router:
        router.do("present")
        nginx.sticky = "cookie"
        nginx.write_config()
        nginx.reload()
        look = router.look()
        assert (look["sticky"], look["drift"], look["doubts"]) == ("cookie", "", [])
        assert router.do("claimed", release="v2")["journal"]["candidate"] == "green"
        assert router.do("rolled_back")["changed"]
        assert not router.do("rolled_back")["changed"]


def source_colours(router: NginxRouter) -> dict[str, str]:
    seen = {}
    for number in range(300):
        source = f"127.{number // 100}.{number % 100}.1"
        with Connection(router.url, source) as connection:
            seen[source] = connection.colour()
            assert connection.colour() == seen[source]
    return seen


def test_an_address_keeps_its_colour(apps: Apps) -> None:
    with Nginx([shop(apps)], sticky="source", **SETTINGS) as nginx, NginxRouter(nginx) as router:
        router.do("present")
        router.do("switched", split={"green": 40}, sticky="source")
        first = source_colours(router)
        assert as_asked(Counter(first.values())["green"], len(first), 40)
        assert source_colours(router) == first


def test_flips_under_load_lose_nothing_and_no_request_goes_astray(router: NginxRouter) -> None:
    router.do("present", release="v1")
    windows: list[tuple[float, str]] = []
    begins: list[float] = []
    h2_port = router.nginx.h2_ports["shop"]
    with LoadProcess(Profile(port=router.port, rate=400, longest=2, h2_port=h2_port)) as load:
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
    kinds = {answer.kind for answer in summary.answers}
    assert kinds >= {"keepalive", "new", "post", "session", "slow", "stream", "websocket", "h2"}
    asked = 0
    for (since, colour), until in zip(windows, [*begins[1:], math.inf]):
        asked += bool(list(summary.between(since, until)))
        assert summary.strays("blue" if colour == "green" else "green", since, until) == []
    # On a busy machine one flip may follow another before the load gets its turn.
    assert asked > len(windows) / 2


def test_what_is_in_force_survives_reload_restart_and_loss_of_power(router: NginxRouter) -> None:
    router.do("present")
    router.do("switched", split={"green": 100})

    def lose_power() -> None:
        router.nginx.kill()
        router.nginx.start()

    for again in (router.nginx.reload, router.nginx.restart, lose_power):
        again()
        seen = router.look()
        assert (seen["split"], seen["doubts"]) == (GREEN, [])
        assert set(router.colours()) == {"green"}


def test_workers_that_a_reload_left_behind_follow_the_split(router: NginxRouter) -> None:
    router.do("present")
    with Connection(router.url) as slow, WebSocket(router.port) as websocket:
        assert slow.colour() == "blue"
        slow.send("/slow?ms=1500")
        before = router.nginx.workers()
        router.nginx.reload()
        left = [pid for pid in router.nginx.workers() if pid in before]
        assert left, "no worker had anything to finish"
        (doubt,) = router.look()["doubts"]
        assert "a reload of nginx is under way" in doubt
        assert all(str(pid) in doubt for pid in left)
        assert "from before the service was set up" in doubt
        assert router.do("switched", split={"green": 100})["split"] == GREEN
        assert slow.receive() == "blue"  # was on its way before the flip
        assert slow.closing, "the old worker takes no further request on this connection"
        assert websocket.alive()
        assert set(router.colours(50)) == {"green"}
    wait_until(lambda: set(router.nginx.workers()).isdisjoint(before), "end of the old workers")
    assert router.look()["doubts"] == []


def test_a_drain_waits_for_the_last_answer(router: NginxRouter) -> None:
    router.do("present")
    ends: list[float] = []

    def ask_slowly() -> None:
        with Connection(router.url) as connection:
            assert connection.colour("/slow?ms=2500") == "blue"
            ends.append(time.monotonic())

    client = threading.Thread(target=ask_slowly)
    client.start()
    wait_until(lambda: router.look()["in_flight"]["blue"] == 1, "the slow request")
    router.do("switched", split={"green": 100})
    drained = router.do("drained", colour="blue", timeout=30)
    returned = time.monotonic()
    client.join()
    assert (drained["left"], drained["done"], drained["changed"]) == (0, True, False)
    # The connection to the application is closed when it was idle for keepalive_timeout.
    assert ends[0] < returned < ends[0] + 10


def test_a_drain_waits_for_a_request_that_is_still_being_sent(router: NginxRouter) -> None:
    """Its colour was chosen when its head came; the body may take minutes."""
    router.do("present")
    body = b"x" * 20_000
    with socket.create_connection((HOST, router.port), timeout=30) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:100])
        wait_until(lambda: router.look()["in_flight"]["blue"] == 1, "the application to know of the request")
        router.do("switched", split={"green": 100})
        assert router.do("drained", colour="blue", timeout=0.3, on_timeout="report")["left"] == 1
        client.sendall(body[100:])
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, answer.headers["X-Bluegreen-Colour"]) == (200, "blue")
        assert json.loads(answer.read())["bytes"] == len(body)
    assert router.do("drained", colour="blue", timeout=20)["left"] == 0


def test_a_drain_that_takes_too_long_is_a_failure_or_a_report(router: NginxRouter) -> None:
    router.do("present")
    with WebSocket(router.port) as websocket:
        assert router.ask("drained", colour="blue", timeout=1)["reason"] == "refused"  # blue has the traffic
        router.do("switched", split={"green": 100})
        report = router.do("drained", colour="blue", timeout=3, on_timeout="report")
        assert (report["left"], report["done"], report["changed"]) == (1, False, False)
        late = router.ask("drained", colour="blue", timeout=0.2)
        assert (late["failed"], late["reason"]) == (True, "timed_out")
        assert "1 still in flight on blue after 0.2 s" in late["msg"]
        refused = router.ask("drained", colour="blue", timeout=0.2, shutdown_sessions=True)
        assert (refused["reason"], "can not end sessions" in refused["msg"]) == ("bad_input", True)
        assert websocket.alive()
    assert router.do("drained", colour="blue", timeout=20)["done"]


def test_health_questions_are_not_counted_as_in_flight(router: NginxRouter) -> None:
    router.do("present")
    wait_until(lambda: router.look()["in_flight"] == {"blue": 0, "green": 0}, "end of idle connections")
    assert [router.look()["in_flight"] for _number in range(5)] == [{"blue": 0, "green": 0}] * 5


# -- what clients see


class Mirror(ThreadingHTTPServer):
    """An application that answers with what it got, and says a colour of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, free_port()), Reflection)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __exit__(self, *failure: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class Reflection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "port": self.connection.getsockname()[1], **dict(self.headers)}).encode()
        self.send_response(200 if self.path != "/gone" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Bluegreen-Colour", "purple")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Nobody reads it."""


@dataclass(frozen=True)
class Seen:
    """An answer with all values of its colour header."""

    status: int
    colours: list[str]
    body: bytes

    @property
    def mirrored(self) -> dict[str, Any]:
        got: dict[str, Any] = json.loads(self.body)
        return got


def see(port: int, path: str = "/", source: str = HOST, **headers: str) -> Seen:
    connection = http.client.HTTPConnection(HOST, port, timeout=30, source_address=(source, 0))
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    seen = Seen(answer.status, answer.headers.get_all("X-Bluegreen-Colour") or [], answer.read())
    connection.close()
    return seen


@pytest.fixture
def mirrors() -> Iterator[tuple[Mirror, Mirror]]:
    with Mirror() as blue, Mirror() as green:
        yield blue, green


def between(mirrors: tuple[Mirror, Mirror], name: str = "shop") -> Service:
    return Service.on_free_ports(name, *([mirror.port] for mirror in mirrors))


def test_the_application_sees_who_asked_and_the_client_sees_one_colour(mirrors: tuple[Mirror, Mirror]) -> None:
    with Nginx([between(mirrors)]) as nginx, NginxRouter(nginx) as router:
        router.do("present")
        for split, mirror in (({"blue": 100}, mirrors[0]), ({"green": 100}, mirrors[1])):
            router.do("switched", split=split, min_healthy=100)
            seen = see(router.port, "/a/b?c=d%20e", Host="shop.example:8080", X_Forwarded_For="10.1.2.3")
            assert seen.colours == list(split)  # and not the application's own as well
            got = seen.mirrored
            assert (got["path"], got["port"], got["Host"]) == ("/a/b?c=d%20e", mirror.port, "shop.example:8080")
            assert got["X-Forwarded-For"] == f"10.1.2.3, {HOST}"
            assert (got["X-Forwarded-Proto"], got["X-Forwarded-Host"]) == ("http", "shop.example:8080")
            assert "Connection" not in got  # so that the connection is kept for the next request
            assert see(router.port, "/gone").status == 404
            assert see(router.port, "/gone").colours == list(split)


def test_a_server_without_a_name_for_it_answers_that_there_is_no_such_service(mirrors: tuple[Mirror, Mirror]) -> None:
    with Nginx([between(mirrors)], server_names=["shop.example"]) as nginx, NginxRouter(nginx) as router:
        router.do("present")
        assert see(router.port, Host="shop.example").status == 200
        assert (see(router.port, Host="other.example").status, see(router.port, Host="other.example").colours) == (404, [])


def test_the_preview_reaches_any_colour_of_any_service(mirrors: tuple[Mirror, Mirror], apps: Apps) -> None:
    services = [shop(apps), between(mirrors, "mirror-2.x")]
    with Nginx(services, **SETTINGS) as nginx, NginxRouter(nginx) as router:
        router.do("present")
        port = nginx.preview_port
        asked = {"X_Bluegreen_Service": "mirror-2.x"}
        assert see(port).colours == ["green"]  # the idle colour of the first service
        router.do("switched", split={"green": 100})
        assert see(port).colours == ["blue"]
        for wanted, colour in (("blue", "blue"), ("Green", "green"), ("", "green")):
            seen = see(port, "/x", **asked, X_Bluegreen_Preview=wanted)
            assert (seen.colours, seen.mirrored["port"]) == ([colour], mirrors[colour == "green"].port)
        assert see(port, X_Bluegreen_Service="no-such").status == 404
        assert see(port, X_Bluegreen_Preview="red").status == 400
        assert see(router.port, X_Bluegreen_Preview="blue").colours == ["green"]  # means nothing to the public side


def test_networks_that_may_ask_for_a_colour_on_the_public_side(mirrors: tuple[Mirror, Mirror]) -> None:
    with Nginx([between(mirrors)], preview_networks=["127.0.7.0/24"]) as nginx, NginxRouter(nginx) as router:
        router.do("present")
        assert see(router.port, X_Bluegreen_Preview="green", source="127.0.7.1").colours == ["green"]
        assert see(router.port, X_Bluegreen_Preview="green").colours == ["blue"]
        assert see(router.port, source="127.0.7.1").colours == ["blue"]
        router.do("switched", split={"green": 100})
        assert see(router.port, X_Bluegreen_Preview="blue", source="127.0.7.1").colours == ["blue"]
        assert see(router.port, X_Bluegreen_Preview="blue").colours == ["green"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines of a server with TLS."""
    key, certificate = (tmp_path_factory.mktemp("tls") / name for name in ("key.pem", "cert.pem"))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    subject = ["-subj", "/CN=shop", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    return [f"ssl_certificate {certificate};", f"ssl_certificate_key {key};"]


@pytest.mark.parametrize("words", ["ssl http2", "proxy_protocol", "ssl proxy_protocol"])
def test_a_public_side_of_another_kind_is_asked_too(apps: Apps, certificate: list[str], words: str) -> None:
    service = shop(apps)
    listen, extra = [f"{HOST}:{service.port} {words}"], [*certificate, "keepalive_requests 10000;"]
    with Nginx([service], listen=listen, http_extra=extra) as nginx, NginxRouter(nginx) as router:
        assert router.do("present")["doubts"] == []
        assert router.do("switched", split={"green": 100})["split"] == GREEN
        # Were the service's lines not there, that would be seen through the same door.
        lines = nginx.directory / "shop.conf"
        lines.write_text("return 404;\n", encoding="utf-8")
        nginx.reload()
        answer = router.ask("rolled_back")
        assert (answer["reason"], f"'include {lines};'" in answer["msg"]) == ("not_configured", True), answer["msg"]


class Dripping(threading.Thread):
    """An application that sends the next byte when it is told to, in an answer that only the end of the connection ends."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.server = socket.create_server((HOST, free_port()))
        self.go = threading.Semaphore(0)
        self.start()

    def run(self) -> None:
        while True:
            try:
                client, _address = self.server.accept()
            except OSError:
                return
            with client:
                if b"/health" in client.recv(65536):
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    continue
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                for number in range(5):
                    self.go.acquire()
                    client.sendall(b"%d" % number)


def test_an_answer_is_passed_on_as_it_comes() -> None:
    application = Dripping()
    port = application.server.getsockname()[1]
    service = Service.on_free_ports("shop", [port], [free_port()])
    with Nginx([service], buffering=False), socket.create_connection((HOST, service.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        for number in range(5):
            application.go.release()
            assert answer.read(1) == b"%d" % number  # the next one is not sent before this one is here
    application.server.close()


# -- check mode, modules, plays


def test_check_mode_changes_nothing_and_says_what_the_run_then_does(router: NginxRouter) -> None:
    steps: list[tuple[str, dict[str, Any]]] = [
        ("present", {"release": "v1"}),
        ("switched", {"split": {"green": 25}}),
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


def test_a_rehearsal_leaves_nothing_behind(router: NginxRouter) -> None:
    router.do("present")
    before = router.everything()
    assert router.do("staged", split={"green": 40})["changed"] is False
    assert router.everything() == before
    assert router.leftovers() == []


def test_the_module_and_the_command_are_the_same_thing(router: NginxRouter) -> None:
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
    info = router.module("nginx_traffic_info")
    assert info.keys() - {"invocation"} == router.look().keys()
    assert info["split"] == GREEN
    refused = router.module(state="drained", colour="green", timeout=1)
    assert (refused["failed"], refused["reason"]) == (True, "refused")


@pytest.mark.parametrize(("installed", "via"), [(True, "zipapp"), (False, "module")])
def test_the_traffic_task_takes_the_fast_way_where_there_is_one(
    router: NginxRouter, tmp_path: Path, installed: bool, via: str
) -> None:
    router.do("present")
    hostvars = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "bluegreen_router": "nginx",
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


def test_services_can_be_switched_at_the_same_time(router: NginxRouter) -> None:
    results(router.start("present", service=service) for service in SIDE)
    for step in (0, 10):
        percents = {service: step + 10 * number for number, service in enumerate(SIDE, 1)}
        calls = [router.start("switched", service=service, split={"green": percent}) for service, percent in percents.items()]
        for answer in results(calls):
            assert answer.get("changed"), answer["msg"]
        assert {service: router.nginx.percent(service) for service in SIDE} == percents
    assert set(router.colours()) == {"blue"}
    assert router.leftovers() == []


def test_many_services_with_names_of_every_kind(apps: Apps) -> None:
    names = [f"Service-{number:03}.with-as-many-letters-as-a-name-may-have.{'x' * 11}" for number in range(120)]
    services = [shop(apps, name) for name in ("a.b", "a-b", "a_b", "A_B2", *names)]
    with Nginx(services, sticky="cookie", **SETTINGS) as nginx, NginxRouter(nginx) as router:
        assert "[warn]" not in nginx.check().stderr
        percents = {"a.b": 10, "a-b": 20, "a_b": 30, "A_B2": 40, names[-1]: 50}
        for name, percent in percents.items():
            router.do("present", service=name)
            router.do("switched", service=name, split={"green": percent})
        assert {name: nginx.percent(name) for name in (*percents, names[0])} == {**percents, names[0]: 0}


def test_concurrent_switches_of_one_service_come_one_after_the_other(router: NginxRouter) -> None:
    first = router.do("present")["epoch"]
    answers = results([router.start("switched", split={"green": percent}, run=f"run-{percent}") for percent in range(10, 90, 10)])
    epochs = sorted(answer["epoch"] for answer in answers)
    assert epochs == list(range(first + 1, first + 1 + len(answers)))
    last = max(answers, key=lambda answer: answer["epoch"])
    seen = router.look()
    assert (seen["split"], seen["epoch"], seen["doubts"]) == (last["split"], epochs[-1], [])
    assert router.leftovers() == []


# -- the command


def test_the_way_of_an_incident(router: NginxRouter) -> None:
    """Look, switch, look, roll back on the router itself: with traffic on it."""
    router.do("present", release="v1")
    router.bootstrap()
    with LoadProcess(Profile(port=router.port, rate=100, longest=1)) as load:
        done = router.by_hand("status")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("shop on router1: 100% blue\n")
        assert "blue  v1: 2 of 2 healthy" in done.stdout
        assert "way back: none" in done.stdout

        done = router.by_hand("switch", "shop", "green=100")
        assert (done.returncode, done.stdout) == (0, "router1: traffic goes from 100% blue to 100% green\n")
        assert set(router.colours()) == {"green"}
        assert "way back: blue (v1), at once: turnout rollback shop" in router.by_hand("status").stdout

        done = router.by_hand("rollback")
        assert (done.returncode, done.stdout) == (0, "router1: traffic goes from 100% green back to 100% blue\n")
        assert set(router.colours()) == {"blue"}
        assert router.by_hand("rollback").stdout == "router1: nothing to do: all traffic is on blue already\n"
    assert load.summary.lost == 0, load.summary.losses


def test_a_rollback_fences_the_run_that_was_on_its_way(router: NginxRouter) -> None:
    router.do("present", release="v1")
    router.bootstrap()
    epoch = router.do("claimed", release="v2")["epoch"]
    router.do("switched", split={"green": 50}, epoch=epoch)
    assert router.by_hand("rollback").returncode == 0
    late = router.ask("switched", split={"green": 100}, epoch=epoch)
    assert late["reason"] == "fenced"
    assert set(router.colours()) == {"blue"}


def test_a_release_from_claim_to_retirement(router: NginxRouter) -> None:
    router.do("present", release="v1")
    epoch = router.do("claimed", release="v2")["epoch"]
    for percent in (5, 50, 100):
        assert router.do("switched", split={"green": percent}, epoch=epoch)["split"]["green"] == percent
    router.do("settled", epoch=epoch, window_seconds=0)
    router.do("drained", colour="blue", timeout=20)
    journal = router.do("retired")["journal"]
    assert (journal["stable"], journal["candidate"], journal["phase"]) == ("green", None, "retired")
    assert set(router.colours()) == {"green"}
