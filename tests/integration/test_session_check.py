# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""session_check with a real HAProxy, real applications and a real Redis, and with a login as browsers have it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.support.apps import Apps
from tests.support.haproxy import HAProxy, Service
from tests.support.net import HOST, accepts, free_port, wait_until
from tests.support.redis import PASSWORD, Redis

COLLECTIONS = Path(__file__).resolve().parents[2] / "playbooks" / "collections"
MODULE = "ansible_collections.turnout.bluegreen.plugins.modules.session_check"
#: Another interpreter of a managed host can be tried by setting this (ansible-core on its PYTHONPATH).
MODULE_PYTHON = os.environ.get("MODULE_PYTHON", sys.executable)
USER = {"user": "release-check", "password": "hunter2-not-for-the-log"}
ME: dict[str, Any] = {"path": "/me", "json_query": "user", "json_value": USER["user"]}
QUESTIONS = ("control", "login", "stable", "candidate", "back", "new_session")


def run(**options: Any) -> dict[str, Any]:
    """The answer of one module process, in which no secret may be."""
    given = {"service": "shop", "stable": "blue", "candidate": "green", **options}
    done = subprocess.run(
        [MODULE_PYTHON, "-m", MODULE],
        cwd=COLLECTIONS,
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        pytest.fail(f"not only JSON came out of the module:\n{done.stdout}")
    for secret in (USER["password"], PASSWORD, "csrf-", "session-"):
        assert secret not in done.stdout
    assert not answer.get("changed")
    return answer


def severities(answer: dict[str, Any]) -> dict[str, str]:
    return {finding["check"]: finding["severity"] for finding in answer["findings"]}


def evidence(answer: dict[str, Any], check: str) -> str:
    return str(next(finding["evidence"] for finding in answer["findings"] if finding["check"] == check))


def look_at(redis: Redis, **options: Any) -> dict[str, Any]:
    """Only the store is looked at."""
    return run(**{"redis_url": redis.url, "on_fail": "report", **options})


@pytest.fixture
def shop(haproxy: HAProxy, service: Service) -> dict[str, Any]:
    """Options that log in to the sample application and look who one is."""
    return {"base_url": service.preview_url, "login": [{"path": "/login", "form": USER}], "check": ME}


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running


@pytest.fixture
def store(redis: Redis, apps: Apps, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """The applications keep their sessions in the Redis."""
    with monkeypatch.context() as environment:
        environment.setenv("SHOP_REDIS_URL", redis.url)
        apps.release("blue", "v1")
        apps.release("green", "v2")
        yield redis
    apps.release("blue", "v1")
    apps.release("green", "v2")


# -- the sample application


def test_sessions_in_a_signed_cookie_hold(shop: dict[str, Any]) -> None:
    answer = run(**shop)
    assert severities(answer) == dict.fromkeys(QUESTIONS, "pass")
    assert answer["verdict"] == "pass"


def test_a_release_that_knows_no_session_of_another_is_found(apps: Apps, shop: dict[str, Any]) -> None:
    apps.release("green", "v-logout", "logout")
    answer = run(**shop)
    assert (answer["failed"], answer["reason"]) == (True, "session")
    assert severities(answer) == {**dict.fromkeys(QUESTIONS, "pass"), "candidate": "fail", "new_session": "fail"}
    assert "4 of 4 requests check GET /me: status 401" in answer["msg"]
    assert run(**shop, on_fail="report")["verdict"] == "fail"


def test_one_server_that_has_forgotten_them_is_found(apps: Apps, shop: dict[str, Any]) -> None:
    other = apps.of("green")[1]
    other.stop()
    other.release.write_bytes(b'{"version": "v2", "behaviour": "logout"}')
    other.start()
    other.wait()
    answer = run(**shop, on_fail="report", repeat=10, new_session=False)
    assert severities(answer)["candidate"] == "fail"
    assert not evidence(answer, "candidate").startswith("the session is not there on green, 10 of 10")


def test_sessions_in_redis_hold_and_a_release_with_other_keys_is_found(apps: Apps, store: Redis, shop: dict[str, Any]) -> None:
    answer = run(**shop, redis_url=store.url)
    assert set(severities(answer).values()) == {"pass"}
    assert answer["redis"]["role"] == "master"
    assert store.command("KEYS", "shop:session:*")
    apps.release("green", "v-logout", "logout")
    assert run(**shop)["reason"] == "session"


def test_applications_without_their_redis_log_nobody_in(
    apps: Apps, shop: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_REDIS_URL", f"redis://{HOST}:{free_port()}")
    apps.release("blue", "v1.1")
    answer = run(**shop, on_fail="report")
    assert severities(answer) == {"control": "pass", "login": "fail"}
    assert "status 503" in evidence(answer, "login")


def test_a_session_that_was_begun_elsewhere(shop: dict[str, Any], apps: Apps) -> None:
    given = {"base_url": shop["base_url"], "check": {"path": "/me"}, "on_fail": "report"}
    answer = run(**given, cookie="session=nobody.0123456789abcdef")
    assert severities(answer) == {"control": "pass", "login": "pass", "stable": "fail"}


def test_a_check_that_everybody_passes_proves_nothing(shop: dict[str, Any]) -> None:
    answer = run(**{**shop, "check": {"path": "/"}})
    assert severities(answer)["control"] == "fail"
    assert "passes on blue without a login, so it proves nothing" in answer["msg"]


def test_the_way_must_lead_to_the_colour_that_was_asked(shop: dict[str, Any], service: Service) -> None:
    answer = run(**{**shop, "base_url": service.url})
    assert (answer["failed"], answer["reason"]) == (True, "wrong_colour")


def test_check_mode_asks_nothing(shop: dict[str, Any], redis: Redis) -> None:
    before = redis.command("INFO", "stats").partition("total_connections_received:")[2].split()[0]
    options = {**shop, "base_url": f"http://{HOST}:{free_port()}", "redis_url": redis.url}
    answer = run(_ansible_check_mode=True, **options)
    assert answer["msg"].endswith("nothing was asked")
    assert (answer["findings"], answer["verdict"]) == ([], None)
    after = redis.command("INFO", "stats").partition("total_connections_received:")[2].split()[0]
    assert int(after) == int(before) + 1  # the question itself


# -- a login as browsers have it


class Site(ThreadingHTTPServer):
    """Both colours behind a preview way: a form with a token against forgery, and cookies for the public host only."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), Handler)
        self.tokens: set[str] = set()
        self.sessions: set[str] = set()

    def __enter__(self) -> Site:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: str = "", *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("X-Bluegreen-Colour", self.headers["X-Bluegreen-Preview"]), *headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def cookie(self, name: str) -> str:
        morsel = SimpleCookie(self.headers.get("Cookie", "")).get(name)
        return morsel.value if morsel else ""

    def set_cookie(self, name: str, value: str) -> tuple[str, str]:
        expires = "Expires=Wed, 21 Oct 2099 07:28:00 GMT"
        return "Set-Cookie", f"{name}={value}; Domain=shop.example.com; Path=/; {expires}; Secure; HttpOnly; SameSite=Lax"

    def do_GET(self) -> None:
        if self.path == "/login":
            token = f"csrf-{secrets.token_hex(8)}+/="
            self.server.tokens.add(token)
            field = token.replace("+", "&#x2B;")
            form = f'<form method="post"><input type="hidden" name="csrf" value="{field}"></form>'
            self.answer(200, form, ("Content-Type", "text/html"), self.set_cookie("pre", "1"), self.set_cookie("lang", "en"))
        elif self.cookie("session") in self.server.sessions:
            self.answer(200, "<a href='/logout'>Sign out</a>")
        else:
            self.answer(302, "", ("Location", "https://shop.example.com/login"))

    def do_POST(self) -> None:
        fields = {
            name: values[0] for name, values in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()
        }
        token = fields.pop("csrf", "")
        if fields != USER or token not in self.server.tokens or self.cookie("pre") != "1":
            self.answer(403, f"you have sent {fields} and {token}")
            return
        session = f"session-{secrets.token_hex(8)}"
        self.server.sessions.add(session)
        self.answer(302, "", ("Location", "/account"), self.set_cookie("session", session))

    def log_message(self, *_message: object) -> None:
        """The tests are not interested."""


LOGIN: list[dict[str, Any]] = [
    {"path": "/login", "store": {"csrf": 'name="csrf" value="([^"]+)"'}},
    {"path": "/login", "form": {**USER, "csrf": "${csrf}"}, "status": ["302"]},
]
ACCOUNT = {"path": "/account", "body_contains": "Sign out"}


def test_a_form_with_a_token_and_cookies_for_the_public_host() -> None:
    with Site() as site:
        answer = run(base_url=site.url, host_header="shop.example.com", login=LOGIN, check=ACCOUNT)
    assert severities(answer) == dict.fromkeys(QUESTIONS, "pass")
    assert evidence(answer, "login").endswith("cookies: lang, pre, session")


def test_cookies_for_another_host_are_refused_and_named() -> None:
    with Site() as site:
        answer = run(base_url=site.url, login=LOGIN[:1], check=ACCOUNT, on_fail="report")
    assert severities(answer)["login"] == "warn"
    assert "lang, pre; host_header must be the name that users come by" in evidence(answer, "login")


def test_a_refused_login_says_nothing_of_what_was_sent() -> None:
    with Site() as site:
        wrong = [LOGIN[0], {**LOGIN[1], "form": {**USER, "csrf": "${csrf}", "more": "1"}}]
        answer = run(base_url=site.url, host_header="shop.example.com", login=wrong, check=ACCOUNT)
        assert "login[1] POST /login: status 403, expected 302" in answer["msg"]
        nothing = [{**LOGIN[0], "store": {"csrf": "no such token"}}, LOGIN[1]]
        answer = run(base_url=site.url, host_header="shop.example.com", login=nothing, check=ACCOUNT)
    assert "login[0] GET /login: nothing in the answer matches store.csrf" in answer["msg"]


# -- the store


def test_a_redis_that_throws_sessions_away_is_found() -> None:
    with Redis("maxmemory 16mb", "maxmemory-policy allkeys-lru") as redis:
        roomy = look_at(redis)
        assert severities(roomy) == {
            "store": "pass",
            "store_latency": "pass",
            "store_memory": "warn",
            "store_evictions": "pass",
        }
        redis.fill(32)
        full = look_at(redis)
    assert severities(full)["store_memory"] == "fail"
    assert "maxmemory-policy allkeys-lru: full, it throws sessions away" in evidence(full, "store_memory")
    assert severities(full)["store_evictions"] != "pass"  # any client that connects may cost another key now
    assert full["redis"]["evicted_keys"] > 0


def test_a_redis_that_refuses_new_sessions_is_found() -> None:
    with Redis("maxmemory 8mb", "maxmemory-policy noeviction") as redis:
        redis.fill(4)
        assert severities(look_at(redis))["store_memory"] == "pass"
        assert severities(look_at(redis, redis_max_memory_percent=50))["store_memory"] == "warn"
        redis.fill(10)
        assert "OOM" in redis.command("SET", "shop:session:x", "ann")
        full = look_at(redis)
    assert severities(full)["store_memory"] == "fail"
    assert "full, it refuses new sessions" in evidence(full, "store_memory")


def test_keys_that_are_thrown_away_meanwhile_are_found() -> None:
    with Redis("maxmemory 16mb", "maxmemory-policy allkeys-random") as redis:
        redis.fill(20)
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                redis.fill(4)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            wait_until(lambda: severities(look_at(redis))["store_evictions"] == "fail", "evictions while it looks", 60)
        finally:
            stop.set()
            writer.join()


def test_a_slow_redis_is_found(redis: Redis) -> None:
    answer = look_at(redis, redis_max_latency_ms=0.000001)
    assert severities(answer)["store_latency"] == "fail"


def test_a_redis_that_is_down_is_found() -> None:
    with Redis() as redis:
        url = redis.url
    answer = run(redis_url=url)
    assert (answer["failed"], answer["reason"]) == (True, "session")
    assert "can not be asked: connection refused" in answer["msg"]
    assert answer["redis"] is None


def test_a_redis_that_hangs_is_found() -> None:
    with Redis() as redis:
        assert redis.process is not None
        redis.process.send_signal(19)  # SIGSTOP
        try:
            answer = look_at(redis, timeout=0.5)
        finally:
            redis.process.send_signal(18)  # SIGCONT
    assert "no answer within 0.5 s" in evidence(answer, "store")


@pytest.mark.parametrize(("user", "code"), [(":wrong-secret", "WRONGPASS"), ("ann:wrong-secret", "WRONGPASS"), ("", "NOAUTH")])
def test_a_refusal_is_told_by_its_code_only(redis: Redis, user: str, code: str) -> None:
    answer = look_at(redis, redis_url=f"redis://{user}{'@' if user else ''}{HOST}:{redis.port}/1")
    assert severities(answer) == {"store": "fail"}
    assert code in evidence(answer, "store")
    assert "wrong-secret" not in json.dumps(answer)


def test_a_replica_is_found(redis: Redis) -> None:
    with Redis(f"replicaof {HOST} {redis.port}", f"masterauth {PASSWORD}") as replica:
        wait_until(lambda: "master_link_status:up" in replica.command("INFO", "replication"), "the replica follows", 60)
        answer = look_at(replica)
    assert severities(answer)["store"] == "fail"
    assert "a replica takes no new sessions" in evidence(answer, "store")


def test_what_is_no_redis_is_found(service: Service, haproxy: HAProxy) -> None:
    answer = run(redis_url=f"redis://{HOST}:{service.port}", on_fail="report")
    assert "that is no answer of a Redis" in evidence(answer, "store")


def test_a_redis_by_tls(tmp_path: Path) -> None:
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=redis", "-addext", f"subjectAltName=IP:{HOST}", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*new, *names], cwd=tmp_path, check=True, capture_output=True)
    port = free_port()
    files = [f"tls-cert-file {tmp_path}/cert.pem", f"tls-key-file {tmp_path}/key.pem", "tls-auth-clients no"]
    with Redis(f"tls-port {port}", *files):
        wait_until(lambda: accepts(port), "TLS")
        url = f"rediss://:{PASSWORD}@{HOST}:{port}/0"
        assert severities(run(redis_url=url, ca_path=f"{tmp_path}/cert.pem"))["store"] == "pass"
        assert severities(run(redis_url=url, validate_certs=False))["store"] == "pass"
        answer = run(redis_url=url, on_fail="report")
    assert "TLS certificate not accepted" in evidence(answer, "store")
