# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rolling release has to do, from the looks at all routers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.turnout.bluegreen.plugins.filter.rolling import FilterModule, rolling_plan

GROUPS = {"blue": ["web1", "web:2", "web3"], "green": []}
AT_REST = {"epoch": 3, "stable": "blue", "candidate": None, "release": None, "rolling": None, "releases": {"blue": "v1"}}


def look(
    name: str, away: tuple[str, ...] = (), servers: tuple[str, ...] = ("web1", "web_2", "web3"), **journal: Any
) -> dict[str, Any]:
    found = {one: {"in_service": one not in away, "state": "DOWN" if one in away else "UP"} for one in servers}
    return {"router": name, "journal": {**AT_REST, **journal}, "servers": {"blue": found, "green": {}}}


def test_hosts_that_serve_nobody_come_first():
    found = rolling_plan([look("a"), look("b", away=("web3",))], "v2", GROUPS)
    assert (found["hosts"], found["away"]) == (["web3", "web1", "web:2"], {"web3": "b: DOWN"})
    assert (found["stable"], found["before"], found["live"], found["problem"]) == ("blue", "v1", False, "")


@pytest.mark.parametrize(
    ("journal", "live"),
    [
        ({}, True),
        ({"rolling": "v2"}, False),
        ({"release": "v2"}, False),
        ({"candidate": "green"}, False),
        ({"releases": {}}, False),
    ],
)
def test_a_release_is_live_when_all_routers_are_at_rest_with_it(journal, live):
    assert rolling_plan([look("a"), look("b", **journal)], "v1", GROUPS)["live"] is live


def test_hosts_that_a_router_or_the_inventory_does_not_know_are_named():
    problem = rolling_plan([look("a"), look("b", servers=("web1", "web_2", "web9"))], "v2", GROUPS)["problem"]
    assert problem.startswith("b does not know web3; web9 on b is not in the group blue of the inventory: correct")


def test_one_host_is_too_few():
    problem = rolling_plan([look("a", servers=("web1",))], "v2", {"blue": ["web1"]})["problem"]
    assert problem.startswith("blue has 1 host: while it is out, nobody would answer")


def test_what_is_no_look_at_servers_is_refused():
    wrong: list[list[dict[str, Any]]] = [
        [],
        [{"router": "a", "journal": AT_REST}],
        [{"router": "a", "journal": None, "servers": {}}],
    ]
    for looks in wrong:
        with pytest.raises(AnsibleFilterError):
            rolling_plan(looks, "v2", GROUPS)


def test_names_are_those_of_the_role():
    assert FilterModule().filters()["server_name"]("web 1:a.example.com") == "web_1_a.example.com"
