# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines from what routers, databases and the user's commands answer."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist.checks import database_room, own, router_room, way_back
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist.lines import Line

NOW = 1_800_000_000.0
DAY = 86400
PLAN = {"stable": "blue", "epoch": "7"}  # Jinja makes texts of numbers
ROOM = {
    "name": "HAProxy",
    "connections": 10,
    "max_connections": 100,
    "open_files": 250,
    "open_files_needed": 240,
    "setting": "maxconn",
}
FLEETS = {"blue": 2, "green": 3}


def look(**changes: Any) -> dict[str, Any]:
    proof = {"at": NOW - 3 * DAY, "ms": 812.4, "lost": 0}
    return {
        "capacity": {
            "blue": {"healthy": 2, "total": 2, "sick": []},
            "green": {"healthy": 0, "total": 2, "sick": ["green1: down"]},
        },
        "split": {"blue": 100, "green": 0},
        "journal": {"epoch": 7, "rollback_proven": proof},
        "journal_error": None,
        "via": "zipapp",
        "clock": NOW,
        **changes,
    }


def way(check_mode: bool = False, **changes: Any) -> dict[str, Line]:
    return {line.check: line for line in way_back("lb1", look(**changes), PLAN, check_mode, 90)}


def statuses(found: dict[str, Line]) -> set[str]:
    return {line.status for line in found.values()}


def test_a_way_back_that_is_open() -> None:
    found = way()
    assert statuses(found) == {"pass"}
    assert list(found) == ["stable_healthy", "journal", "fast_way", "rollback_proven"]
    assert {(line.host, line.group, line.remedy) for line in found.values()} == {("lb1", "rollback", "")}
    assert found["rollback_proven"].evidence == "a rollback was tried out 3 days ago: 812 ms, 0 requests lost"


@pytest.mark.parametrize(("healthy", "status"), [(0, "fail"), (1, "warn"), (2, "pass")])
def test_the_stable_colour_must_be_healthy(healthy: int, status: str) -> None:
    seen = {"blue": {"healthy": healthy, "total": 2, "sick": ["blue2: L4CON"] if healthy < 2 else []}}
    line = way(capacity=seen)["stable_healthy"]
    assert line.status == status
    assert f"blue has {healthy} of 2 healthy servers" in line.evidence
    assert ("blue2: L4CON" in line.evidence) == (healthy < 2)
    assert bool(line.remedy) == (healthy < 2)


def test_a_colour_without_servers_is_not_healthy() -> None:
    assert way(capacity={"blue": {"healthy": 0, "total": 0, "sick": []}})["stable_healthy"].status == "fail"


def test_processes_that_do_not_agree_leave_the_share_in_doubt() -> None:
    assert "in doubt" in way(split=None)["stable_healthy"].evidence


def test_a_journal_of_another_run_is_a_failure() -> None:
    line = way(journal={"epoch": 8})["journal"]
    assert (line.status, line.evidence) == ("fail", "the journal has epoch 8, expected 7")


def test_a_journal_that_can_not_be_read_is_a_failure() -> None:
    line = way(journal=None, journal_error="it is damaged")["journal"]
    assert (line.status, line.evidence) == ("fail", "it is damaged")


def test_in_check_mode_the_claim_is_not_in_the_journal() -> None:
    assert way(check_mode=True, journal={"epoch": 6})["journal"].status == "pass"


def test_the_slow_way_is_a_warning() -> None:
    assert way(via="module")["fast_way"].status == "warn"


@pytest.mark.parametrize(
    ("proof", "status", "words"),
    [
        (None, "warn", "no rollback was ever tried out"),
        ({"at": NOW - DAY / 24, "ms": 800, "lost": 0}, "pass", "1 hours ago"),
        ({"at": NOW + 5, "ms": 800, "lost": 0}, "pass", "0 hours ago"),
        ({"at": NOW - 91 * DAY, "ms": 800, "lost": 0}, "warn", "91 days ago: 800 ms, 0 requests lost; expected within 90 days"),
        ({"at": NOW - DAY, "ms": 800, "lost": 2}, "warn", "2 requests lost"),
    ],
)
def test_a_rollback_that_was_tried_out(proof: dict[str, Any] | None, status: str, words: str) -> None:
    line = way(journal={"epoch": 7, "rollback_proven": proof})["rollback_proven"]
    assert line.status == status
    assert words in line.evidence


