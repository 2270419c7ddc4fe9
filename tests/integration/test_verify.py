# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify asks before traffic moves: whole releases with sessions in a real Redis, and single steps of the role."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.load import LoadProcess, Profile
from tests.support.net import HOST, free_port
from tests.support.play import play
from tests.support.ready import set_up
from tests.support.redis import PASSWORD, Redis
from tests.support.site import Done, Site

SECRET = "hunter2-not-for-the-log"
SESSION = {
    "login": [{"path": "/login", "form": {"user": "release-check", "password": SECRET}}],
    "check": {"path": "/me", "body_contains": "release-check"},
}
QUICK = {"bake_seconds": 1, "bake_interval": 0.5, "bake_max_latency_ms": 10_000, "verify_interval": 0.1}
WARM_UP = {"urls": ["/", "/slow?ms=2"], "window": 20, "max_seconds": 10, "floor_ms": 50}
LOAD_TEST = {"urls": ["/"], "rate": 40, "seconds": 3, "min_answers": 50, "max_p95_ms": 5000}
#: A smoke command without a test tool: it asks by the environment that it gets, and writes a report of what it was told.
SMOKE = """\
import os, sys, urllib.request
headers = {"X-Bluegreen-Preview": os.environ["TURNOUT_COLOUR"], "X-Bluegreen-Service": os.environ["TURNOUT_SERVICE"]}
with urllib.request.urlopen(urllib.request.Request(os.environ["TURNOUT_PREVIEW_URL"] + "/", headers=headers)) as answer:
    body = answer.read().decode()
bad = os.environ["TURNOUT_RELEASE"] not in body or os.environ["TURNOUT_STABLE"] in body or "fail" in sys.argv
case = '<testcase classname="smoke" name="checkout"><failure message="500 != 200"/></testcase>' if bad else '<testcase name="a"/>'
open(sys.argv[1], "w").write("<testsuite>" + case + "</testsuite>")
sys.exit(bad)
"""


