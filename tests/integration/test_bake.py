# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bake over a real HAProxy, real applications under load, and a real Prometheus."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import Apps
from tests.support.haproxy import HAProxy, Service
from tests.support.net import HOST, wait_until
from tests.support.play import play
from tests.support.prometheus import Prometheus
from tests.support.ready import set_up
from tests.support.router import Router
from tests.support.site import Done, Site

ERRORS = {"name": "errors", "source": "router", "metric": "error_percent", "max": 1, "min_samples": 5}
P95 = 'histogram_quantile(0.95, sum by (le) (rate(http_request_seconds_bucket{{colour="{{{{ colour }}}}"}}[{}s])))'


class Scene:
    """Half of the traffic on each colour, and clients that ask all the time."""

    def __init__(self, folder: Path, apps: Apps, router: Router) -> None:
        self.folder, self.apps, self.router = folder, apps, router
        self.metrics = {"app": [f"{HOST}:{port}" for colour in ("blue", "green") for port in apps.ports(colour)]}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._stop.wait(0.02):
            try:
                urllib.request.urlopen(self.router.url, timeout=30).close()
            except urllib.error.HTTPError:
                continue

    def __enter__(self) -> Scene:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        self._thread.join()

    def bake(self, *gates: dict[str, Any], arguments: tuple[str, ...] = (), **options: Any) -> tuple[Done, dict[str, Any]]:
        """Watch green by the gates, as a play does it; its result."""
        kept = self.folder / "bake.json"
        kept.unlink(missing_ok=True)
        interval = options.get("interval", 1)
        asked = {
            "service": "shop",
            "candidate": "green",
            "gates": [unsafe(gate) for gate in gates],
            "interval": interval,
            **options,
        }
        targets = asked.pop("targets", [])
        done = play(
            self.folder,
            {"all": {"hosts": {"router1": self.variables()}}},
            "all",
            [
                {
                    "name": "Begin to watch",
                    "turnout.bluegreen.watch": {"service": "shop", "interval": interval, "targets": targets},
                },
                {"name": "Bake", "turnout.bluegreen.bake": asked, "register": "done", "ignore_errors": True},
                {
                    "name": "Keep it",
                    "ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": str(kept), "mode": "600"},
                    "check_mode": False,
                },
            ],
            *arguments,
        )
        assert kept.exists(), done.output
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return done, found

    def variables(self) -> dict[str, Any]:
        return {
            "bluegreen_router": self.router.kind,
            "bluegreen_router_options": self.router.options,
            "bluegreen_turnout_directory": str(self.router.folder),
        }


def unsafe(gate: dict[str, Any]) -> dict[str, Any]:
    """As ``!unsafe`` in YAML: Ansible leaves the braces alone."""
    return {
        key: {"__ansible_unsafe": value} if "{{" in str(value) and isinstance(value, str) else value
        for key, value in gate.items()
    }


@pytest.fixture
def scene(tmp_path: Path, apps: Apps, service: Service) -> Iterator[Scene]:
    with HAProxy([service]) as haproxy, Router([haproxy]) as router:
        router.do("present")
        router.do("switched", split={"green": 50})
        with Scene(tmp_path, apps, router) as scene:
            yield scene


def lines(done: Done) -> list[str]:
    return [line for line in done.output.splitlines() if line.startswith("  bake:")]


def values(found: dict[str, Any], gate: str, colour: str) -> list[float | None]:
    (row,) = (row for row in found["bake"]["gates"] if row["name"] == gate)
    return [value for _at, value in row["samples"][colour]]


