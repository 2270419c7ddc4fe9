# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user writes about gates."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import KEYS, Policy, parse
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.questions import (
    Difference,
    Judge,
    Limits,
    Ratio,
    Threshold,
)
from hypothesis import given
from hypothesis import strategies as st

SOURCES = {"router": ("metric",), "prometheus": ("url", "query", "range"), "command": ("argv",)}


def gate(**keys: Any) -> dict[str, Any]:
    return {"name": "p95", "source": "router", "max": 1, **keys}


def one(**keys: Any) -> Any:
    (found,) = parse([gate(**keys)], SOURCES)
    return found


def refused(*gates: Any) -> BadInput:
    with pytest.raises(BadInput) as caught:
        parse(list(gates), SOURCES)
    return caught.value


def test_a_gate_has_the_defaults_that_are_documented():
    found = one()
    assert (found.name, found.source, found.source_options) == ("p95", "router", {})
    assert found.question == Threshold(Limits(max=1.0))
    assert found.policy == Policy(0.0, 5.0, None, 1, 3, 1, "fail", True)


def test_the_interval_is_that_of_the_bake_unless_the_gate_has_its_own():
    first, second = parse([gate(), gate(name="other", interval=2)], SOURCES, interval=30)
    assert (first.policy.interval, second.policy.interval) == (30, 2)


def test_the_keys_of_the_source_are_kept_as_they_are():
    options = {"url": "http://p:9090", "query": None, "range": [1, {"a": 2}]}
    (found,) = parse([gate(source="prometheus", **options)], SOURCES)
    assert found.source_options == options


@pytest.mark.parametrize(
    ("keys", "question"),
    [
        ({"max": 1, "min": 0.5}, Threshold(Limits(1.0, 0.5))),
        ({"max": 0, "min": 0}, Threshold(Limits(0.0, 0.0))),
        ({"min": -3}, Threshold(Limits(min=-3.0))),
        ({"max_ratio": 1.3}, Ratio(Limits(1.3))),
        ({"max_ratio": "1.3", "min_ratio": 0.5, "ignore_below": 0.1}, Ratio(Limits(1.3, 0.5), 0.1)),
        ({"min_ratio": 0.5}, Ratio(Limits(min=0.5))),
        ({"max_difference": 2}, Difference(Limits(2.0))),
        ({"min_difference": -2}, Difference(Limits(min=-2.0))),
        ({"judge": {"direction": "increase"}}, Judge("increase", 0.25, 0.98, 0.6)),
        ({"judge": {"direction": "either", "tolerance": "0.1", "confidence": 0.9, "effect": 1}}, Judge("either", 0.1, 0.9, 1.0)),
        ({"judge": {"direction": "increase", "tolerance": 2}}, Judge("increase", 2.0)),
    ],
)
def test_questions(keys, question):
    assert one(**{"max": None, **keys}).question == question


