# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load client and the HAProxy harness prove themselves: a flip loses nothing, and a loss is counted."""

from __future__ import annotations

import time
import urllib.request

import pytest

from tests.support.apps import Apps
from tests.support.haproxy import HAProxy, Service
from tests.support.load import LoadProcess, Profile
from tests.support.net import wait_until


def flip(haproxy: HAProxy, percent: int) -> float:
    """`set map`; returns when it was answered."""
    assert haproxy.command(f"set map {haproxy.map} shop {percent}") == "\n"
    return time.monotonic()


def wait_for_requests(load: LoadProcess, count: int) -> None:
    wait_until(lambda: load.progress().requests > count, f"{count} requests")


def test_flips_lose_nothing_and_the_answers_follow(haproxy: HAProxy, service: Service) -> None:
    switched: list[tuple[float, str]] = []
    with LoadProcess(Profile(port=service.port, rate=500, longest=2)) as load:
        for number in range(12):
            wait_for_requests(load, load.progress().requests + 200)
            colour = ("green", "blue")[number % 2]
            switched.append((flip(haproxy, 100 if colour == "green" else 0), colour))
        wait_for_requests(load, load.progress().requests + 200)
    summary = load.summary
    assert summary.lost == 0, summary.losses
    assert summary.requests > 2400
    ends = [at for at, _colour in switched[1:]] + [float("inf")]
    for (since, colour), until in zip(switched, ends):
        old = "blue" if colour == "green" else "green"
        # The next flip takes effect shortly before its answer returns.
        assert summary.strays(old, since, until - 0.1) == []
        first = summary.first(colour, since)
        assert first is not None
        assert first.done - since < 0.5
    assert summary.versions().keys() == {"v1", "v2"}


def test_every_kind_of_request_is_sent(haproxy: HAProxy, service: Service) -> None:
    with LoadProcess(Profile(port=service.port, rate=200, longest=2)) as load:
        wait_for_requests(load, 400)
    kinds = {answer.kind for answer in load.summary.answers}
    assert kinds == {"keepalive", "new", "post", "session", "slow", "stream", "websocket"}
    assert load.summary.lost == 0, load.summary.losses


def test_http2_is_sent_where_a_port_takes_it_and_flips_lose_none_of_it(haproxy: HAProxy, service: Service) -> None:
    profile = Profile(port=service.port, h2_port=service.port, rate=400, longest=2, kinds=("keepalive", "h2", "h2_stream"))
    with LoadProcess(profile) as load:
        for number in range(6):
            wait_for_requests(load, load.progress().requests + 200)
            flip(haproxy, 0 if number % 2 else 100)
        wait_for_requests(load, load.progress().requests + 200)
    summary = load.summary
    assert (summary.lost, summary.refused) == (0, 0), summary.losses
    seen = {kind: {answer.colour for answer in summary.answers if answer.kind == kind} for kind in profile.kinds}
    assert seen == {kind: {"blue", "green"} for kind in profile.kinds}


def test_http2_requests_of_a_backend_killed_hard_are_lost(haproxy: HAProxy, service: Service, apps: Apps) -> None:
    kinds = ("h2", "h2_stream")
    with LoadProcess(Profile(port=service.port, h2_port=service.port, rate=200, longest=2, kinds=kinds)) as load:
        for app in apps.of("blue"):
            app.kill()
        wait_until(lambda: load.progress().lost > 20, "losses")
    assert load.summary.lost_by_kind.keys() == set(kinds)


def test_a_backend_killed_hard_is_counted_as_lost(haproxy: HAProxy, service: Service, apps: Apps) -> None:
    with LoadProcess(Profile(port=service.port, rate=500, longest=3)) as load:
        for app in apps.of("blue"):
            app.kill()
        wait_until(lambda: load.progress().lost > 20, "losses")
    summary = load.summary
    assert summary.lost > 20
    assert summary.lost == sum(summary.lost_by_kind.values())
    assert {"websocket", "keepalive"} <= summary.lost_by_kind.keys()
    whys = {loss.why for loss in summary.losses}
    assert whys & {"status 502", "status 503"}, whys
    assert len(summary.losses) == 20


def test_a_router_that_ends_is_counted_as_lost(haproxy: HAProxy, service: Service) -> None:
    with LoadProcess(Profile(port=service.port, rate=200, longest=2)) as load:
        haproxy.stop()
        wait_until(lambda: load.progress().lost > 20, "losses")
    assert any("ConnectionRefused" in loss.why for loss in load.summary.losses)


def test_a_percent_divides_the_traffic(haproxy: HAProxy, service: Service) -> None:
    since = flip(haproxy, 30)
    with LoadProcess(Profile(port=service.port, rate=1000, kinds=("keepalive", "new"))) as load:
        wait_for_requests(load, 2000)
    # Standard deviation of the share at 2000 draws: 1 %.
    assert load.summary.percent(since)["green"] == pytest.approx(30, abs=6)


def test_a_sticky_cookie_keeps_each_session_on_one_colour(service: Service) -> None:
    with (
        HAProxy([service], percent=50, sticky="cookie"),
        LoadProcess(Profile(port=service.port, rate=400, kinds=("session",))) as load,
    ):
        wait_for_requests(load, 400)
    colours: dict[int, list[str]] = {}
    for answer in load.summary.answers:
        colours.setdefault(answer.client, []).append(answer.colour)
    after_login = [set(seen[1:]) for seen in colours.values()]
    assert all(len(seen) == 1 for seen in after_login)
    assert set.union(*after_login) == {"blue", "green"}


def colour_of(url: str, **headers: str) -> str:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): headers[name] for name in headers})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.headers["X-Bluegreen-Colour"])


def test_the_preview_shows_the_idle_colour_or_the_one_asked_for(haproxy: HAProxy, service: Service) -> None:
    assert colour_of(service.preview_url) == "green"
    assert colour_of(service.preview_url, X_Bluegreen_Preview="blue") == "blue"
    flip(haproxy, 100)
    assert colour_of(service.url) == "green"
    assert colour_of(service.preview_url) == "blue"
    assert colour_of(service.preview_url, X_Bluegreen_Preview="green") == "green"


def test_reload_and_restart_read_the_map_file(haproxy: HAProxy) -> None:
    worker = haproxy.workers()[0]
    haproxy.map.write_text("shop 40\nshop/sticky 0\n", encoding="ascii")
    assert haproxy.percent("shop") == 0
    haproxy.reload()
    assert haproxy.percent("shop") == 40
    assert haproxy.workers()[0] != worker
    haproxy.map.write_text("shop 60\nshop/sticky 0\n", encoding="ascii")
    haproxy.kill()
    haproxy.start()
    assert haproxy.percent("shop") == 60


def test_a_refused_reload_is_told_and_the_old_worker_serves_on(haproxy: HAProxy, service: Service) -> None:
    haproxy.config.write_text("no such thing\n", encoding="ascii")
    assert haproxy.check().returncode != 0
    with pytest.raises(RuntimeError, match="refused"):
        haproxy.reload()
    assert colour_of(service.url) == "blue"
    haproxy.write_config()
    haproxy.reload()


def test_sockets_have_the_level_that_was_asked_for(service: Service) -> None:
    with HAProxy([service], level="operator", sockets=2) as haproxy:
        assert [haproxy.percent("shop", number) for number in (0, 1)] == [0, 0]
        # HAProxy 2.6 lets any level write a map; `set server` and `shutdown sessions` want admin.
        assert "Permission denied" in haproxy.command("set server shop_blue/blue1 state ready", 1)
