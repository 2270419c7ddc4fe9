# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers counted by the policy of their gate."""

from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import Policy
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.questions import Answer
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.tally import IN_ALL, IN_ROW, Tally
from hypothesis import given
from hypothesis import strategies as st

GOOD = Answer(True, 1.0, 2.0, "1, limit 2", "1 (max 2)")
BAD = Answer(False, 3.0, 2.0, "3 is above 2", "3 (max 2)")
MISSING = Answer.no_data("green: refused")
EARLY = Answer(None, None, 0.6, "too early", "too early", early=True)
ANSWERS = {"g": GOOD, "b": BAD, "m": MISSING, "e": EARLY}


def counted(word: str, **policy) -> Tally:
    """The tally of answers by their letters, one in each second from 1 on."""
    tally = Tally(Policy(**policy))
    for at, letter in enumerate(word, 1):
        tally.take(ANSWERS[letter], float(at))
    return tally


@pytest.mark.parametrize(
    ("word", "policy", "violated"),
    [
        ("", {}, None),
        ("b", {}, None),
        ("bb", {}, IN_ROW),
        ("bgb", {}, None),
        ("bgbgb", {}, None),
        ("bgbgbgb", {}, IN_ALL),
        ("b", {"failures_in_row": 0}, IN_ROW),
        ("bbb", {"failures_in_row": 5, "failures_total": 2}, IN_ALL),
        ("mm", {}, IN_ROW),
        ("mb", {}, IN_ROW),
        ("mgm", {}, None),
        ("mmmm", {"no_data": "hold"}, None),
        ("bmb", {"no_data": "hold"}, IN_ROW),
        ("mmmm", {"no_data": "pass"}, None),
        ("bmb", {"no_data": "pass"}, None),
        ("eeee", {}, None),
        ("beb", {}, IN_ROW),
        ("beb", {"no_data": "pass"}, None),
    ],
)
def test_the_policy(word, policy, violated):
    assert counted(word, **policy).violated() == violated


def test_answers_are_counted_as_they_came():
    tally = counted("gbmeg")
    assert (tally.good, tally.bad, tally.missing, tally.early, tally.answered) == (2, 1, 1, 1, 5)
    assert (tally.favour, tally.against, tally.row) == (2, 2, 0)


def test_evidence_begins_with_the_first_bad_answer_of_the_run():
    assert counted("bgbb").since == 3.0
    assert counted("bg").since is None
    assert counted("bmb", no_data="hold").since == 1.0


def test_a_gate_is_not_done_on_a_bad_answer():
    assert not counted("g", count=2).done()
    assert counted("gg", count=2).done()
    assert not counted("gb", count=2).done()
    assert counted("gbg", count=2).done()
    assert not counted("gee", count=2).done()
    assert counted("gm", count=2, no_data="pass").done()
    assert not counted("gggggg").done()


def test_the_bound_that_is_nearer_is_told():
    assert counted("b").nearest() == (1, 2)
    assert counted("bgbgb").nearest() == (1, 2)
    assert counted("bgbgb", failures_in_row=2).nearest() == (3, 4)


POLICIES = st.fixed_dictionaries(
    {
        "failures_in_row": st.integers(0, 4),
        "failures_total": st.integers(0, 6),
        "no_data": st.sampled_from(["fail", "hold", "pass"]),
    }
)


def model(word: str, policy) -> bool:
    """Whether the policy is violated by just these answers, said another way: as text."""
    replaced = {"fail": ("b", ""), "hold": ("", ""), "pass": ("g", "g")}[policy["no_data"]]
    plain = word.replace("m", replaced[0]).replace("e", replaced[1])
    return "b" * (policy["failures_in_row"] + 1) in plain or plain.count("b") > policy["failures_total"]


@given(st.text("gbme", max_size=30), POLICIES)
def test_the_no_comes_exactly_at_the_first_violation(word, policy):
    tally = Tally(Policy(**policy))
    for length, letter in enumerate(word, 1):
        tally.take(ANSWERS[letter], float(length))
        assert (tally.violated() is not None) == model(word[:length], policy)
        if tally.violated():
            break
