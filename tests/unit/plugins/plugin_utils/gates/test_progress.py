# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bake from the first reading to the verdict."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import Gate, parse
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.progress import (
    ADVISORY_NO,
    FAILED,
    NO,
    NO_GOOD_ANSWER,
    PASSED,
    RUNNING,
    YES,
    Progress,
)
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.tally import IN_ALL, IN_ROW
from hypothesis import given
from hypothesis import strategies as st

BEGIN = 1000.0


def gates(*keys) -> tuple[Gate, ...]:
    return parse([{"name": f"g{number}", "source": "router", "max": 1, **one} for number, one in enumerate(keys)], {"router": ()})


def bake(*keys, duration: float = 20.0) -> Progress:
    return Progress(gates(*keys), "green", "blue", BEGIN, duration)


def reading(letter: str, at: float) -> Reading:
    """g: good, b: bad, m: missing."""
    return {"g": Reading(at, 0.5), "b": Reading(at, 2.0), "m": Reading.missing(at, "refused")}[letter]


def drive(progress: Progress, *words: str, most: int = 1000) -> list[float]:
    """Answer each gate that is due by the next letter of its word, whose last one is repeated; the times at which any was due."""
    letters = {one.gate.name: itertools.chain(word, itertools.repeat(word[-1])) for one, word in zip(progress.gates, words)}
    now, asked = BEGIN, []
    for _turn in range(most):
        due = progress.due(now)
        if due:
            asked.append(now - BEGIN)
        progress.add(now, {gate.name: {"green": reading(next(letters[gate.name]), now)} for gate in due})
        if progress.verdict(now).state != RUNNING:
            return asked
        waited = progress.wake_at(now)
        assert waited > now
        now = waited
    raise AssertionError(f"the bake does not end: {progress.verdict(now)}")


def test_a_good_candidate_passes_when_the_time_is_over():
    progress = bake({})
    assert drive(progress, "g") == [0, 5, 10, 15, 20]
    verdict = progress.verdict(BEGIN + 99)
    assert (verdict.state, verdict.at, verdict.noes) == (PASSED, BEGIN + 20, ())
    assert (verdict.evidence_seconds, verdict.first_bad_at) == (None, None)
    assert progress.gates[0].verdict == YES
    assert progress.due(BEGIN + 99) == ()


def test_one_bad_interval_among_good_ones_is_tolerated():
    progress = bake({"failures_in_row": 1})
    drive(progress, "gbggg")
    assert progress.verdict(BEGIN + 20).state == PASSED


def test_a_certain_no_ends_the_bake_at_once_and_says_all():
    progress = bake({}, {"name": "error rate"}, duration=600)
    assert drive(progress, "g", "gbb") == [0, 5, 10]
    verdict = progress.verdict(BEGIN + 10)
    assert (verdict.state, verdict.at, verdict.evidence_seconds) == (FAILED, BEGIN + 10, 5)
    (no,) = verdict.noes
    assert (no.gate, no.colour, no.reason, no.value, no.limit) == ("error rate", "green", IN_ROW, 2, 1)
    assert (no.bad, no.allowed, no.at, no.evidence_seconds) == (2, 1, BEGIN + 10, 5)
    assert no.words == (
        "error rate of green: 2 is above 1; 2 bad answers in a row, 1 allowed, 5 s since the last run of them began"
    )
    assert progress.gates[0].verdict == RUNNING


def test_from_the_first_bad_interval_to_the_decision_it_takes_less_than_15_seconds():
    progress = bake({"interval": 5, "failures_in_row": 2}, duration=600)
    drive(progress, "ggggbbb")
    verdict = progress.verdict(BEGIN + 600)
    assert (verdict.evidence_seconds, verdict.first_bad_at) == (10, BEGIN + 20)


def test_bad_answers_count_in_all_as_well():
    progress = bake({"failures_total": 2}, duration=600)
    drive(progress, "bgbgbg")
    (no,) = progress.verdict(BEGIN).noes
    assert (no.reason, no.bad, no.allowed, no.evidence_seconds) == (IN_ALL, 3, 2, 0)


