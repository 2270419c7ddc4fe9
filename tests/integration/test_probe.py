# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""probe, warm_up and load_test against a real HAProxy with real applications, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.client import Client, Outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.probe import Probe, ProbeOptions
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.requests import build
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.tally import ProbeWindow

from tests.support.apps import Apps
from tests.support.cold import ColdApp
from tests.support.faults import as_asked
from tests.support.haproxy import HAProxy, Service
from tests.support.net import HOST, free_port, wait_until

COLLECTIONS = Path(__file__).resolve().parents[2] / "playbooks" / "collections"
MODULES = "ansible_collections.turnout.bluegreen.plugins.modules"
#: Another interpreter of a managed host can be tried by setting this (ansible-core on its PYTHONPATH).
MODULE_PYTHON = os.environ.get("MODULE_PYTHON", sys.executable)
TOKEN = "Bearer 3f9a-not-for-the-log"
LIMIT = 60
#: A right split is contradicted once in 1 / (1 - confidence) comparisons: with this, no test will see it.
CERTAIN = 1 - 1e-9


def run(module: str, **options: Any) -> dict[str, Any]:
    """The answer of one module process."""
    done = subprocess.run(
        [MODULE_PYTHON, "-m", f"{MODULES}.{module}"],
        cwd=COLLECTIONS,
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * LIMIT,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        pytest.fail(f"not only JSON came out of the module:\n{done.stdout}")
    assert done.returncode == (1 if answer.get("failed") else 0)
    assert not answer.get("changed")
    # A figure of this name would tell Ansible that the task was skipped, and so on.
    assert not {"skipped", "unreachable", "exception", "warnings", "ansible_facts"} & set(answer)
    return answer


def check(module: str, **options: Any) -> dict[str, Any]:
    """The same in check mode."""
    return run(module, _ansible_check_mode=True, **options)


def good(answer: dict[str, Any]) -> dict[str, Any]:
    assert not answer.get("failed"), answer["msg"]
    return answer


def refused(answer: dict[str, Any], reason: str) -> dict[str, Any]:
    assert answer.get("failed"), answer
    assert answer["reason"] == reason, answer["msg"]
    return answer


def divide(haproxy: HAProxy, green: int) -> None:
    haproxy.command(f"set map {haproxy.map} shop {green}")
    assert haproxy.percent("shop") == green


# -- probe


def test_a_split_is_accepted_and_another_one_is_refused(haproxy: HAProxy, service: Service) -> None:
    divide(haproxy, 25)
    asked = {"url": service.url, "paths": ["/", "/slow?ms=2"], "rate": 300, "count": 900}
    seen = good(run("probe", split={"green": 25}, fail_on_split="unproven", resolution=25, confidence=CERTAIN, **asked))
    assert (seen["requests"], seen["lost"], seen["not_started"], seen["unknown"]) == (900, 0, 0, 0)
    assert seen["split"]["verdict"] == "consistent"
    assert as_asked(seen["colours"]["green"]["answers"], 900, 25)
    assert set(seen["colours"]) == {"blue", "green"}
    for colour in seen["colours"].values():
        assert 0 < colour["latency_ms"]["p50"] <= colour["latency_ms"]["p95"] <= colour["latency_ms"]["p99"]
        assert time.time() - LIMIT < colour["first_at"] <= colour["last_at"] <= time.time()
    other = refused(run("probe", split={"green": 50}, **asked), "split")
    assert other["split"]["verdict"] == "contradicted"
    assert "asked for 50%: contradicted" in other["msg"]
    assert other["requests"] == 900


def test_few_samples_claim_nothing(haproxy: HAProxy, service: Service) -> None:
    divide(haproxy, 25)
    few = {"url": service.url, "rate": 100, "count": 20, "split": {"green": 25}, "confidence": CERTAIN}
    seen = good(run("probe", **few))
    assert (seen["split"]["verdict"], seen["split"]["consistent"]) == ("too_few", None)
    refused(run("probe", fail_on_split="unproven", **few), "split")


def test_one_stray_contradicts_all_or_nothing(haproxy: HAProxy, service: Service) -> None:
    asked = {"url": service.url, "rate": 300, "count": 600, "split": {"green": 0}, "fail_on_split": "unproven"}
    good(run("probe", **asked))
    divide(haproxy, 4)
    assert "contradicted" in refused(run("probe", **asked), "split")["msg"]


def test_a_backend_that_is_killed_loses_requests_and_they_are_told(apps: Apps, haproxy: HAProxy, service: Service) -> None:
    options = ProbeOptions.parse({"url": service.url, "paths": ["/slow?ms=30"], "rate": 50, "timeout": 3})
    lost: dict[str, int] = {}
    requests = 0

    def killed_and_noticed() -> bool:
        nonlocal requests
        window = probe.take()
        requests += window.requests
        for reason, count in window.lost.items():
            lost[reason] = lost.get(reason, 0) + count
        return "status 503" in lost

    with Probe(options) as probe:
        wait_until(lambda: probe.take().answers.get("blue", 0) > 0, "the probe is answered")
        for app in apps.of("blue"):
            app.kill()
        wait_until(killed_and_noticed, "the router has no server left")
        probe.stop()
    assert set(lost) <= {"status 502", "status 503", "status 504", "no answer within 3 s"}
    assert sum(lost.values()) <= requests
    wait_until(lambda: all(row["status"] == "DOWN" for row in haproxy.servers() if "blue" in row["svname"]), "both are down")
    found = refused(run("probe", url=service.url, rate=50, count=20), "lost")
    assert found["lost_reasons"] == {"status 503": 20}
    assert (found["requests"], found["lost"], found["unknown"]) == (20, 20, 20)
    assert "20 lost (status 503: 20)" in found["msg"]
    assert good(run("probe", url=service.url, rate=50, count=20, fail_on_lost=False))["lost"] == 20
    assert good(run("probe", url=service.url, rate=50, count=20, status=["200", "503"]))["lost"] == 0


def test_a_router_that_is_gone_refuses_connections() -> None:
    found = refused(run("probe", url=f"http://{HOST}:{free_port()}/", rate=50, count=10), "lost")
    assert found["lost_reasons"] == {"connection refused": 10}
    assert found["colours"] == {}


def test_a_flip_is_seen_in_the_times_of_the_colours(haproxy: HAProxy, service: Service) -> None:
    seen: list[ProbeWindow] = []

    def answered(colour: str) -> bool:
        seen.append(probe.take())
        return colour in seen[-1].colours

    with Probe(ProbeOptions.parse({"url": service.url, "rate": 200})) as probe:
        wait_until(lambda: answered("blue"), "blue answers")
        before = time.time()
        divide(haproxy, 100)
        after = time.time()
        wait_until(lambda: answered("green"), "green answers")
        seen.append(probe.take())
        wait_until(lambda: answered("green"), "green answers still")
        seen.append(probe.stop())
    assert min(window.colours["green"].first_at or 0 for window in seen if "green" in window.colours) >= before
    # An answer that was under way at the flip may still be blue's.
    assert max(window.colours["blue"].last_at or 0 for window in seen if "blue" in window.colours) <= after + 1
    assert not any(window.lost or window.not_started for window in seen)
    assert all(first.ended == second.began for first, second in zip(seen, seen[1:]))


def test_a_probe_that_has_stopped_sends_nothing_more(haproxy: HAProxy, service: Service) -> None:
    probe = Probe(ProbeOptions.parse({"url": service.url, "rate": 100}))
    probe.start()
    wait_until(lambda: probe.take().requests > 0, "requests")
    probe.stop()
    assert not probe._thread.is_alive()
    window = probe.take()
    assert (window.requests, window.not_started) == (0, 0)


def test_a_probe_whose_thread_has_died_says_so(service: Service) -> None:
    def broken() -> float:
        if threading.current_thread().name == "turnout-probe":
            raise ZeroDivisionError
        return 0.0

    with Probe(ProbeOptions.parse({"url": service.url, "rate": 100}), clock=broken) as probe:
        wait_until(lambda: not probe._thread.is_alive(), "the end of the thread")
        with pytest.raises(ZeroDivisionError):
            probe.take()


def test_connections_that_the_router_closes_while_idle_lose_nothing(service: Service) -> None:
    port = free_port()
    quick = f"\nfrontend quick\n  bind {HOST}:{port}\n  timeout http-keep-alive 30ms\n  default_backend shop_blue\n"
    with HAProxy([service], extra=quick):
        seen = good(run("probe", url=f"http://{HOST}:{port}/", rate=15, count=30, connections="keep_alive"))
    assert (seen["requests"], seen["lost"]) == (30, 0)


# -- servers that misbehave

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Bluegreen-Colour: green\r\n\r\nok\n"
Behaviour = Callable[[int, asyncio.StreamWriter], Awaitable[bool]]


class Server:
    """A server in a thread. Its behaviour gets the number of the request on its connection, and says whether to go on."""

    def __init__(self, behaviour: Behaviour, context: ssl.SSLContext | None = None) -> None:
        self.behaviour, self.context = behaviour, context
        self.connections = self.requests = self.port = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = 0
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                number += 1
                if not await self.behaviour(number, writer):
                    break
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def __enter__(self) -> Server:
        self.thread.start()

        async def start() -> int:
            self.server = await asyncio.start_server(self._serve, HOST, 0, ssl=self.context)
            return int(self.server.sockets[0].getsockname()[1])

        self.port = asyncio.run_coroutine_threadsafe(start(), self.loop).result(LIMIT)
        return self

    def __exit__(self, *_failure: object) -> None:
        async def end() -> None:
            self.server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(LIMIT)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(LIMIT)
        self.loop.close()

    def probe(self, **options: Any) -> dict[str, Any]:
        return run("probe", **{"url": f"http://{HOST}:{self.port}/", "rate": 50, "count": 10, "fail_on_lost": False, **options})


async def answers(_number: int, writer: asyncio.StreamWriter) -> bool:
    writer.write(ANSWER)
    return True


async def drops_the_second(number: int, writer: asyncio.StreamWriter) -> bool:
    """What a client sees of a server that closed the idle connection while the request was on its way."""
    writer.write(ANSWER if number == 1 else b"")
    return number == 1


async def drops_the_second_late(number: int, writer: asyncio.StreamWriter) -> bool:
    if number > 1:
        await asyncio.sleep(0.8)
    return await drops_the_second(number, writer)


async def drops_the_first(_number: int, _writer: asyncio.StreamWriter) -> bool:
    return False


async def drops_the_second_half(number: int, writer: asyncio.StreamWriter) -> bool:
    writer.write(ANSWER if number == 1 else ANSWER[:20])
    return number == 1


async def truncates(_number: int, writer: asyncio.StreamWriter) -> bool:
    writer.write(ANSWER[:-1])
    return False


async def resets(_number: int, writer: asyncio.StreamWriter) -> bool:
    writer.write(ANSWER[:-1])
    await writer.drain()
    writer.transport.abort()
    return False


async def never_answers(_number: int, _writer: asyncio.StreamWriter) -> bool:
    await asyncio.Event().wait()
    return False


async def talks_nonsense(_number: int, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
    return True


async def sends_much(_number: int, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _chunk in range(20):
        writer.write(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    return True


async def sends_much_until_closed(_number: int, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000)
    return False


async def talks_unasked(_number: int, writer: asyncio.StreamWriter) -> bool:
    writer.write(ANSWER + b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\n\r\n")
    return True


@pytest.mark.parametrize(("connections", "expected"), [("keep_alive", range(1, 5)), ("new", [10]), ("both", range(6, 10))])
def test_kept_connections_are_kept_and_new_ones_are_new(connections: str, expected: Sequence[int]) -> None:
    with Server(answers) as server:
        seen = good(server.probe(connections=connections))
    assert (seen["requests"], seen["lost"]) == (10, 0)
    assert server.connections in expected


def test_a_kept_connection_that_ends_as_the_request_comes_is_tried_again() -> None:
    with Server(drops_the_second) as server:
        seen = good(server.probe(connections="keep_alive", rate=10))
    assert (seen["requests"], seen["lost"], seen["retried"]) == (10, 0, 9)
    assert server.requests == 19


@pytest.mark.parametrize(("behaviour", "timeout", "retried"), [(drops_the_second, 30.0, True), (answers, 0.5, False)])
def test_a_client_that_was_held_up_does_not_blame_the_server(behaviour: Behaviour, timeout: float, retried: bool) -> None:
    """The process stands still, for longer than its limit, while the answer or the end of the connection waits."""

    async def ask(server: Server) -> Outcome:
        asked = build(f"http://{HOST}:{server.port}", ["/"], "test", {})
        client = Client(asked.origin, timeout)
        await client.fetch(asked.requests[0], True)
        second = asyncio.get_running_loop().create_task(client.fetch(asked.requests[0], True))
        await asyncio.sleep(0)
        time.sleep(1)
        outcome = await second
        await client.close()
        return outcome

    with Server(behaviour) as server:
        outcome = asyncio.run(ask(server))
    assert (outcome.failure, outcome.retried) == ("", retried)


@pytest.mark.parametrize(
    ("behaviour", "connections", "lost"),
    [
        # The server had the request, and has dropped it: too late for one that was on its way.
        (drops_the_second_late, "keep_alive", {"connection closed without an answer": 2}),
        # A byte of the answer was there.
        (drops_the_second_half, "keep_alive", {"connection closed without an answer": 2}),
        # A new connection was not idle.
        (drops_the_first, "new", {"connection closed without an answer": 4}),
        (drops_the_first, "keep_alive", {"connection closed without an answer": 4}),
        (truncates, "new", {"connection closed before the answer was complete": 4}),
        (never_answers, "new", {"no answer within 2 s": 4}),
        (talks_nonsense, "keep_alive", {"malformed HTTP answer": 4}),
    ],
)
def test_what_is_lost_is_told_by_its_reason(behaviour: Behaviour, connections: str, lost: dict[str, int]) -> None:
    with Server(behaviour) as server:
        # So slow that the kept connection is free again each time.
        seen = server.probe(connections=connections, timeout=2, rate=1.1 if behaviour is drops_the_second_late else 10, count=4)
    assert seen["lost_reasons"] == lost
    assert (seen["requests"], seen["retried"]) == (4, 0)


def test_a_reset_is_lost() -> None:
    with Server(resets) as server:
        seen = server.probe(connections="new")
    assert seen["lost"] == 10
    assert set(seen["lost_reasons"]) <= {"connection reset by peer", "connection closed before the answer was complete"}


@pytest.mark.parametrize("behaviour", [sends_much, sends_much_until_closed, talks_unasked])
def test_odd_answers_are_answers(behaviour: Behaviour) -> None:
    with Server(behaviour) as server:
        seen = good(server.probe(rate=20))
    assert (seen["requests"], seen["lost"]) == (10, 0)


def test_slow_answers_do_not_slow_the_probe_down() -> None:
    async def slow(_number: int, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(1)
        writer.write(ANSWER)
        return True

    with Server(slow) as server:
        seen = good(server.probe(count=50, rate=50, timeout=10))
        assert (seen["requests"], seen["not_started"]) == (50, 0)
        assert seen["seconds"] < 5
        few = good(server.probe(count=50, rate=50, timeout=10, concurrency=5))
    assert few["requests"] + few["not_started"] == 50
    assert 5 <= few["requests"] <= 15
    assert "not started, because too many were under way" in few["msg"]


def test_no_secret_comes_out() -> None:
    with Server(answers) as server:
        url = f"http://deploy:pa55word@{HOST}:{server.port}/"
        for options in ({}, {"rate": 9999}, {"split": {"green": 0}}):
            answer = run("probe", **{"url": url, "rate": 50, "count": 5, "headers": {"Authorization": TOKEN}, **options})
            assert "pa55word" not in json.dumps(answer)
            assert "not-for-the-log" not in json.dumps(answer)
            assert answer["invocation"]["module_args"]["headers"] == {"Authorization": "********"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for shop.example.test that vouches for itself, with its key."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=shop", "-addext", "subjectAltName=DNS:shop.example.test"]
    subprocess.run([*new, *names, "-keyout", str(path) + ".key", "-out", str(path)], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(str(path) + ".key").read_text())
    return path


def test_tls_is_checked(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with Server(answers, context) as server:
        url = {"url": f"https://{HOST}:{server.port}/"}
        own = {"host_header": "shop.example.test", "ca_path": str(certificate)}
        assert good(server.probe(**url, **own))["lost"] == 0
        assert good(server.probe(**url, validate_certs=False))["lost"] == 0
        for wrong in ({"host_header": "shop.example.test"}, {**own, "host_header": "other.example.test"}):
            (reason,) = server.probe(**url, **wrong)["lost_reasons"]
            assert reason.startswith("TLS certificate not accepted: ")
        assert "ca_path /nowhere" in refused(run("probe", **url, ca_path="/nowhere"), "bad_input")["msg"]


# -- warm_up


@pytest.fixture
def cold() -> Iterator[tuple[ColdApp, ColdApp]]:
    """Blue and green with a cold cache each."""
    with ColdApp() as blue, ColdApp() as green:
        yield blue, green


@pytest.fixture
def cold_service(cold: tuple[ColdApp, ColdApp]) -> Iterator[Service]:
    blue, green = cold
    service = Service.on_free_ports("shop", [blue.port], [green.port])
    with HAProxy([service]):
        yield service


def preview(service: Service, **options: Any) -> dict[str, Any]:
    return {"base_url": service.preview_url, "service": "shop", "colour": "green", **options}


def test_a_cold_cache_gets_warm(cold: tuple[ColdApp, ColdApp], cold_service: Service) -> None:
    paths = [f"/page/{number}" for number in range(40)]
    done = good(run("warm_up", **preview(cold_service, urls=paths, window=40, max_rate=500, max_seconds=LIMIT, on_cap="fail")))
    assert (done["warm"], done["ended"]) == (True, "flat")
    assert done["first_p95_ms"] >= 100
    assert done["last_p95_ms"] < 100
    assert len(done["windows"]) >= 4
    assert done["requests"] == 40 * len(done["windows"])
    assert done["errors"] == 0
    assert done["urls_used"] == paths
    blue, green = cold
    assert sum(blue.seen.values()) == 0
    # Every page equally often; one request more made sure of the colour.
    assert {path: green.seen[path] - (path == paths[0]) for path in paths} == dict.fromkeys(paths, len(done["windows"]))


def test_what_never_gets_flat_ends_at_its_cap(cold: tuple[ColdApp, ColdApp], cold_service: Service) -> None:
    _blue, green = cold
    green.delay = lambda number: max(0.0, 0.13 - number * 0.001)
    asked = preview(cold_service, urls=["/"], window=20, max_requests=80, concurrency=1, floor_ms=0.1)
    done = good(run("warm_up", **asked))
    assert (done["warm"], done["ended"], done["requests"]) == (False, "max_requests", 80)
    assert "is not warm yet, ended by max_requests" in done["msg"]


def test_time_is_a_cap(cold_service: Service) -> None:
    asked = preview(cold_service, urls=["/"], max_rate=50, max_seconds=1)
    done = refused(run("warm_up", on_cap="fail", **asked), "not_warm")
    assert done["ended"] == "max_seconds"
    assert 10 <= done["requests"] <= 50


def test_the_live_colour_is_never_loaded(cold: tuple[ColdApp, ColdApp], cold_service: Service) -> None:
    blue, green = cold
    # The public way in place of the preview way: all of its traffic is on blue.
    wrong = preview(cold_service, urls=["/a", "/b"], base_url=cold_service.url)
    stopped = refused(run("warm_up", **wrong), "wrong_colour")
    assert "a request to green was answered by blue" in stopped["msg"]
    assert (sum(blue.seen.values()), sum(green.seen.values())) == (1, 0)
    # Straight to the application: nobody says which colour it is.
    unknown = refused(run("warm_up", **{**wrong, "base_url": f"http://{HOST}:{green.port}"}), "wrong_colour")
    assert "unknown colour" in unknown["msg"]
    assert sum(green.seen.values()) == 1


def test_a_colour_that_becomes_another_one_stops_it_at_once() -> None:
    async def turns_blue(number: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(ANSWER if server.requests <= 30 else ANSWER.replace(b"green", b"blue"))
        return True

    asked: dict[str, Any] = {"service": "shop", "colour": "green", "urls": ["/"]}
    with Server(turns_blue) as server:
        stopped = refused(run("warm_up", base_url=f"http://{HOST}:{server.port}", **asked), "wrong_colour")
        assert stopped["ended"] == "wrong_colour"
        # At most those that were under way beside the first wrong one.
        assert 31 <= server.requests <= 31 + 8
    with Server(turns_blue) as server:
        stopped = refused(run("load_test", base_url=f"http://{HOST}:{server.port}", percent=0, rate=50, **asked), "wrong_colour")
        # A load does not wait for answers, so that a busy machine sends some more, of the 1,500 that were planned.
        assert stopped["colours"]["green"]["requests"] < 150
        assert 31 <= server.requests < 150


def test_a_colour_that_does_not_answer_is_not_hammered(apps: Apps, haproxy: HAProxy, service: Service) -> None:
    for app in apps.of("green"):
        app.stop()
    wait_until(lambda: all(row["status"] == "DOWN" for row in haproxy.servers() if "green" in row["svname"]), "green is down")
    found = refused(run("warm_up", **preview(service, urls=["/"])), "unhealthy")
    assert "green does not answer: status 503" in found["msg"]
    refused(run("load_test", **preview(service, percent=0)), "unhealthy")


def test_a_colour_that_stops_answering_ends_it() -> None:
    async def fails(number: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(ANSWER if server.requests <= 1 else b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")
        return True

    with Server(fails) as server:
        asked = {"base_url": f"http://{HOST}:{server.port}", "service": "shop", "colour": "green", "urls": ["/"]}
        found = refused(run("warm_up", window=20, **asked), "unhealthy")
    assert (found["ended"], found["requests"], found["windows"]) == ("no_answers", 20, [])
    assert found["error_reasons"] == {"status 503": 20}


def test_the_pages_of_an_access_log(cold: tuple[ColdApp, ColdApp], cold_service: Service, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    line = '10.0.0.1 - - [23/Nov/2026:15:00:00 +0000] "{} {} HTTP/1.1" {} 5 "-" "Mozilla/5.0"\n'
    asked = [("GET", "/a", 200)] * 3 + [("GET", "/b?page=2", 200)] * 5 + [("POST", "/a", 200), ("GET", "/gone", 404)]
    asked += [("GET", "/logout", 200), ("GET", "/reset?token=abc", 200)]
    log.write_text("".join(line.format(*entry) for entry in asked))
    options = preview(cold_service, access_log={"path": str(log), "exclude": "^/logout"}, window=20, max_rate=500)
    planned = good(check("warm_up", **options))
    assert planned["urls_used"] == ["/b?page=2", "/a"]
    assert planned["access_log"] == {"lines": 12, "taken": 8, "dropped_secrets": 1, "not_understood": 0}
    assert "Would ask for 2 URLs from green" in planned["msg"]
    _blue, green = cold
    assert not green.seen
    done = good(run("warm_up", **options))
    assert set(green.seen) == {"/a", "/b?page=2"}
    assert done["access_log"] == planned["access_log"]
    missing = {**options, "access_log": {"path": str(tmp_path / "nowhere.log")}}
    assert "can not be read" in refused(run("warm_up", **missing), "storage")["msg"]


# -- load_test


def test_a_good_candidate_is_as_fast_as_the_stable_colour(haproxy: HAProxy, service: Service) -> None:
    asked = preview(service, percent=0, rate=60, stable_rate=60, seconds=4, urls=["/slow?ms=20"])
    done = good(run("load_test", compare=True, max_ratio=3, max_p95_ms=2000, **asked))
    assert done["problems"] == []
    assert 0.3 < done["ratio_p95"] < 3
    for colour in ("blue", "green"):
        seen = done["colours"][colour]
        assert (seen["planned"], seen["requests"], seen["lost"], seen["good_answers"]) == (240, 240, 0, 240)
        assert seen["latency_ms"]["p95"] >= 20


def test_a_colour_with_traffic_is_refused(cold: tuple[ColdApp, ColdApp], cold_service: Service) -> None:
    found = refused(run("load_test", **preview(cold_service, percent=5)), "refused")
    assert "green has 5% of the traffic of shop" in found["msg"]
    refused(check("load_test", **preview(cold_service, percent=100)), "refused")
    refused(run("load_test", **preview(cold_service, percent=0, base_url=cold_service.url)), "wrong_colour")
    blue, green = cold
    assert (sum(blue.seen.values()), sum(green.seen.values())) == (1, 0)


def test_a_slow_candidate_is_refused(apps: Apps, haproxy: HAProxy, service: Service) -> None:
    apps.release("green", "v3", "degrades", degrade_after=0.0, degrade_ms=150)
    asked = preview(service, percent=0, rate=60, seconds=2)
    found = refused(run("load_test", max_p95_ms=100, **asked), "limits")
    (problem,) = found["problems"]
    assert problem.startswith("p95 of green is ")
    assert problem.endswith(" ms, limit 100 ms")
    assert "send no traffic to green" in found["msg"]
    found = refused(run("load_test", compare=True, max_ratio=1.5, stable_rate=60, **asked), "limits")
    (problem,) = found["problems"]
    assert problem.endswith(" times that of blue, limit 1.5")
    assert good(run("load_test", max_p95_ms=100, on_limit="report", **asked))["problems"]
    few = refused(run("load_test", max_p95_ms=1000, **{**asked, "seconds": 1}), "limits")
    assert "too few good answers for a p95, 100 are needed: green gave 60" in few["msg"]


def test_errors_end_it_early(haproxy: HAProxy, service: Service) -> None:
    asked = preview(service, percent=0, rate=100, seconds=10, urls=["/nowhere"])
    found = refused(run("load_test", **asked), "limits")
    assert found["colours"]["green"]["lost_reasons"] == {"status 404": found["colours"]["green"]["lost"]}
    assert found["colours"]["green"]["requests"] < 100
    again = {**asked, "seconds": 1, "status": ["404"]}
    assert good(run("load_test", **again))["problems"] == []


# -- as a user runs them


def ansible(module: str, arguments: dict[str, Any], *options: str) -> str:
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_NOCOLOR": "1",
    }
    target = [str(Path(sys.executable).parent / "ansible"), "localhost", "-i", "localhost,", "-c", "local"]
    command = [*target, "-m", f"turnout.bluegreen.{module}", "-a", json.dumps(arguments), *options]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
    return done.stdout + done.stderr


def test_ansible_packs_and_runs_them(haproxy: HAProxy, service: Service) -> None:
    headers = {"headers": {"Authorization": TOKEN}}
    probed = {"url": service.url, "rate": 50, "count": 10, "split": {"green": 0}, **headers}
    warmed = preview(service, urls=["/"], max_rate=500, **headers)
    tested = preview(service, percent=0, rate=50, seconds=1, **headers)
    for module, arguments, told in (
        ("probe", probed, "10 requests in "),
        ("warm_up", warmed, "green is warm"),
        ("load_test", tested, "within the limits"),
    ):
        shown = ansible(module, arguments, "-vvv")
        assert "SUCCESS" in shown, shown
        assert told in shown
        assert "not-for-the-log" not in shown[shown.index("SUCCESS") :]
        checked = ansible(module, arguments, "--check")
        assert "SUCCESS" in checked, checked
        assert "nothing was sent" in checked


def test_check_mode_sends_nothing() -> None:
    with Server(answers) as server:
        url = f"http://{HOST}:{server.port}"
        assert good(check("probe", url=url))["planned"] == {"requests": 100, "rate": 10.0}
        asked = {"base_url": url, "service": "shop", "colour": "green"}
        good(check("warm_up", urls=["/"], **asked))
        planned = good(check("load_test", percent=0, compare=True, rate=50, seconds=10, **asked))["planned"]
    assert planned == {"green": 500, "blue": 200}
    assert server.connections == 0
