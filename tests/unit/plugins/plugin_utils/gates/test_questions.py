# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate asks, and the answer to it."""

from __future__ import annotations

import random
import sys

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.judge import exact_test
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.questions import (
    Answer,
    Difference,
    Judge,
    Limits,
    Measured,
    Ratio,
    Threshold,
)
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.series import Series
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.floats(-1e300, 1e300)


def series(colour: str, *values: float | None, samples: int = 1) -> Series:
    found = Series(colour)
    for at, value in enumerate(values):
        found.add(Reading(float(at), value, samples, "" if value is not None else "connection refused"))
    return found


def ask(question, candidate: float | None, stable: float | None = None) -> Answer:
    return question.answer(series("green", candidate), series("blue", stable))


@pytest.mark.parametrize(
    ("question", "candidate", "stable", "good", "words", "short"),
    [
        (Threshold(Limits(0.5)), 0.84, None, False, "0.84 is above 0.5", "0.84 (max 0.5)"),
        (Threshold(Limits(0.5)), 0.5, None, True, "0.5, limit 0.5", "0.5 (max 0.5)"),
        (Threshold(Limits(min=10)), 3, None, False, "3 is below 10", "3 (min 10)"),
        (Threshold(Limits(10, 5)), 4, None, False, "4 is below 5", "4 (min 5)"),
        (Threshold(Limits(10, 5)), 9, None, True, "9, limit 10", "9 (max 10)"),
        (Threshold(Limits(5, 5)), 3, None, False, "3 is below 5", "3 (min 5)"),
        (Threshold(Limits(1)), 1.0000001, None, False, "1.0000001 is above 1", "1.0000001 (max 1)"),
        (Ratio(Limits(1.3)), 1.8, 1, False, "1.8 times blue, limit 1.3", "1.8x blue (max 1.3)"),
        (Ratio(Limits(1.3)), 1.3, 1, True, "1.3 times blue, limit 1.3", "1.3x blue (max 1.3)"),
        (Ratio(Limits(min=0.5)), 1, 4, False, "0.25 times blue, limit 0.5", "0.25x blue (min 0.5)"),
        (Ratio(Limits(1.3), 2), 1.8, 1, True, "1.8 times blue, limit 1.3, ignored because 1.8 is below 2", "1.8x blue (max 1.3)"),
        (Ratio(Limits(1.3), 1.8), 1.8, 1, False, "1.8 times blue, limit 1.3", "1.8x blue (max 1.3)"),
        (Ratio(Limits(1.3, 0.5), 2), 1, 4, False, "0.25 times blue, limit 0.5", "0.25x blue (min 0.5)"),
        (Ratio(Limits(1.3)), 0, 0, True, "0, blue has 0", "0, blue has 0"),
        (Ratio(Limits(1.3)), 0.1, 0, False, "0.1, blue has 0: more than any ratio", "0.1, blue has 0"),
        (Ratio(Limits(1.3), 0.2), 0.1, 0, True, "0.1, blue has 0", "0.1, blue has 0"),
        (Ratio(Limits(1.3), 0.1), 0.1, 0, False, "0.1, blue has 0: more than any ratio", "0.1, blue has 0"),
        (Ratio(Limits(min=0.5)), 0, 0, True, "0, blue has 0", "0, blue has 0"),
        (Difference(Limits(0.2)), 0.8, 0.5, False, "+0.3 to blue, limit 0.2", "+0.3 to blue (max 0.2)"),
        (Difference(Limits(0.2)), 0.1, 0.5, True, "-0.4 to blue, limit 0.2", "-0.4 to blue (max 0.2)"),
        (Difference(Limits(min=-3)), 1, 5, False, "-4 to blue, limit -3", "-4 to blue (min -3)"),
    ],
)
def test_answers(question, candidate, stable, good, words, short):
    answer = ask(question, candidate, stable)
    assert (answer.good, answer.words, answer.short) == (good, words, short)


def test_value_and_limit_are_those_that_were_held_against_each_other():
    answer = ask(Ratio(Limits(1.3, 0.5)), 3, 2)
    assert (answer.value, answer.limit) == (1.5, 1.3)
    assert ask(Ratio(Limits(1.3)), 1, 0).value is None


