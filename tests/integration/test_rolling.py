# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases inside one colour, on a service that has no second environment: two hosts behind a HAProxy, under load.

The tests share the site. v1 is everywhere; v2 goes through; a bad v3 stops at its first host and goes back; v4 is interrupted.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.load import LoadProcess, Profile
from tests.support.net import wait_until
from tests.support.site import Site

#: Long requests end soon enough for a short test. One that is slow because the machine is busy is not lost.
LOAD: dict[str, Any] = {"rate": 40, "longest": 2.0, "timeout": 60.0}
QUICK = {"rolling_interval": 0.1, "rolling_drain_timeout": 30, "rolling_timeout": 20}
LIMIT = 600.0
#: The old release is not asked to finish what it has: whoever is still there loses the request.
ABRUPT = """\
import json, os, signal, sys
try:
    os.kill(json.load(open(sys.argv[1]))["pid"], signal.SIGKILL)
except (FileNotFoundError, ProcessLookupError):
    pass
os.execv(sys.argv[2], sys.argv[2:])
"""


class OneColour(Site):
    """A site without a second environment."""

    def __init__(self, routers: tuple[str, ...] = ("haproxy",)) -> None:
        super().__init__(
            routers=routers, variables={**QUICK, "rolling_health": [{"url": "/", "body_contains": "{{ bluegreen_release }}"}]}
        )
        for router in self.routers.values():
            services = router.variables().get("haproxy_services", [])
            router.overrides["haproxy_services"] = [{**service, "green_group": ""} for service in services]
        self.write_inventory()

    def _common(self) -> dict[str, Any]:
        common = super()._common()
        restart = [sys.executable, "-c", ABRUPT, "{{ deploy_root }}/shop.pid", *common["deploy_restart_command"]]
        return {**common, "deploy_restart_command": restart}

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "ANSIBLE_PIPELINING": "1"}

    def facts(self) -> tuple[str, str | None, str | None, dict[str, str]]:
        """What the journal says about hosts and runs."""
        journal = self.journal
        assert (journal["stable"], journal["candidate"], journal["lease"], journal["release"]) == ("blue", None, None, None)
        return journal["phase"], journal["rolling"], journal["rollback_to"], journal["releases"]

    @contextlib.contextmanager
    def group(self, name: str, hosts: list[str]) -> Iterator[None]:
        """The group has these hosts only, for a while."""
        text = self.inventory.read_text(encoding="utf-8")
        everything = json.loads(text)
        group = everything["all"]["children"][name]
        group["hosts"] = {host: group["hosts"][host] for host in hosts}
        self.inventory.write_text(json.dumps(everything), encoding="utf-8")
        try:
            yield
        finally:
            self.inventory.write_text(text, encoding="utf-8")


@pytest.fixture(name="site", scope="module")
def made() -> Iterator[OneColour]:
    with OneColour() as site:
        for version in ("v1", "v2", "v4"):
            site.release(version)
        site.release("v3", behaviour="broken")
        site.good("bootstrap", bluegreen_release="v1")
        yield site


def test_a_release_goes_through_all_hosts_with_nothing_lost(site: OneColour) -> None:
    before = site.journal
    told = site.good("rolling", "--check", bluegreen_release="v2").flat
    assert "v2 goes through blue, 1 at a time: blue1, blue2, epoch" in told
    assert site.journal == before
    with LoadProcess(Profile(site.port, **LOAD)) as load:
        site.good("rolling", bluegreen_release="v2")
    assert load.summary.lost == 0, load.summary.losses
    assert {"v1", "v2"} <= {answer.version for answer in load.summary.answers}, "the load has not seen the way"
    assert load.summary.answers[-1].version == "v2"
    assert site.facts() == ("settled", None, None, {"blue": "v2"})
    again = site.play("rolling", bluegreen_release="v2")
    assert (again.status, again.changed) == (0, 0), again.output
    assert "nothing to do: v2 is live on blue already" in again.output


def test_a_bad_release_stops_at_its_first_host_and_goes_back(site: OneColour) -> None:
    live = site.journal["releases"]["blue"]
    with LoadProcess(Profile(site.port, **LOAD)) as load:
        output = site.bad("rolling", bluegreen_release="v4", deploy_archive=str(site.folder / "nothing.tar.gz"))
        assert "blue1 takes requests (UP" in output, "it has what it had: nothing was unpacked"
        output = site.bad("rolling", bluegreen_release="v3", rolling_timeout=3)
        assert "v3 goes to no further host" in output
        assert "blue1 is out, no new requests go there (DOWN" in output
        assert f"Releases: blue1 v3 or what it had, not verified, blue2 {live}." in output
        assert f"rolling.yml -e bluegreen_release={live}" in output
        assert site.facts() == ("stopped", "v3", None, {"blue": live})
        assert f"v3 goes through the hosts of blue, some may have {live}" in site.good("status").flat
        assert f"to bring all hosts of blue back, run rolling.yml with {live}" in site.bad("rollback")
        back = site.good("rolling", bluegreen_release=live).flat
    assert load.summary.lost == 0, load.summary.losses
    assert {answer.version for answer in load.summary.answers} == {live}
    assert "1 at a time: blue1; blue2 has it already; blue1 is not in service" in back
    assert site.facts() == ("settled", None, None, {"blue": live})


def test_a_run_that_dies_leaves_the_others_serving_and_is_taken_up(site: OneColour) -> None:
    with LoadProcess(Profile(site.port, **LOAD)) as load:
        with site.under_way("rolling", bluegreen_release="v4") as process:
            wait_until(lambda: site.journal["rolling"] == "v4" or process.poll() is not None, "the first host is out", LIMIT)
            assert process.poll() is None, process.communicate()[0]
        site.good("rolling", bluegreen_release="v4")
    assert load.summary.lost == 0, load.summary.losses
    assert site.facts() == ("settled", None, None, {"blue": "v4"})
    assert "blue v4: 2 of 2 healthy" in site.good("status").flat


def test_what_can_not_go_through_is_refused_before_anything_changes(site: OneColour) -> None:
    before = site.journal
    with site.group("blue", ["blue1"]):
        output = site.bad("rolling", bluegreen_release="v4")
        assert "blue2 on router1 is not in the group blue of the inventory" in output
        assert "blue has 1 host: while it is out, nobody would answer" in output
    assert site.journal == before


def test_nginx_refuses() -> None:
    with OneColour(("nginx",)) as site:
        site.release("v1")
        output = site.bad("rolling", bluegreen_release="v1")
        assert "router1: shop: this kind of router can not take a single server of blue out without a reload" in output