def test_an_advisory_gate_stops_nothing():
    progress = bake({"critical": False}, {})
    drive(progress, "b", "g")
    verdict = progress.verdict(BEGIN + 20)
    assert (verdict.state, verdict.noes) == (PASSED, ())
    assert [no.gate for no in verdict.advisory] == ["g0"]
    assert progress.gates[0].verdict == ADVISORY_NO


def test_several_noes_at_once_are_all_named():
    progress = bake({}, {}, {"critical": False})
    drive(progress, "b", "b", "b")
    verdict = progress.verdict(BEGIN)
    assert [no.gate for no in verdict.noes] == ["g0", "g1"]
    assert [no.gate for no in verdict.advisory] == ["g2"]


def test_a_silent_candidate_is_stopped():
    progress = bake({}, duration=600)
    assert drive(progress, "m") == [0, 5]
    assert progress.verdict(BEGIN).noes[0].words.startswith("g0 of green: no data: green: refused; 2 bad answers in a row")


def test_a_gate_that_is_held_without_data_to_the_end_is_a_no():
    progress = bake({"no_data": "hold"})
    assert drive(progress, "m") == [0, 5, 10, 15, 20]
    (no,) = progress.verdict(BEGIN + 20).noes
    assert (no.reason, no.evidence_seconds) == (NO_GOOD_ANSWER, 20)
    assert no.words == "g0 of green: no data: green: refused; no data to the end"


def test_a_gate_that_is_held_now_and_then_passes():
    progress = bake({"no_data": "hold"})
    drive(progress, "mmgmm")
    assert progress.verdict(BEGIN + 20).state == PASSED


def test_no_data_can_be_good_enough():
    progress = bake({"no_data": "pass"})
    drive(progress, "m")
    assert progress.verdict(BEGIN + 20).state == PASSED


def test_a_single_bad_answer_that_is_tolerated_is_no_yes():
    progress = bake({"failures_in_row": 3}, duration=3)
    drive(progress, "b")
    (no,) = progress.verdict(BEGIN + 3).noes
    assert (no.reason, no.bad, no.allowed) == (NO_GOOD_ANSWER, 1, 3)
    assert no.words.endswith("; no good answer to the end")


def test_a_bake_without_time_takes_one_answer():
    progress = bake({}, duration=0)
    assert drive(progress, "g") == [0]
    assert progress.verdict(BEGIN).state == PASSED


def test_a_gate_answers_after_its_delay_however_short_the_bake_is():
    progress = bake({"delay": 30}, {}, duration=10)
    assert progress.due(BEGIN) == gates({}, {})[1:]
    assert drive(progress, "g", "g") == [0, 5, 10, 15, 20, 25, 30]
    assert progress.verdict(BEGIN + 30).at == BEGIN + 30


def test_what_is_read_before_the_delay_is_over_is_ignored():
    progress = bake({"delay": 10, "failures_in_row": 0})
    progress.add(BEGIN + 5, {"g0": {"green": reading("b", BEGIN + 5)}})
    assert progress.gates[0].answer is None
    assert progress.verdict(BEGIN + 5).state == RUNNING


def test_a_gate_that_is_done_is_not_asked_again_and_the_bake_goes_on():
    progress = bake({"count": 2}, {})
    assert drive(progress, "gg", "g") == [0, 5, 10, 15, 20]
    assert [one.tally.answered for one in progress.gates] == [2, 5]
    assert progress.verdict(BEGIN + 20).state == PASSED


def test_the_first_look_of_a_source_that_counts_changes_is_not_held_against_the_gate():
    progress = bake({"failures_in_row": 0}, duration=0)
    first = Reading(BEGIN, None, 0, "only one look so far", first_look=True)
    progress.add(BEGIN, {"g0": {"green": first, "blue": first}})
    assert progress.verdict(BEGIN).state == RUNNING
    assert progress.wake_at(BEGIN) == BEGIN + 5
    progress.add(BEGIN + 5, {"g0": {"green": reading("g", BEGIN + 5)}})
    assert progress.verdict(BEGIN + 5).state == PASSED


