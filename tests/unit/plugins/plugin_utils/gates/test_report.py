# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see of a bake, and what is left of it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import parse
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.progress import RUNNING, Progress
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.report import LONGEST_LINE, Screen, closing, line, result
from hypothesis import given
from hypothesis import strategies as st

BEGIN = 1000.0
TITLE = "bake 25% green"


def bake(*keys, duration: float = 60.0) -> Progress:
    described = [{"name": f"g{number}", "source": "router", "max": 1, **one} for number, one in enumerate(keys)]
    return Progress(parse(described, {"router": ()}), "green", "blue", BEGIN, duration)


def add(progress: Progress, after: float, **values: float | None) -> float:
    """Values by the name of the gate, of green; blue has 1."""
    now = BEGIN + after
    progress.add(
        now,
        {
            name: {"green": Reading(now, value, why="" if value is not None else "refused"), "blue": Reading(now, 1.0)}
            for name, value in values.items()
        },
    )
    return now


def test_a_line_tells_the_time_left_and_how_each_gate_stands():
    progress = bake({"name": "rate"}, {"name": "p95", "max": None, "max_ratio": 1.3}, {"name": "later", "delay": 60})
    for after, ratio in ((0, 1.0), (5, 1.1), (10, 1.8)):
        now = add(progress, after, rate=0.12, p95=ratio)
    assert line(TITLE, progress, now) == (
        "  bake 25% green: 50 s left | rate 0.12 (max 1) ok ▁▁▁ | p95 1.8x blue (max 1.3) BAD 1/2 ▁▂█ | later waits 50 s"
    )


@pytest.mark.parametrize(
    ("keys", "values", "part"),
    [
        ({}, [2, 2], "g0 2 (max 1) BAD 2/2 ▁▁"),
        ({"failures_in_row": 5, "failures_total": 2}, [2, 0, 2], "g0 2 (max 1) BAD 2/3 █▁█"),
        ({"critical": False}, [2, 2], "g0 2 (max 1) BAD 2/2 (advisory) ▁▁"),
        ({}, [None], "g0 no data: green: refused BAD 1/2 ·"),
        ({"no_data": "hold"}, [0.5, None], "g0 no data: green: refused hold ▁·"),
        ({"no_data": "pass"}, [None], "g0 no data: green: refused pass ·"),
        ({"count": 1}, [0.5], "g0 0.5 (max 1) done ▁"),
        ({"max": None, "judge": {"direction": "increase"}}, [1], "g0 too early: 1 point of green ▁"),
        ({}, [], "g0 waits"),
    ],
)
def test_marks(keys, values, part):
    progress = bake(keys)
    now = BEGIN
    for number, value in enumerate(values):
        now = add(progress, number * 5.0, g0=value)
    assert line(TITLE, progress, now).split(" | ")[1] == part


def test_when_the_time_is_over_the_line_says_so():
    progress = bake({"delay": 20}, duration=10)
    assert line(TITLE, progress, BEGIN + 12).startswith("  bake 25% green: waits for the last answers | g0 waits 8 s")
    now = add(progress, 20, g0=0.5)
    assert line(TITLE, progress, now).startswith("  bake 25% green: over | g0 0.5 (max 1) ok")


def test_a_gate_that_had_no_good_answer_to_the_end_is_marked():
    progress = bake({"no_data": "hold"}, duration=0)
    now = add(progress, 0, g0=None)
    assert progress.verdict(now).state == "failed"
    assert "g0 no data: green: refused NO ·" in line(TITLE, progress, now)


def test_with_many_gates_the_bad_ones_come_first_and_the_good_ones_are_counted():
    progress = bake(*({"name": f"gate number {number}"} for number in range(24)))
    values = {f"gate number {number}": 2.0 if number in (11, 20) else 0.5 for number in range(24)}
    now = add(progress, 0, **values)
    shown = line(TITLE, progress, now)
    assert shown.startswith(
        "  bake 25% green: 60 s left | gate number 11 2 (max 1) BAD 1/2 ▁ | gate number 20 2 (max 1) BAD 1/2 ▁ | "
    )
    assert shown.endswith(" | +20 ok")
    assert 150 < len(shown) <= LONGEST_LINE


def test_with_very_many_bad_gates_those_without_room_are_counted():
    progress = bake(*({"name": f"gate number {number}"} for number in range(24)), {"delay": 5}, {})
    now = add(progress, 0, g25=0.5, **{f"gate number {number}": 2.0 for number in range(24)})
    assert line(TITLE, progress, now).endswith(" | +20 bad, +1 waiting, +1 ok")


NAME = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=60)


@given(
    st.text(max_size=80),
    st.lists(
        st.tuples(NAME, st.lists(st.none() | st.floats(-1e308, 1e308), max_size=15)), max_size=30, unique_by=lambda one: one[0]
    ),
)
def test_no_line_is_too_long_and_none_hides_that_a_gate_is_bad(title, gates):
    progress = bake(*({"name": name, "failures_in_row": 20, "failures_total": 20} for name, _values in gates))
    now = BEGIN
    for turn in range(15):
        now = add(progress, turn * 5.0, **{name: values[turn] for name, values in gates if turn < len(values)})
    shown = line(title, progress, now)
    assert len(shown) <= LONGEST_LINE
    assert len(shown.splitlines()) == 1
    bad = any(one.tally.row for one in progress.gates)
    if bad:
        first = shown.split(": ", 1)[1]
        assert " BAD " in first or " bad" in first or " NO " in first
    json.dumps(result(progress, now, 0.0), allow_nan=False)


