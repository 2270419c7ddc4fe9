# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checklist as a table: order, columns, width."""

from __future__ import annotations

from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist.lines import Line
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist.table import table


def line(
    check: str, status: str = "pass", host: str = "web3", group: str = "infrastructure", evidence: str = "as it should be"
) -> Line:
    return Line(check, group, host, status, evidence, "" if status == "pass" else "do something")


def test_the_whole_of_a_small_one() -> None:
    found = [
        line("clock"),
        line("session", "warn", "shop", "session", "not checked"),
        line("disk", "fail", evidence="12 MB are free"),
        line("cpu", "ignore", evidence="busy"),
    ]
    assert table("shop", found) == [
        "  checklist of shop: 1 pass, 1 warn, 1 FAIL, 1 ignored",
        "  infrastructure",
        "    FAIL     disk     web3  12 MB are free",
        "                            Next: do something",
        "    pass     clock    web3  as it should be",
        "    ignored  cpu      web3  busy",
        "  session",
        "    warn     session  shop  not checked",
        "                            Next: do something",
    ]


def test_the_failed_ones_come_first_in_their_group() -> None:
    found = [line("a"), line("b", "warn"), line("c", "fail"), line("d", "fail", group="own"), line("e", group="own")]
    words = [row.split()[1] for row in table("shop", found) if row.startswith("    ") and row[4] != " "]
    assert words == ["c", "b", "a", "d", "e"]


def test_long_evidence_is_wrapped_within_the_width() -> None:
    long = " ".join(["word"] * 100)
    rows = table(
        "shop",
        [line("a-check-with-a-name-that-is-far-too-long", "fail", "host" * 20, evidence=long), line("b", evidence="z" * 300)],
    )
    assert max(map(len, rows)) <= 120
    assert sum(row.count("word") for row in rows) == 100
    assert sum(row.count("z") for row in rows) == 300


def test_hosts_that_pass_the_same_check_are_one_row_when_they_are_many() -> None:
    fleet = [line("disk", host=f"web{number}") for number in range(50)]
    rows = table("shop", [*fleet, line("disk", "fail", "web50")])
    assert [row.split()[:3] for row in rows[2:]] == [
        ["FAIL", "disk", "web50"],
        ["Next:", "do", "something"],
        ["pass", "disk", "50"],
    ]
    assert "web0: as it should be" in rows[-1]


def test_a_few_hosts_have_a_row_each() -> None:
    assert len(table("shop", [line("disk", host=host) for host in ("a", "b", "c")])) == 5


def test_many_lines_of_one_host_have_a_row_each() -> None:
    assert len(table("shop", [line("disk") for _number in range(5)])) == 7


def test_hosts_with_the_same_next_step_share_it() -> None:
    rows = table("shop", [line("disk", "fail", "web1"), line("disk", "fail", "web2"), line("cpu", "warn", "web1")])
    assert [row.split()[0] for row in rows[2:]] == ["FAIL", "FAIL", "Next:", "warn", "Next:"]


def test_a_path_is_not_broken_at_its_hyphen() -> None:
    path = "/srv/" + "a-" * 30
    rows = table("shop", [line("disk", evidence=f"{'word ' * 12}{path}")])
    assert any(row.endswith(path) for row in rows)


def test_nothing_was_checked() -> None:
    assert table("shop", []) == ["  checklist of shop: nothing was checked"]