@pytest.mark.parametrize("question", [Ratio(Limits(1)), Difference(Limits(1)), Judge("increase")])
def test_who_compares_needs_both_colours(question):
    for candidate, stable, colour in ((None, 1, "green"), (1, None, "blue")):
        answer = ask(question, candidate, stable)
        assert (answer.good, answer.words) == (None, f"no data: {colour}: connection refused")
    assert question.answer(Series("green"), series("blue", 1)).words == "no data: green: nothing was read"


def test_a_threshold_needs_the_candidate_alone():
    assert ask(Threshold(Limits(1)), 1, None).good is True
    assert ask(Threshold(Limits(1)), None, 1).good is None


@pytest.mark.parametrize(("candidate", "stable"), [(-1, 1), (1, -1), (-2, -1)])
def test_there_is_no_ratio_of_negative_values(candidate, stable):
    answer = ask(Ratio(Limits(1.3)), candidate, stable)
    assert answer.good is None
    assert "a ratio needs values of 0 or more" in answer.words


def test_too_few_events_are_no_data():
    few, enough = series("green", 1, samples=3), series("blue", 1, samples=20)
    assert Threshold(Limits(5)).answer(few, enough, 3).good is True
    assert Threshold(Limits(5)).answer(few, enough, 20).words == "no data: 3 samples of green, 20 are needed"
    assert Ratio(Limits(5)).answer(enough, few, 20).words == "no data: 3 samples of green, 20 are needed"
    assert Threshold(Limits(5)).answer(enough, few, 20).good is True


@given(VALUES, VALUES, VALUES, VALUES)
def test_limits_are_kept_where_arithmetic_says_so(candidate, stable, one, other):
    least, most = sorted((one, other))
    assert ask(Threshold(Limits(most, least)), candidate).good == (least <= candidate <= most)
    assert ask(Difference(Limits(most, least)), candidate, stable).good == (least <= candidate - stable <= most)


@given(st.floats(0, 1e300), st.floats(0, 1e300), st.floats(0.01, 100), st.floats(0, 10))
def test_ratios_are_kept_where_arithmetic_says_so(candidate, stable, most, ignored):
    good = candidate == 0 if stable == 0 else candidate / stable <= most
    assert ask(Ratio(Limits(most)), candidate, stable).good == good
    assert ask(Ratio(Limits(most), ignored), candidate, stable).good == (good or candidate < ignored)


def noise(count: int, level: float, seed: int) -> list[float]:
    chance = random.Random(seed)
    return [level * chance.lognormvariate(0, 0.1) for number in range(count)]


def test_the_judge_finds_what_is_worse_and_tolerates_what_is_near():
    blue = series("blue", *noise(40, 1.0, 1))
    worse = Judge("increase").answer(series("green", *noise(40, 1.8, 2)), blue)
    assert worse.good is False
    assert worse.words.startswith("worse: 100% of pairs above blue +25%, limit 60%, p ")
    assert worse.short == "100% of pairs above blue +25% (max 60%)"
    assert worse.value == pytest.approx(1, abs=0.001)
    assert worse.limit == 0.6
    near = Judge("increase").answer(series("green", *noise(40, 1.1, 2)), blue)
    assert near.good is True
    assert Judge("decrease").answer(series("green", *noise(40, 1.8, 2)), blue).good is True
    assert (
        Judge("decrease")
        .answer(series("green", *noise(40, 0.4, 2)), blue)
        .words.startswith("worse: 100% of pairs below blue -25%")
    )
    assert Judge("either").answer(series("green", *noise(40, 0.4, 2)), blue).good is False


def test_a_large_effect_on_few_points_proves_nothing():
    blue = series("blue", *noise(9, 1.0, 1))
    green = series("green", *noise(5, 2.0, 3), *noise(4, 1.25, 3))
    answer = Judge("increase", confidence=0.999).answer(green, blue)
    assert answer.good is True
    assert answer.words.endswith("proves nothing (0.001 would)")