def test_good_gates_are_watched_to_the_end_with_lines(scene: Scene) -> None:
    probe = {"name": "lost", "source": "probe", "url": scene.router.url, "rate": 20, "max": 0}
    health = {"name": "health", "source": "health", "max": 0, "interval": 1}
    targets = [f"http://{HOST}:{scene.apps.ports('green')[0]}/health"]
    done, found = scene.bake(ERRORS, probe, health, seconds=8, say_every=3, targets=targets)
    assert done.status == 0
    assert (found["failed"], found["bake"]["verdict"]) == (False, "passed"), found["msg"]
    assert 8 <= found["bake"]["stopped_after_seconds"] < 20
    assert {row["name"]: row["verdict"] for row in found["bake"]["gates"]} == {"errors": "yes", "lost": "yes", "health": "yes"}
    assert 2 <= len(lines(done)) <= 20
    assert "left | errors 0 (max 1) ok" in "".join(lines(done))
    assert set(values(found, "errors", "green")[1:]) == {0.0}
    assert list(scene.folder.glob(".ansible/tmp/ansible-local-*/bluegreen-*")) == []


def test_errors_end_it_early(scene: Scene) -> None:
    scene.apps.release("green", "v3", "errors", error_percent=30)
    began = time.time()
    done, found = scene.bake(ERRORS, seconds=120)
    assert found["failed"]
    assert found["bake"]["verdict"] == "failed"
    assert found["bake"]["stopped_after_seconds"] < 30
    assert 0 < found["bake"]["evidence_seconds"] < 15
    assert began < found["bake"]["first_bad_at"] < time.time() - found["bake"]["evidence_seconds"]
    assert "errors of green" in found["msg"]
    assert "BAD 2/2" in lines(done)[-1]
    assert set(values(found, "errors", "blue")) <= {0.0, None}


def test_one_blip_is_tolerated(scene: Scene) -> None:
    """One interval with errors between good ones."""
    marker = scene.folder / "blips"
    script = f"date >>{marker}; [ $(wc -l <{marker}) = 5 ] && echo 9 || echo 0"
    blip = {"name": "blip", "source": "command", "argv": ["/bin/sh", "-c", script], "max": 1}
    done, found = scene.bake(blip, seconds=6)
    assert not found["failed"], found["msg"]
    assert found["bake"]["gates"][0]["answers"]["bad"] == 1
    assert "BAD 1/2" in "".join(lines(done))


def test_slowness_is_seen_by_prometheus_and_the_judge(scene: Scene) -> None:
    scene.apps.release("green", "v3", "degrades", degrade_after=0, degrade_ms=60)
    with Prometheus(scene.metrics) as prometheus:
        ratio = {"name": "p95", "source": "prometheus", "url": prometheus.url, "query": P95.format(5), "max_ratio": 2}
        judge = {
            "name": "mean",
            "source": "prometheus",
            "url": prometheus.url,
            "query": 'sum(rate(http_request_seconds_sum{colour="{{ colour }}"}[3s])) / '
            'sum(rate(http_request_seconds_count{colour="{{ colour }}"}[3s]))',
            "range": 8,
            "step": 0.5,
            "judge": {"direction": "increase"},
            "critical": False,
            "min_samples": 9,
            "no_data": "hold",
        }
        wait_until(lambda: len(prometheus.query(P95.format(5).replace("{{ colour }}", "green"))) == 1, "green's p95")
        time_of_rates = time.monotonic() + 5
        wait_until(lambda: time.monotonic() > time_of_rates, "rates over whole windows", timeout=20)
        _done, found = scene.bake(ratio, judge, seconds=60)
    assert found["bake"]["verdict"] == "failed"
    assert "p95 of green" in found["msg"]
    rows = {row["name"]: row for row in found["bake"]["gates"]}
    assert rows["p95"]["value"] > 2
    assert rows["mean"]["verdict"] in ("advisory_no", "running")
    assert rows["mean"]["answers"]["good"] == 0


def test_a_release_without_metrics_is_not_good(scene: Scene) -> None:
    scene.apps.release("green", "v3", "silent")
    with Prometheus({"app": scene.metrics["app"][:2]}) as prometheus:
        gate = {"name": "p95", "source": "prometheus", "url": prometheus.url, "query": P95.format(5), "max": 2}
        _done, found = scene.bake(gate, seconds=60)
    assert found["failed"]
    assert "no data: green: the query finds no series" in found["msg"]


