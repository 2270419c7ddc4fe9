# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of the checklist: what is one, what a policy makes of it, and how a refusal reads."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils import _room
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist import lines
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist.lines import Line, counts, judge, refusal

GOOD = {"check": "disk", "group": "infrastructure", "host": "web3", "status": "fail", "evidence": "12 MB are free"}


def line(status: str = "fail", check: str = "disk", remedy: str = "make room") -> Line:
    return Line(check, "infrastructure", "web3", status, "12 MB are free", remedy)


def test_a_line_is_read() -> None:
    assert Line.parse({**GOOD, "remedy": "make room"}) == line()


def test_a_line_of_a_user_is_in_the_last_group() -> None:
    assert Line.parse({"check": "licence", "host": "web3", "status": "pass", "evidence": "good"}).group == "own"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"status": "ok"}, "status"),
        ({"status": "ignore"}, "status"),
        ({"status": None}, "status"),
        ({"group": "mine"}, "group"),
        ({"check": ""}, "check"),
        ({"host": ""}, "host"),
        ({"evidence": ""}, "evidence"),
        ({"evidence": " \n\x00"}, "evidence"),
        ({"evidence": 3}, "evidence"),
        ({"evidense": "x"}, "evidense"),
    ],
)
def test_what_is_no_line_is_refused_and_quoted(change: dict[str, Any], word: str) -> None:
    with pytest.raises(BadInput, match=rf"a line of the checklist is .*, and {word} can not be meant"):
        Line.parse({**GOOD, **change})


@pytest.mark.parametrize("value", ["disk", None, [GOOD]])
def test_a_line_is_a_dictionary(value: object) -> None:
    with pytest.raises(BadInput, match="a line of the checklist is"):
        Line.parse(value)


def test_evidence_is_one_line_without_control_characters() -> None:
    read = Line.parse({**GOOD, "evidence": "\x1b[31mred\x07\n\n  two\u2028three\x9b"})
    assert read.evidence == "[31mred two three"


def test_evidence_is_bounded() -> None:
    read = Line.parse({**GOOD, "evidence": "x" * 5000})
    assert len(read.evidence) == lines.LONGEST
    assert read.evidence.endswith("...")


@pytest.mark.parametrize(
    ("status", "policy", "expected"),
    [
        ("fail", {}, "fail"),
        ("warn", {}, "warn"),
        ("fail", {"disk": "warn"}, "warn"),
        ("fail", {"disk": "ignore"}, "ignore"),
        ("warn", {"disk": "fail"}, "fail"),
        ("pass", {"disk": "fail"}, "pass"),
        ("pass", {"disk": "ignore"}, "pass"),
        ("fail", {"memory": "ignore"}, "fail"),
    ],
)
def test_a_policy_decides_what_is_no_pass(status: str, policy: dict[str, str], expected: str) -> None:
    assert [one.status for one in judge([line(status)], policy)] == [expected]


def test_a_policy_may_name_checks_that_this_release_does_not_have() -> None:
    assert judge([line()], dict.fromkeys(lines.KNOWN, "warn"))[0].status == "warn"


def test_a_policy_may_name_a_check_of_the_user() -> None:
    assert judge([line(check="licence")], {"licence": "warn"})[0].status == "warn"


@pytest.mark.parametrize(
    ("policy", "words"),
    [({"dsik": "warn"}, "'dsik', which there is not"), ({"disk": "never"}, "disk is 'never'"), ({"disk": None}, "None")],
)
def test_a_policy_that_can_not_be_meant_is_refused(policy: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        judge([line()], policy)


def test_counting() -> None:
    assert counts([line("pass"), line("pass"), line("ignore")]) == {"pass": 2, "warn": 0, "fail": 0, "ignore": 1}


def test_a_refusal_has_each_failed_line_and_no_other() -> None:
    words = refusal([line("pass", "clock"), line("warn", "cpu"), line(), line(check="schema", remedy="")])
    assert words == (
        "the checklist has 2 lines that failed: web3: disk: 12 MB are free. Next: make room; web3: schema: 12 MB are free"
    )
    assert refusal([line()]).startswith("the checklist has one line that failed: ")
    assert refusal([line("warn")]) == ""


def test_both_sides_use_the_same_words() -> None:
    assert (_room.PASS, _room.WARN, _room.FAIL) == (lines.PASS, lines.WARN, lines.FAIL)