def test_a_journal_that_knows_no_drills() -> None:
    assert way(journal={"epoch": 7})["rollback_proven"].status == "warn"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("pass", "pass")),
        ({"connections": 80}, ("pass", "pass")),
        ({"connections": 81}, ("fail", "pass")),
        ({"connections": None}, ("warn", "pass")),
        ({"max_connections": 0}, ("fail", "pass")),
        ({"open_files": 239}, ("pass", "warn")),
    ],
)
def test_room_for_connections(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    found = router_room("lb1", [{**ROOM, **changes}], 20)
    assert tuple(line.status for line in found) == expected
    assert [bool(line.remedy) for line in found] == [status != "pass" for status in expected]


def test_each_process_has_its_lines() -> None:
    assert len(router_room("lb1", [ROOM, ROOM], 20)) == 4


def test_a_router_that_says_nothing_is_no_pass() -> None:
    assert [line.status for line in router_room("lb1", [], 20)] == ["warn"]


@pytest.mark.parametrize(
    ("database", "status"),
    [
        ({}, "warn"),
        ({"max_connections": 100, "pool": 20}, "pass"),
        ({"max_connections": 99, "pool": 20}, "fail"),
        ({"max_connections": 103, "pool": 20, "reserved": 3}, "pass"),
        ({"max_connections": 102, "pool": 20, "reserved": 3}, "fail"),
        ({"max_connections": "110", "pool": "20", "others": "10"}, "pass"),
        ({"max_connections": 110, "pool": 20, "others": 11}, "fail"),
    ],
)
def test_the_database_must_take_both_fleets(database: dict[str, Any], status: str) -> None:
    assert database_room("database", database, FLEETS).status == status
    assert database_room("database", database, {"blue": "2", "green": "3"}).status == status


def test_the_arithmetic_is_shown() -> None:
    line = database_room("database", {"max_connections": 110, "pool": 20, "reserved": 3, "others": 11}, FLEETS)
    assert (
        line.evidence == "both fleets need 111 connections ((2 blue + 3 green hosts) x 20 + 11 others) of 107 (110 - 3 reserved)"
    )


@pytest.mark.parametrize(
    "database", [{"pool": 20}, {"max_connections": 100}, {"max_connections": -1, "pool": 20}, {"max_connections": "x"}]
)
def test_a_database_that_can_not_be_meant(database: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"preflight_database: (max_connections|pool) is "):
        database_room("database", database, FLEETS)


@pytest.mark.parametrize(
    ("result", "status", "evidence"),
    [
        ({"rc": 0, "stdout": "ends in 40 days"}, "pass", "ends in 40 days"),
        ({"rc": 0, "stdout": "", "stderr": ""}, "pass", "exit status 0, and it said nothing"),
        ({"rc": 1, "stdout": "ends in 4 days"}, "warn", "ends in 4 days"),
        ({"rc": 2, "stdout": "", "stderr": "no licence"}, "fail", "no licence"),
        ({"rc": -9, "stdout": ""}, "fail", "exit status -9, and it said nothing"),
        ({"rc": 124, "stdout": "asking"}, "fail", "it did not end within 5 s. asking"),
        ({"msg": "no such file"}, "fail", "no such file"),
    ],
)
def test_a_command_of_the_user(result: dict[str, Any], status: str, evidence: str) -> None:
    line = own("lb1", {"name": "licence", "command": ["check", "it"], "timeout": 5}, result)
    assert (line.status, line.evidence, line.group) == (status, evidence, "own")
    assert line.remedy == ("" if status == "pass" else "look at check it")


def test_a_command_of_the_user_with_a_group_and_a_remedy() -> None:
    line = own("lb1", {"name": "schema", "command": ["x"], "group": "data", "remedy": "migrate"}, {"rc": 3})
    assert (line.group, line.remedy) == ("data", "migrate")