def test_the_end_in_one_sentence():
    progress = bake({"name": "p95"}, {"name": "rate", "critical": False})
    assert closing(TITLE, progress, BEGIN + 1) == "bake 25% green: 59 s left"
    add(progress, 0, p95=2, rate=3)
    add(progress, 5, p95=2, rate=3)
    assert closing(TITLE, progress, BEGIN + 5) == (
        "bake 25% green: failed after 5 s: "
        "p95 of green: 2 is above 1; 2 bad answers in a row, 1 allowed, 5 s since the last run of them began; "
        "advisory: rate of green: 3 is above 1; 2 bad answers in a row, 1 allowed, 5 s since the last run of them began"
    )


def test_a_bake_that_ends_on_a_blip_says_so():
    progress = bake({"name": "p95"}, {}, duration=5)
    add(progress, 0, p95=0.5, g1=0.5)
    now = add(progress, 5, p95=2, g1=0.5)
    assert closing(TITLE, progress, now) == (
        "bake 25% green: passed after 5 s: 2 gates watched; p95 ended on 1 bad answer, 1 allowed in a row"
    )
    assert [row["bad_in_row"] for row in result(progress, now, 0.0)["gates"]] == [1, 0]


def test_the_result_has_everything_in_plain_types():
    progress = bake({"name": "p95", "max": None, "max_ratio": 1.3, "interval": 5}, {"critical": False})
    add(progress, 0, p95=1, g1=0.5)
    add(progress, 5, p95=2, g1=None)
    now = add(progress, 10, p95=2.5, g1=0.5)
    found = result(progress, now + 5, wall=2_000_015.0004)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    words = "p95 of green: 2.5 times blue, limit 1.3; 2 bad answers in a row, 1 allowed, 5 s since the last run of them began"
    assert {key: value for key, value in found.items() if key != "gates"} == {
        "baseline": {"p95": [1.0, 1.0, 1.0]},
        "verdict": "failed",
        "candidate": "green",
        "stable": "blue",
        "seconds": 60.0,
        "stopped_after_seconds": 10.0,
        "evidence_seconds": 5.0,
        "first_bad_at": 2_000_005.0,
        "reasons": [words],
        "advisory": [],
    }
    assert found["gates"][0] == {
        "name": "p95",
        "source": "router",
        "critical": True,
        "question": "at most 1.3 times blue",
        "verdict": "no",
        "value": 2.5,
        "limit": 1.3,
        "words": "2.5 times blue, limit 1.3",
        "answers": {"good": 1, "bad": 2, "missing": 0, "early": 0},
        "bad_in_row": 2,
        "why_no": {
            "reason": "failures_in_row",
            "bad": 2,
            "allowed": 1,
            "after_seconds": 10.0,
            "evidence_seconds": 5.0,
            "words": words,
        },
        "samples": {"green": [[0.0, 1.0], [5.0, 2.0], [10.0, 2.5]], "blue": [[0.0, 1.0], [5.0, 1.0], [10.0, 1.0]]},
    }
    second = found["gates"][1]
    assert (second["verdict"], second["critical"], second["why_no"]) == ("running", False, None)
    assert second["answers"] == {"good": 2, "bad": 0, "missing": 1, "early": 0}
    assert second["samples"]["green"] == [[0.0, 0.5], [5.0, None], [10.0, 0.5]]


def test_a_bake_that_runs_has_no_end_in_its_result():
    found = result(bake({}), BEGIN, 0.0)
    assert (found["verdict"], found["stopped_after_seconds"]) == (RUNNING, None)
    assert (found["evidence_seconds"], found["first_bad_at"]) == (None, None)
    assert found["gates"][0]["words"] == "nothing was read"


def test_the_screen_shows_the_first_line_then_what_is_new_then_a_sign_of_life():
    progress, screen = bake({"failures_in_row": 9}), Screen(every=10)
    assert screen.wants(BEGIN, progress)
    assert not screen.wants(BEGIN + 5, progress)
    assert screen.wants(add(progress, 5, g0=0.5), progress)
    assert not screen.wants(add(progress, 10, g0=0.6), progress)
    assert screen.wants(add(progress, 11, g0=2), progress)
    assert not screen.wants(add(progress, 20, g0=2), progress)
    assert screen.wants(add(progress, 21, g0=2), progress)


def test_what_is_new_within_a_second_is_shown_after_it():
    progress, screen = bake({"failures_in_row": 9, "interval": 0.1}), Screen()
    assert screen.wants(add(progress, 0, g0=0.5), progress)
    assert not screen.wants(add(progress, 0.5, g0=2), progress)
    assert screen.wants(BEGIN + 1, progress)
    assert not screen.wants(add(progress, 1.1, g0=0.5), progress)
    assert not screen.wants(add(progress, 1.2, g0=2), progress)
    assert not screen.wants(BEGIN + 3, progress)


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from([0.5, 2.0, None])), max_size=60), st.floats(0, 20))
def test_the_screen_is_never_flooded(steps, every):
    progress, screen = bake({"failures_in_row": 99, "failures_total": 99}), Screen(every)
    printed, after = [], 0.0
    for pause, value in steps:
        after += pause
        now = add(progress, after, g0=value)
        if screen.wants(now, progress):
            printed.append(now)
    assert all(later - earlier >= 1 for earlier, later in zip(printed, printed[1:]))
    assert len(printed) > 0 or not steps
