# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checklist of a release, on a site with two routers: what it prints, what stops it, and that traffic is untouched then."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_router import KINDS
from tests.support.ready import set_up
from tests.support.site import COLOURS, Done, Site, flat

QUICK = {"bake_seconds": 1, "bake_interval": 0.5, "bake_max_latency_ms": 10_000, "verify_interval": 0.1}
ROUTERS = ("haproxy", "nginx") if "nginx" in KINDS else ("haproxy", "haproxy")
HUGE_MB = 10**9
DATABASE = {"max_connections": 100, "reserved": 3, "pool": 20}
LICENCE = {"name": "licence", "command": ["echo", "ends in 40 days"], "where": "control", "group": "data"}


class Abroad(Site):
    """A site whose control node is not in the time zone of Greenwich."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "TZ": "Asia/Tokyo", "ANSIBLE_PIPELINING": "1"}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Bootstrapped with v1; no test but the last brings a release to its end."""
    with Abroad(variables=QUICK, routers=ROUTERS) as made:
        set_up(made, "v1")
        made.release("v2")
        yield made


@pytest.fixture
def untouched(site: Site) -> Iterator[None]:
    """Traffic stays where it is, nothing is deployed, and nobody holds the service afterwards."""
    yield
    for router in site.routers.values():
        assert router.answer() == ("blue", "v1")
        assert (router.journal["candidate"], router.journal["lease"]) == (None, None)
    assert [list((site.folder / "hosts" / host).iterdir()) for host in COLOURS["green"]] == [[], []]


def with_host(site: Site, host: str, **variables: Any) -> None:
    """More variables of one host of a colour."""
    everything = json.loads(site.inventory.read_text(encoding="utf-8"))
    for colour, names in COLOURS.items():
        if host in names:
            everything["all"]["children"][colour]["hosts"][host].update(variables)
    site.inventory.write_text(json.dumps(everything), encoding="utf-8")


def rows(done: Done) -> list[str]:
    """The lines of the table, from its title on."""
    lines = done.output.splitlines()
    titles = [number for number, line in enumerate(lines) if line.startswith("  checklist of shop: ")]
    assert titles, done.output
    begin = titles[0]
    length = next(number for number, line in enumerate(lines[begin:]) if not line.startswith("  "))
    return lines[begin : begin + length]


def checked(done: Done) -> dict[tuple[str, str], str]:
    """Status by check and host, as the table says."""
    found = (re.match(r" {4}(\w+) +(\S+) +((?:\d+ hosts|control node|\S+)) ", row) for row in rows(done))
    return {(match[2], match[3]): match[1] for match in found if match}


@pytest.mark.usefixtures("untouched")
def test_a_rehearsal_prints_the_whole_table(site: Site) -> None:
    done = site.play(
        "release",
        "--check",
        bluegreen_release="v2",
        preflight_database=DATABASE,
        preflight_own_checks=[LICENCE, {"name": "twins", "command": ["sh", "-c", "echo one is old; exit 1"], "where": "routers"}],
    )
    assert done.status == 0, done.output
    table, found = rows(done), checked(done)
    assert max(map(len, table)) <= 120
    assert [row.strip() for row in table if re.match(r"  \w+$", row)] == ["infrastructure", "data", "session", "rollback", "own"]
    for router in site.routers:
        for check in ("stable_healthy", "journal", "fast_way", "router_connections"):
            assert found[check, router] == "pass", table
        assert found["rollback_proven", router] == "warn"
        assert found["twins", router] == "warn"
    for check in ("disk", "memory", "open_files", "clock"):
        assert found[check, "4 hosts"] == "pass", table
    assert found["database_connections", "database"] == "pass"
    assert found["session", "shop"] == "warn"
    assert found["licence", "control node"] == "pass"
    text = flat(" ".join(table))
    assert "both fleets need 80 connections ((2 blue + 2 green hosts) x 20 + 0 others) of 97 (100 - 3 reserved)" in text
    assert "blue has 2 of 2 healthy servers, and 100% of the traffic" in text
    assert "ends in 40 days" in text
    assert "one is old" in text
    assert done.output.count("checklist of shop: ") == 1


@pytest.mark.usefixtures("untouched")
def test_what_failed_is_named_and_stops_the_release(site: Site, tmp_path: Path) -> None:
    """A full disk of one host, a command that fails, and a line of a task of the user: all of them in one answer."""
    tasks = tmp_path / "mine.yml"
    line = {"check": "schema", "group": "data", "host": "{{ inventory_hostname }}", "status": "fail", "evidence": "half done"}
    append = {"preflight_results": "{{ preflight_results + [mine] }}"}
    tasks.write_text(
        json.dumps(
            [
                {
                    "name": "Look at the schema",
                    "ansible.builtin.set_fact": append,
                    "vars": {"mine": line},
                    "when": "preflight_where == 'control'",
                }
            ]
        ),
        encoding="utf-8",
    )
    with_host(site, "green2", preflight_min_free_mb=HUGE_MB)
    try:
        done = site.play(
            "release",
            bluegreen_release="v2",
            preflight_tasks=str(tasks),
            preflight_own_checks=[{**LICENCE, "command": ["no-such-command"], "remedy": "buy one"}],
        )
    finally:
        site.write_inventory()
    assert done.status != 0, done.output
    found, output = checked(done), done.flat
    assert found["disk", "green2"] == "FAIL"
    assert found["disk", "green1"] == "pass"
    assert "the checklist has 3 lines that failed: " in output
    assert re.search(rf"green2: disk: \d+ MB are free at \S+, expected at least {HUGE_MB}\. Next: make room at ", output)
    assert re.search(r"control node: licence: timeout: .*no-such-command.*\. Next: buy one", output)
    assert "router1: schema: half done" in output
    assert "Traffic is untouched: all of it is on blue" in output
    assert "Deploy the release" not in output
    assert {router.journal["phase"] for router in site.routers.values()} == {"abandoned"}


def test_a_policy_lets_a_release_pass(site: Site) -> None:
    """The same failures, one as a warning and one ignored."""
    with_host(site, "green2", preflight_min_free_mb=HUGE_MB)
    try:
        done = site.play(
            "release",
            bluegreen_release="v2",
            preflight_policy={"disk": "warn"},
            preflight_own_checks=[{**LICENCE, "command": ["false"], "policy": "ignore"}],
        )
    finally:
        site.write_inventory()
    assert done.status == 0, done.output
    found = checked(done)
    assert found["disk", "green2"] == "warn"
    assert found["licence", "control node"] == "ignored"
    assert {router.answer() for router in site.routers.values()} == {("green", "v2")}