def test_what_comes_from_a_template_as_text_is_understood():
    policy = one(delay="20", interval="2.5", count="3", failures_in_row="0", min_samples=4.0, critical="no").policy
    assert policy == Policy(20.0, 2.5, 3, 0, 3, 4, "fail", False)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"max": None}, "gate 'p95': found no question, expected keys of exactly one kind of question: max, min; max_ratio"),
        ({"max_ratio": 2, "judge": {}}, "gate 'p95': found max, max_ratio, judge, expected keys of exactly one kind"),
        ({"max": "much"}, "gate 'p95', max: found 'much', expected a number"),
        ({"max": True}, "gate 'p95', max: found True, expected a number"),
        ({"max": "nan"}, "gate 'p95', max: found 'nan', expected a number"),
        ({"max": 10**400}, "gate 'p95', max: found a huge number, expected a number"),
        ({"max": ["secret"]}, "gate 'p95', max: found a list, expected a number"),
        ({"min": 2}, "gate 'p95', min: found 2, expected at most the max, 1"),
        ({"max": None, "max_ratio": 0}, "gate 'p95', max_ratio: found 0, expected a number, above 0"),
        ({"max": None, "min_ratio": 0.5, "ignore_below": 1}, "gate 'p95', max_ratio: found nothing, expected a number above 0"),
        ({"max": None, "ignore_below": 1}, "gate 'p95', max_ratio: found nothing, expected a number above 0"),
        ({"max": None, "judge": "increase"}, "gate 'p95', judge: found 'increase', expected a dictionary of direction, toler"),
        ({"max": None, "judge": {}}, "gate 'p95', judge, direction: found nothing, expected one of increase, decrease, either"),
        (
            {"max": None, "judge": {"direction": "either", "tolerance": 1}},
            "gate 'p95', judge, tolerance: found 1, expected a number, at least 0, below 1",
        ),
        (
            {"max": None, "judge": {"direction": "increase", "confidence": 98}},
            "gate 'p95', judge, confidence: found 98, expected a number, at least 0.5, below 1",
        ),
        ({"max": None, "judge": {"direction": "increase", "efect": 1}}, "gate 'p95', judge: found the unknown key 'efect'"),
        ({"delay": -1}, "gate 'p95', delay: found -1, expected a number, at least 0"),
        ({"interval": 0}, "gate 'p95', interval: found 0, expected a number, at least 0.1"),
        ({"count": 0}, "gate 'p95', count: found 0, expected a number, at least 1"),
        ({"count": 1.5}, "gate 'p95', count: found 1.5, expected a whole number, at least 1"),
        ({"failures_in_row": -1}, "gate 'p95', failures_in_row: found -1, expected a number, at least 0"),
        ({"no_data": "ignore"}, "gate 'p95', no_data: found 'ignore', expected one of fail, hold, pass"),
        ({"critical": "maybe"}, "gate 'p95', critical: found 'maybe', expected true or false"),
        ({"source": "oracle"}, "gate 'p95', source: found 'oracle', expected one of router, prometheus, command"),
        ({"source": ["router"]}, "gate 'p95', source: found a list, expected one of router, prometheus, command"),
        ({"query": "up"}, "gate 'p95': found the unknown key 'query', expected of count, critical, delay"),
        ({"name": ""}, "gate 1 of 1, name: found '', expected a text of one line, at most 60 characters"),
        ({"name": "a\nb"}, "gate 1 of 1, name: found 'a\\nb', expected a text of one line"),
        ({"name": 5}, "gate 1 of 1, name: found 5, expected a text of one line"),
    ],
)
def test_mistakes_are_named(keys, message):
    assert str(refused(gate(**keys))).startswith(message)


def test_a_slip_of_the_pen_is_recognised():
    assert refused(gate(failure_in_row=1)).remedy == "did you mean failures_in_row?"


def test_two_gates_of_one_name_can_not_be_told_apart():
    assert str(refused(gate(), gate(max=2))) == "gate 'p95', name: found it twice, expected a name of its own for each gate"


@pytest.mark.parametrize("gates", [None, {}, "p95", 5])
def test_gates_are_a_list(gates):
    with pytest.raises(BadInput, match="expected a list of dictionaries"):
        parse(gates, SOURCES)


def test_any_mapping_will_do():
    (found,) = parse((MappingProxyType(gate(max=None, judge=MappingProxyType({"direction": "increase"}))),), SOURCES)
    assert found.question == Judge("increase")


def test_a_source_can_not_take_a_key_of_the_gate():
    (found,) = parse([gate(count=3)], {"router": ("metric", "count")})
    assert (found.policy.count, found.source_options) == (3, {})


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3)
ANYTHING = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3), max_leaves=6
)
SENSIBLE = st.sampled_from(
    [0, 1, 0.5, "2", "hold", "yes", "increase", {"direction": "either"}, math.nan, -1, 10**5000, "9" * 5000]
)
JUDGE = st.dictionaries(st.sampled_from(["direction", "tolerance", "confidence", "effect", "x"]), SENSIBLE | ANYTHING, max_size=4)
GATES = st.lists(
    ANYTHING
    | st.builds(
        lambda base, more: {**base, **more},
        st.sampled_from([{}, gate(), {"name": "a", "source": "router"}]),
        st.dictionaries(st.sampled_from([*KEYS, "metric", "query"]), SENSIBLE | JUDGE | ANYTHING, max_size=4),
    ),
    max_size=3,
)


def parsed(gates: Any) -> Any:
    """The gates, or the refusal; any other error is one."""
    try:
        return parse(gates, SOURCES)
    except BadInput as refusal:
        return refusal


@given(GATES | ANYTHING)
def test_whatever_is_written_is_understood_or_refused(gates):
    found = parsed(gates)
    if isinstance(found, BadInput):
        assert "gate" in str(found)
        assert len(str(found)) < 600
    else:
        assert [one.name for one in found] == [given["name"] for given in gates]
        assert len({hash(one) for one in found}) == len(found)
