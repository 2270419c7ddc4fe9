from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.binomial import contradicts
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.split import Question, compare
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Split
from hypothesis import given
from hypothesis import strategies as st


def verdict(asked: int, green: int, blue: int, **more) -> str:
    return compare(Question(Split(asked), **more), {"green": green, "blue": blue}).verdict


@pytest.mark.parametrize(
    ("asked", "green", "blue", "expected"),
    [
        (25, 250, 750, "consistent"),
        (50, 250, 750, "contradicted"),
        (25, 5, 15, "too_few"),
        (25, 0, 1000, "contradicted"),
        (0, 0, 1000, "consistent"),
        (0, 1, 100_000, "contradicted"),
        (0, 0, 20, "too_few"),
        (100, 1000, 0, "consistent"),
        (100, 1000, 1, "contradicted"),
        (1, 1, 99, "consistent"),
        (1, 0, 100, "too_few"),
        (25, 0, 0, "too_few"),
    ],
)
def test_verdicts(asked, green, blue, expected):
    assert verdict(asked, green, blue) == expected


def test_colours_that_are_no_part_of_a_split_are_left_out():
    found = compare(Question(Split(25)), {"green": 250, "blue": 750, "purple": 5000})
    assert found.as_dict()["consistent"] is True
    assert "1000 answers" in found.words


def test_who_is_sticky_is_told_nothing_but_strays():
    assert verdict(25, 1000, 0, independent=False) == "not_compared"
    assert verdict(100, 1000, 0, independent=False) == "not_compared"
    assert verdict(100, 999, 1, independent=False) == "contradicted"
    assert compare(Question(Split(25), independent=False), {"green": 9}).as_dict()["consistent"] is None


def test_words_say_how_many_would_do():
    words = compare(Question(Split(50)), {"green": 10, "blue": 10}).words
    assert words == "green gave 50% of 20 answers, asked for 50%: too few samples, about 276 tell it from 40% and 60%"


@given(st.integers(0, 100), st.integers(1, 50), st.sampled_from([0.9, 0.99, 0.999]))
def test_what_is_said_to_be_needed_is_enough(asked, resolution, confidence):
    question = Question(Split(asked), confidence, resolution)
    needed = question.needed()
    assert verdict(asked, round(needed * asked / 100), needed - round(needed * asked / 100), resolution=resolution) in (
        ("consistent", "too_few") if confidence < 0.999 else ("consistent",)
    )


@given(st.integers(0, 100), st.integers(0, 400), st.integers(0, 400), st.integers(1, 50))
def test_a_claim_rules_out_the_neighbours_and_nothing_else_is_claimed(asked, green, blue, resolution):
    question = Question(Split(asked), resolution=resolution)
    found = compare(question, {"green": green, "blue": blue})
    total = green + blue
    against = [contradicts(green, total, percent / 100, 0.999) for percent in question.neighbours] if total else [False]
    if found.verdict == "consistent":
        assert all(against)
    if found.verdict == "too_few":
        assert not all(against)
    if found.interval is not None and found.verdict == "contradicted":
        assert not found.interval[0] + 0.01 < asked < found.interval[1] - 0.01


@pytest.mark.parametrize("bad", [{"confidence": 1.0}, {"confidence": 0.2}, {"resolution": 0}, {"resolution": 51}])
def test_a_question_that_makes_no_sense_is_refused(bad):
    with pytest.raises(BadInput):
        Question(Split(25), **bad)