def test_too_few_points_are_too_early_not_missing():
    question = Judge("increase")
    two = question.answer(series("green", 1, 2), series("blue", 1, 2, 3))
    assert (two.good, two.early) == (None, True)
    assert two.words == "too early: 2 points of green; it needs more: so few prove nothing"
    few = question.answer(series("green", *range(10)), series("blue", *range(9)), min_samples=20)
    assert (few.early, few.words) == (True, "too early: 9 points of blue, 20 are needed")


def test_where_scipy_is_needed_and_missing_the_answer_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)  # what an import of it finds where it is not installed
    exact_test.cache_clear()
    try:
        answer = Judge("increase").answer(series("green", 10, 11, 12, 13, 14), series("blue", 1, 2, 3, 4, 5))
    finally:
        exact_test.cache_clear()
    assert (answer.good, answer.early) == (None, True)
    assert answer.words == "too early: 5 points of green; it needs SciPy on the control node, or more than 8"


def test_a_source_that_has_gone_silent_is_not_judged_by_what_it_said_before():
    green, blue = Series("green"), Series("blue")
    points = tuple((float(at), 1.0) for at in range(20))
    for one in (green, blue):
        one.add(Reading(20.0, 1.0, points=points))
    assert Judge("increase").answer(green, blue).good is True
    green.add(Reading(25.0, 1.0, points=points))
    blue.add(Reading(25.0, 1.0, points=(*points, (25.0, 1.0))))
    answer = Judge("increase").answer(green, blue)
    assert (answer.good, answer.early) == (None, False)
    assert answer.words.startswith("no data: green: no new point")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (Threshold(Limits(1)), "at most 1"),
        (Threshold(Limits(1, 0.5)), "at most 1, at least 0.5"),
        (Ratio(Limits(1.3), 0.2), "at most 1.3 times blue, below 0.2 whatever the ratio"),
        (Ratio(Limits(1.3, 0.5)), "at most 1.3, at least 0.5 times blue"),
        (Difference(Limits(2)), "at most 2 more than blue"),
        (Judge("increase"), "like blue +25% (confidence 0.98, effect 0.6)"),
        (Judge("either", 0.1), "like blue +-10% (confidence 0.98, effect 0.6)"),
    ],
)
def test_questions_as_people_read_them(question, text):
    assert question.text("blue") == text


def test_a_colour_without_traffic_is_held_to_what_it_had_before():
    stable = Series("blue", 0.0, baseline=[1.0, 2.0, 9.0])
    stable.add(Reading.missing(1.0, "no requests"))
    answer = Ratio(Limits(1.3)).answer(series("green", 3), stable, 50)
    assert answer.good is None, "of the candidate, too few samples are too few"
    answer = Ratio(Limits(1.3)).answer(series("green", 3, samples=50), stable, 50)
    assert (answer.good, answer.value, answer.words) == (False, 1.5, "1.5 times blue before, limit 1.3")
    stable.add(Reading(2.0, 4.0, 50))
    answer = Ratio(Limits(1.3)).answer(series("green", 3, samples=50), stable, 50)
    assert (answer.good, answer.words) == (True, "0.75 times blue, limit 1.3")
    assert stable.measured() == [4.0]
    assert stable.samples(0.0) == [[1.0, None], [2.0, 4.0]], "what was not read is not told as if it were"


def test_the_judge_compares_with_the_values_of_before():
    baseline = [1.0 + number / 100 for number in range(20)]
    for factor, good in ((1.0, True), (3.0, False)):
        stable = Series("blue", 0.0, baseline=baseline)
        candidate = Series("green", 0.0)
        for at, value in enumerate(baseline):
            candidate.add(Reading(float(at), value * factor))
            stable.add(Reading.missing(float(at), "no requests"))
        assert list(stable.points) == baseline
        assert Judge("increase").answer(candidate, stable, 9).good is good


def test_what_is_only_measured_is_good():
    assert ask(Measured(), 7).short == "7"
    assert ask(Measured(), 7).good
    assert ask(Measured(), None).good is None