class Shop(Site):
    """A site with two routers, whose applications keep their sessions in a Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        super().__init__(variables=QUICK, routers=("haproxy", "nginx"))
        (self.folder / "smoke.py").write_text(SMOKE, encoding="utf-8")
        tasks = [
            {
                "name": "Ask the candidate who it is",
                "ansible.builtin.uri": {
                    "url": "{{ verify_preview_url }}/",
                    "headers": {"X-Bluegreen-Preview": "{{ verify_candidate }}", "X-Bluegreen-Service": "{{ verify_service }}"},
                    "return_content": True,
                },
                "register": "smoke_answer",
                "failed_when": "smoke_answer.json.version != verify_release",
            }
        ]
        (self.folder / "smoke.yml").write_text(json.dumps(tasks), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "ANSIBLE_PIPELINING": "1", "SHOP_REDIS_URL": self.redis.url}

    def answers(self) -> set[tuple[str, str]]:
        """Colour and version that clients get, through either router."""
        return {router.answer() for router in self.routers.values()}

    def everything(self) -> dict[str, Any]:
        """All that verify can ask."""
        report = str(self.folder / "smoke.xml")
        return {
            "verify_smoke": ["/", {"url": "/login", "status": ["200"]}],
            "verify_smoke_tasks": str(self.folder / "smoke.yml"),
            "verify_smoke_command": [sys.executable, str(self.folder / "smoke.py"), report],
            "verify_smoke_command_host": "localhost",
            "verify_smoke_junit": report,
            "verify_session": {**SESSION, "redis_url": self.redis.url},
            "verify_warm_up": WARM_UP,
            "verify_load_test": LOAD_TEST,
        }


def without_secrets(done: Done) -> str:
    """The output as one line; no secret may be in it, however much it tells."""
    assert SECRET not in done.output
    assert PASSWORD not in done.output
    assert "Traceback" not in done.output, done.output
    return done.flat


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Redis() as redis:
        site = Shop(redis)
        with site:
            set_up(site, "v1")
            site.release("v2")
            site.release("v-logout", behaviour="logout")
            yield site


@pytest.fixture
def load(shop: Shop) -> Iterator[LoadProcess]:
    """Clients of every kind; none of their requests may be lost."""
    with LoadProcess(Profile(shop.port, rate=60, longest=2)) as clients:
        yield clients
    assert clients.summary.requests > 0
    assert clients.summary.lost == 0, clients.summary.losses


# -- whole releases


def test_a_release_that_logs_users_out_is_stopped_before_traffic_moves(shop: Shop, load: LoadProcess) -> None:
    done = shop.play("release", "-vvv", bluegreen_release="v-logout", verify_session=SESSION)
    output = without_secrets(done)
    assert done.status != 0, done.output
    assert "candidate: the session is not there on green, 4 of 4 requests check GET /me: status 401" in output
    assert shop.answers() == {("blue", "v1")}
    journals = [router.journal for router in shop.routers.values()]
    assert [(journal["phase"], journal["lease"]) for journal in journals] == [("abandoned", None)] * 2
    assert "Move the traffic to the candidate" not in output


def test_check_mode_says_what_would_be_asked(shop: Shop) -> None:
    before = shop.journal
    keys = shop.redis.command("DBSIZE")
    done = shop.play("release", "--check", "--diff", bluegreen_release="v2", **shop.everything())
    output = without_secrets(done)
    assert done.status == 0, done.output
    assert "Would log in through blue" in output
    assert output.count("nothing was") >= 3
    assert (shop.journal, shop.redis.command("DBSIZE")) == (before, keys)


def test_a_good_release_passes_everything(shop: Shop, load: LoadProcess) -> None:
    done = shop.play("release", bluegreen_release="v2", **shop.everything())
    output = without_secrets(done)
    assert done.status == 0, done.output
    assert shop.answers() == {("green", "v2")}
    assert "pass | candidate | the session holds on green, 4 of 4 requests" in output
    assert "pass | store_memory" in output
    assert "green is warm" in output
    assert "1 tests, 1 passed" in output
    assert shop.redis.command("DBSIZE") != "0"


# -- single steps of the role


def step(shop: Shop, name: str, **variables: Any) -> Done:
    """One step of the role on the router of the site. Blue has v1 since the bootstrap, whatever else was tested."""
    given = {
        "verify_service": "shop",
        "verify_stable": "green",
        "verify_candidate": "blue",
        "verify_release": "v1",
        "verify_percent": 0,
        "verify_preview_url": shop.first.variables()["verify_preview_url"],
        **variables,
    }
    role = {"ansible.builtin.include_role": {"name": "turnout.bluegreen.verify", "tasks_from": name}}
    return play(shop.folder / "step", {"all": {"hosts": {"router1": {}}}}, "all", [{"name": name, **role}], **given)


def refused(done: Done) -> str:
    output = without_secrets(done)
    assert done.status != 0, done.output
    return output


def test_a_redis_that_is_full_and_throws_sessions_away(shop: Shop) -> None:
    with Redis("maxmemory 8mb", "maxmemory-policy allkeys-lru") as redis:
        redis.fill(10)
        output = refused(step(shop, "session", verify_session={"redis_url": redis.url}))
    assert "maxmemory-policy allkeys-lru: full, it throws sessions away" in output


def test_a_redis_that_is_down(shop: Shop) -> None:
    down = f"redis://:{SECRET}@{HOST}:{free_port()}/0"
    output = refused(step(shop, "session", verify_session={"redis_url": down}))
    assert "can not be asked: connection refused" in output


def test_an_option_that_the_module_does_not_know(shop: Shop) -> None:
    assert "repaet" in refused(step(shop, "session", verify_session={**SESSION, "repaet": 3}))


def command(shop: Shop, *words: str, report: str = "") -> dict[str, Any]:
    return {"verify_smoke_command": list(words), "verify_smoke_junit": report}


def test_smoke_tests_that_fail_are_named(shop: Shop, tmp_path: Path) -> None:
    report = str(tmp_path / "smoke.xml")
    words = (sys.executable, str(shop.folder / "smoke.py"), report)
    assert "smoke.checkout: 500 != 200" in refused(step(shop, "smoke", **command(shop, *words, "fail", report=report)))
    done = step(shop, "smoke", **command(shop, *words, report=report))
    assert done.status == 0, done.output


def test_a_report_of_an_earlier_run_is_none(shop: Shop, tmp_path: Path) -> None:
    report = tmp_path / "smoke.xml"
    report.write_text("<testsuite><testcase name='good'/></testsuite>", encoding="utf-8")
    output = refused(step(shop, "smoke", **command(shop, "true", report=str(report))))
    assert "smoke.xml is not there" in output


def test_a_command_that_fails_without_a_report(shop: Shop) -> None:
    output = refused(step(shop, "smoke", **command(shop, "sh", "-c", "echo the reason; exit 3")))
    assert "the reason" in output
    assert "non-zero return code" in output


def test_a_command_that_does_not_end(shop: Shop) -> None:
    output = refused(step(shop, "smoke", **command(shop, "sleep", "60"), verify_smoke_command_timeout=2))
    assert "2 second" in output


def test_tasks_of_ones_own_that_fail(shop: Shop) -> None:
    output = refused(step(shop, "smoke", verify_smoke_tasks=str(shop.folder / "smoke.yml"), verify_release="v9"))
    assert "Ask the candidate who it is" in output


def test_a_colour_that_stays_cold(shop: Shop) -> None:
    cold = {**WARM_UP, "max_seconds": 0.5, "max_rate": 10, "on_cap": "fail"}
    assert "is not warm" in refused(step(shop, "warm", verify_warm_up=cold))
