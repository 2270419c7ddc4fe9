# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cohort goes first: a release on a HAProxy that knows it by a header and an nginx that knows it by a cookie, under load."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import other

from tests.support.load import LoadProcess, Profile
from tests.support.local_router import KINDS, LocalRouter
from tests.support.net import HOST, wait_until
from tests.support.site import Site

QUICK = {"bake_seconds": 1, "bake_interval": 0.2, "verify_interval": 0.1}
SENT = {"haproxy": {"X-Cohort": "staff"}, "nginx": {"Cookie": "a=b; crowd=staff"}}
OTHERS = {"haproxy": {"X-Cohort": "guests"}, "nginx": {"Cookie": "crowd=guests"}}
LIMIT = 120.0


def known(router: LocalRouter) -> None:
    """Tell the router's role who belongs to the cohort."""
    services = f"{router.kind}_services"
    who = {"header": "X-Cohort"} if router.kind == "haproxy" else {"cookie": "crowd"}
    service = router.variables()[services][0]
    router.overrides[services] = [{**service, "cohort": {**who, "values": ["staff", "beta"]}}]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(routers=("haproxy", "nginx") if "nginx" in KINDS else ("haproxy",), variables=QUICK) as made:
        for version in ("v1", "v2"):
            made.release(version)
        for playbook in ("bootstrap", "release"):
            done = made.play(playbook, bluegreen_release="v1")
            assert done.status == 0, done.output
        yield made


@pytest.fixture(name="informed", scope="module")
def with_a_cohort(site: Site) -> Site:
    """Routers that serve are told who belongs to the cohort; their traffic stays."""
    for router in site.routers.values():
        known(router)
    site.write_inventory()
    done = site.play("bootstrap")
    assert done.status == 0, done.output
    return site


def answers(router: LocalRouter, headers: dict[str, str], count: int = 20) -> Counter[str]:
    """The colours of some requests, each on a connection of its own."""
    found: Counter[str] = Counter()
    for _request in range(count):
        connection = http.client.HTTPConnection(HOST, router.port, timeout=5)
        try:
            connection.request("GET", "/", headers=headers)
            response = connection.getresponse()
            response.read()
            found[response.getheader("X-Bluegreen-Colour") or ""] += 1
        finally:
            connection.close()
    return found


def where(site: Site, headers: dict[str, dict[str, str]]) -> set[str]:
    """The colours that those clients get, on all routers."""
    return {colour for router in site.routers.values() for colour in answers(router, headers[router.kind])}


def wait_for(process: subprocess.Popen[str], happened: Callable[[], bool], what: str) -> None:
    """Wait for something that the release does; its output, when it ends before."""
    wait_until(lambda: happened() or process.poll() is not None, what, LIMIT)
    if process.poll() is not None:
        pytest.fail(process.communicate()[0])


@contextlib.contextmanager
def releasing(site: Site, **extra: Any) -> Iterator[subprocess.Popen[str]]:
    """A release that waits for approval behind the cohort, and is gone afterwards."""
    asked = {"bluegreen_release": "v2", "bluegreen_end_window": True, "cutover_cohort": True, "cutover_hold": [0], **extra}
    former = site.journal["epoch"]

    def held(router: LocalRouter) -> bool:
        return bool(router.journal["hold"]) and router.journal["epoch"] > former

    with site.under_way("release", **asked) as process:
        wait_for(process, lambda: all(map(held, site.routers.values())), "the release waits")
        yield process


def test_a_service_without_a_cohort_refuses_one_before_anything_is_deployed(site: Site) -> None:
    stable = site.journal["stable"]
    done = site.play("release", bluegreen_release="v2", bluegreen_end_window=True, cutover_cohort=True)
    output = done.flat
    assert done.status != 0, output
    assert "Put the release on the host" not in output
    assert "who belongs to the cohort of shop" in output
    assert f"{site.first.kind}_services and run bootstrap.yml" in output
    assert where(site, SENT) == {stable}
    assert all(router.journal["candidate"] is None for router in site.routers.values())


def test_the_cohort_is_watched_before_all_others_and_stays_until_all_have_followed(informed: Site) -> None:
    profile = Profile(informed.port, rate=50, kinds=("keepalive", "new", "post"))
    with LoadProcess(profile) as load:
        with releasing(informed, cutover_strategy="canary", cutover_canary_steps=[30, 100]) as process:
            assert where(informed, SENT) == {"green"}
            assert where(informed, OTHERS) == {"blue"}
            journal = informed.journal
            assert (journal["routing"]["blue"], journal["routing"]["cohort"], journal["hold"]["step"]) == (100, "green", 0)
            report = informed.play("status").output
            assert "100% blue, the cohort on green" in report
            assert "waits for approval of the cohort on green" in report
            assert informed.play("promote").status == 0
            wait_for(process, lambda: informed.journal["routing"]["green"] == 30, "the first percent")
            assert answers(informed.first, SENT["haproxy"]) == {"green": 20}
            output = process.communicate(timeout=LIMIT)[0]
        assert process.returncode == 0, output
    assert load.summary.lost == 0, load.summary
    assert where(informed, SENT) == where(informed, OTHERS) == {"green"}
    assert "cohort" not in informed.journal["routing"]
    assert (informed.journal["stable"], informed.journal["phase"]) == ("green", "settled")


def test_a_release_that_dies_there_begins_again_and_a_no_brings_the_cohort_back(informed: Site) -> None:
    """Its candidate is deployed to once more, so that the cohort must not be there meanwhile."""
    stable = informed.journal["stable"]
    idle = other(stable)
    release = "v2" if informed.journal["releases"][stable] == "v1" else "v1"
    with releasing(informed, bluegreen_release=release) as process:
        assert where(informed, SENT) == {idle}
        os.killpg(process.pid, signal.SIGKILL)
    with releasing(informed, bluegreen_release=release) as process:
        done = informed.play("promote", promote="stop")
        assert done.status == 0, done.output
        assert f"all traffic goes back to {stable}" in done.flat
        output = process.communicate(timeout=LIMIT)[0]
        assert process.returncode != 0, output
    assert where(informed, SENT) == where(informed, OTHERS) == {stable}
    assert informed.journal["candidate"] is None