def test_prometheus_says_what_is_wrong_with_a_query(scene: Scene) -> None:
    with Prometheus(scene.metrics) as prometheus:
        keys = {"source": "prometheus", "url": prometheus.url, "max": 2, "no_data": "pass"}
        _done, found = scene.bake(
            {"name": "bad", "query": "sum(up", **keys},
            {"name": "many", "query": "up", **keys},
            {"name": "one", "query": "1", **keys},
            seconds=1,
        )
    words = {row["name"]: row["words"] for row in found["bake"]["gates"]}
    assert "answers 400: invalid parameter" in words["bad"]
    assert "4 series, expected one: aggregate" in words["many"]
    assert words["one"] == "1, limit 2"


def test_check_mode_asks_each_gate_once_and_never_fails(scene: Scene) -> None:
    marker = scene.folder / "asked"
    bad = {"name": "bad", "source": "command", "argv": ["/bin/sh", "-c", f"echo 5 | tee -a {marker}"], "max": 1, "delay": 86400}
    done, found = scene.bake(bad, seconds=300, arguments=("--check",))
    assert done.status == 0
    assert marker.read_text(encoding="utf-8").split() == ["5", "5"], "once for each colour"
    assert found["bake"]["gates"][0]["words"] == "5 is above 1"
    assert not found["failed"]


def test_a_newer_run_ends_it(scene: Scene) -> None:
    epoch = scene.router.look()["epoch"]
    scene.router.do("rolled_back", colour="blue")
    _done, found = scene.bake(ERRORS, seconds=120, epoch=epoch)
    assert found["failed"]
    assert "a newer run has claimed the service" in found["msg"]


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"name": "x", "source": "router", "metric": "error_percent"}, "found no question"),
        ({"name": "x", "source": "router", "metric": "error_percent", "max": 1, "url": "http://x"}, "url"),
        ({"name": "x", "source": "stars", "max": 1}, "stars"),
        ({"name": "x", "source": "json", "url": "http://x", "query": "a[", "max": 1}, "no JMESPath expression"),
    ],
)
def test_a_gate_that_can_not_be_meant_is_refused_at_once(scene: Scene, gate: dict[str, Any], words: str) -> None:
    _done, found = scene.bake(gate, seconds=120)
    assert found["failed"]
    assert words in found["msg"]
    assert "Traffic stays where it is" in found["msg"]


def test_a_release_watches_the_gates_of_the_inventory_and_goes_back_on_a_no() -> None:
    """The colour in a gate's text is that of each reading, and no variable of Ansible's."""
    says = {
        "name": "says",
        "source": "command",
        "argv": ["/bin/sh", "-c", "echo {{ colour }} | tr -cd e | wc -c"],
        "max": 1,
        "interval": 1,
    }
    ratio = {**says, "name": "ratio", "max": None, "max_ratio": 1.1, "critical": False}
    gates = [{**says, "max": 2}, ratio]
    with Site(variables={"bake_seconds": 4, "bake_gates": gates, "verify_interval": 0.1}) as site:
        set_up(site, "v1")
        site.release("v2")
        rehearsed = site.play("release", "--check", bluegreen_release="v2")
        assert rehearsed.status == 0, rehearsed.output
        assert "says 2 (max 2) ok" in rehearsed.output
        done = site.play("release", bluegreen_release="v2")
        assert done.status == 0, done.output
        assert "ratio 2x blue (max 1.1) BAD" in done.output
        assert site.answer() == ("green", "v2")
        wrong = site.play("release", bluegreen_release="v1", bluegreen_end_window=True, bake_gates=[{**ratio, "max": 3}])
        assert wrong.status != 0
        assert "found max, max_ratio" in wrong.output
        assert "TASK [Plan the release]" not in wrong.output, "nothing was claimed"
        bad = site.play("release", bluegreen_release="v1", bluegreen_end_window=True, bake_gates=[{**says, "max": 0}])
        assert bad.status != 0
        assert "says of blue: 1 is above 0" in bad.output
        assert re.search(r"First bad reading \d\d:\d\d:\d\d, traffic back \d+\.\d s later", bad.output), bad.output
        assert site.answer() == ("green", "v2")
        assert bad.output.count('"samples"') == 0, "no flood"