def test_a_source_that_takes_first_looks_only_has_no_data():
    progress = bake({"failures_in_row": 0}, duration=0)
    for at in (BEGIN, BEGIN + 5):
        progress.add(at, {"g0": {"green": Reading(at, None, 0, "only one look so far", first_look=True)}})
    assert progress.verdict(BEGIN + 5).state == FAILED


def test_a_colour_that_was_not_read_has_no_data():
    progress = bake({"max": None, "max_ratio": 2})
    progress.add(BEGIN, {"g0": {"green": reading("g", BEGIN)}})
    answer = progress.gates[0].answer
    assert answer
    assert answer.words == "no data: blue: nothing was read"


@pytest.mark.parametrize(("now", "due"), [(0.3, 5), (4.99, 10), (5, 10), (9.9, 10), (10, 15), (123, 125)])
def test_intervals_that_were_missed_are_not_made_up_for(now, due):
    progress = bake({}, duration=1000)
    progress.add(BEGIN, {"g0": {"green": reading("g", BEGIN)}})
    progress.add(BEGIN + now, {"g0": {"green": reading("g", BEGIN + now)}})
    assert progress.wake_at(BEGIN + now) == BEGIN + due


def test_a_bake_without_gates_passes_with_its_time():
    progress = Progress((), "green", "blue", BEGIN, 10)
    assert progress.verdict(BEGIN + 9).state == RUNNING
    assert progress.wake_at(BEGIN) == BEGIN + 10
    assert progress.verdict(BEGIN + 10).state == PASSED


def test_an_unknown_gate_is_an_error():
    with pytest.raises(KeyError):
        bake({}).add(BEGIN, {"other": {}})


def test_what_comes_after_the_end_changes_nothing():
    progress = bake({})
    drive(progress, "b")
    before = progress.verdict(BEGIN + 5)
    progress.add(BEGIN + 50, {"g0": {"green": reading("g", BEGIN + 50)}})
    assert progress.verdict(BEGIN + 50) is before


POLICY = st.fixed_dictionaries(
    {
        "failures_in_row": st.integers(0, 3),
        "failures_total": st.integers(0, 5),
        "no_data": st.sampled_from(["fail", "hold", "pass"]),
        "critical": st.booleans(),
        "delay": st.sampled_from([0, 3, 12, 40]),
        "interval": st.sampled_from([1, 5, 7.5]),
        "count": st.sampled_from([None, 1, 3]),
    }
)


def expected(word: str, policy, end: float) -> tuple[str, int]:
    """The verdict of one gate in a bake that ends then, and after how many answers; by another way than that of the code."""
    planned = int((end - policy["delay"]) // policy["interval"]) + 1
    no = NO if policy["critical"] else ADVISORY_NO
    counts = {"g": "g", "b": "b", "m": {"fail": "b", "hold": "", "pass": "g"}[policy["no_data"]]}
    for length in range(1, planned + 1):
        plain = "".join(counts[word[min(place, len(word) - 1)]] for place in range(length))
        if "b" * (policy["failures_in_row"] + 1) in plain or plain.count("b") > policy["failures_total"]:
            return no, length
        if policy["count"] and len(plain) >= policy["count"] and plain[-1] == "g":
            return YES, length
    return YES if "g" in plain else no, planned


@given(st.lists(st.tuples(st.text("gbm", min_size=1, max_size=25), POLICY), min_size=1, max_size=3))
def test_any_answers_lead_to_the_verdict_of_the_policy(plans):
    for word, policy in plans:
        progress = bake(policy)
        drive(progress, word)
        (one,) = progress.gates
        assert (one.verdict, one.tally.answered) == expected(word, policy, max(20, policy["delay"]))
    together = bake(*(policy for _word, policy in plans))
    drive(together, *(word for word, _policy in plans))
    verdict = together.verdict(BEGIN + 99)
    # All are watched until the one with the longest delay has answered.
    end = max(20, *(policy["delay"] for _word, policy in plans))
    anyone = any(expected(word, policy, end)[0] == NO for word, policy in plans)
    assert verdict.state == (FAILED if anyone else PASSED)
    assert verdict.at is not None
    assert all(no.evidence_seconds <= verdict.at - BEGIN for no in verdict.noes)
