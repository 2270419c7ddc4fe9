# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The value objects: what they accept, and that a journal survives its own text."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput, JournalError
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import (
    ANSWERS,
    JOURNAL_FORMAT,
    ON_TIMEOUT,
    Hold,
    Journal,
    Lease,
    Proof,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal_file import decode, encode
from ansible_collections.turnout.bluegreen.plugins.module_utils._router import Observation
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import COLOURS, STICKY, Capacity, Routing, Split, other
from hypothesis import given
from hypothesis import strategies as st

percents = st.integers(0, 100)
colours = st.sampled_from(COLOURS)
seconds = st.floats(0, 4e9, allow_nan=False)
splits = st.builds(Split, percents, st.none() | colours)
routings = st.builds(Routing, splits, st.sampled_from(STICKY))
holds = st.builds(
    Hold,
    percents,
    seconds,
    seconds,
    st.sampled_from(ON_TIMEOUT),
    st.none() | st.sampled_from(ANSWERS),
    st.text(),
    st.none() | seconds,
)
journals = st.builds(
    Journal,
    service=st.from_regex(r"\A[a-z][a-z0-9_.-]{0,20}\Z"),
    stable=colours,
    routing=routings,
    epoch=st.integers(0, 2**40),
    candidate=st.none() | colours,
    release=st.none() | st.text(),
    rollback_to=st.none() | colours,
    hot_until=st.none() | seconds,
    releases=st.dictionaries(colours, st.text()),
    phase=st.text(),
    lease=st.none() | st.builds(Lease, st.text(), st.text(), seconds),
    changed_at=seconds,
    changed_by=st.text(),
    forced=st.text(),
    hold=st.none() | holds,
    drill=st.none() | st.text(),
    rollback_proven=st.none() | st.builds(Proof, seconds, seconds, st.integers(0, 9)),
    rolling=st.none() | st.text(),
)
#: Fields that a journal of an earlier version does not have.
LATER = ("hold", "drill", "rollback_proven", "rolling")
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | colours,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("colour", COLOURS)
def test_the_other_of_the_other_is_the_colour(colour):
    assert other(other(colour)) == colour != other(colour)


@given(percents)
def test_every_split_round_trips_whole_and_by_one_colour(green):
    split = Split(green)
    assert Split.parse(split.as_dict()) == split
    assert Split.parse({"green": green}) == split == Split.parse({"blue": 100 - green})
    assert Split.parse({"green": str(green), "blue": f" {100 - green} "}) == split
    assert sum(split.percent(colour) for colour in COLOURS) == 100


@given(st.integers(-300, 300), st.integers(-300, 300))
def test_weights_that_do_not_add_up_are_refused(blue, green):
    weights = {"blue": blue, "green": green}
    if blue + green == 100 and 0 <= blue <= 100:
        assert Split.parse(weights).as_dict() == weights
    else:
        with pytest.raises(BadInput):
            Split.parse(weights)


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"red": 100},
        {"green": "many"},
        {"green": None},
        {"green": 12.5},
        {"green": True},
        {"green": "1_0"},
        {"cohort": "green"},
        {"green": 0, "cohort": "red"},
        {"green": 0, "cohort": ["green"]},
    ],
)
def test_a_weight_that_can_not_be_meant_is_refused(weights):
    with pytest.raises(BadInput):
        Split.parse(weights)


@given(splits, splits)
def test_a_cohort_is_traffic_and_a_split_with_one_is_no_end(split, former):
    assert Split.parse(split.as_dict()) == split
    for colour in COLOURS:
        assert split.serves(colour) == (split.percent(colour) > 0 or split.cohort == colour)
        assert (colour in split.gaining(None)) == split.serves(colour)
        if colour in split.gaining(former):
            assert split.percent(colour) > former.percent(colour) or (split.cohort == colour and former.cohort != colour)
        if split.cohort:
            assert split != Split.all_on(colour)
    assert split.gaining(split) == []


@pytest.mark.parametrize("green", [-1, 101, True, 50.0, "50", None])
def test_a_split_holds_whole_percents_only(green):
    with pytest.raises(BadInput):
        Split(green)


def test_a_split_in_words_names_only_colours_with_traffic():
    assert str(Split(0)) == "100% blue"
    assert str(Split(0, "green")) == "100% blue, the cohort on green"
    assert str(Routing(Split(25), "cookie")) == "75% blue, 25% green, sticky by cookie"


@given(st.integers(0, 50), st.integers(0, 50), percents)
def test_capacity_is_never_enough_without_a_healthy_server(healthy, sick, percent):
    capacity = Capacity(healthy, healthy + sick)
    assert capacity.enough(percent) == (healthy > 0 and healthy / (healthy + sick) * 100 >= percent - 1e-9)


def test_an_observation_in_doubt_says_why():
    seen = Observation(None, None, {}, {}, 0.0, doubts=("processes disagree", "no master"))
    assert seen.where() == "in doubt: processes disagree; no master"


@given(journals)
def test_a_journal_round_trips_through_its_text(journal):
    assert decode(encode(journal)) == journal


@given(journals, st.data())
def test_every_cut_of_a_journal_is_a_journal_error(journal, data):
    text = encode(journal)
    end = data.draw(st.integers(0, len(text) - 2))  # the last character is only a newline
    with pytest.raises(JournalError):
        decode(text[:end])


@given(journals, st.data())
def test_a_journal_without_one_of_its_fields_is_a_journal_error(journal, data):
    record = journal.as_dict()
    del record[data.draw(st.sampled_from(sorted(set(record) - set(LATER))))]
    with pytest.raises(JournalError):
        Journal.from_dict(record)


@given(journals)
def test_a_journal_of_an_earlier_version_is_read(journal):
    record = {name: value for name, value in journal.as_dict().items() if name not in LATER}
    assert Journal.from_dict(record) == replace(journal, hold=None, drill=None, rollback_proven=None, rolling=None)


@given(holds, st.data(), json_values)
def test_a_garbled_hold_is_a_journal_error_or_a_hold_that_round_trips(hold, data, value):
    record = Journal("shop", "blue", Routing(Split(0)), hold=hold).as_dict()
    record["hold"][data.draw(st.sampled_from(sorted(record["hold"])))] = value
    try:
        found = Journal.from_dict(record)
    except JournalError:
        return
    assert decode(encode(found)) == found


@given(journals, st.data(), json_values)
def test_a_garbled_field_is_a_journal_error_or_a_journal_that_round_trips(journal, data, value):
    record = journal.as_dict()
    record[data.draw(st.sampled_from(sorted(record)))] = value
    try:
        found = Journal.from_dict(record)
    except JournalError:
        return
    assert decode(encode(found)) == found
    assert found.hot_until is None or isinstance(found.hot_until, float)
    assert found.routing.sticky in STICKY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("releases", ["v1"]),
        ("releases", None),
        ("releases", {"red": "v1"}),
        ("lease", ["run"]),
        ("lease", {"run": "a"}),
        ("lease", {"run": "a", "owner": "b", "until": "soon"}),
        ("lease", {"run": "a", "owner": "b", "until": float("nan")}),
        ("lease", {"run": "a", "owner": "b", "until": 1.0, "seconds": 0}),
        ("routing", "blue"),
        ("routing", {"green": 101, "sticky": "none"}),
        ("routing", {"green": 50, "sticky": "glue"}),
        ("epoch", float("inf")),
        ("epoch", None),
        ("epoch", "many"),
        ("epoch", -2),
        ("stable", "red"),
        ("candidate", "red"),
        ("rollback_to", 7),
        ("hot_until", "tomorrow"),
        ("hot_until", float("inf")),
        ("release", {"id": "v1"}),
        ("changed_at", None),
        ("format", "1"),
        ("format", True),
    ],
)
def test_what_no_journal_ever_says_is_a_journal_error(field, value):
    record = {**Journal("shop", "blue", Routing(Split(0)), releases={"blue": "v1"}).as_dict(), field: value}
    with pytest.raises(JournalError):
        Journal.from_dict(record)


@pytest.mark.parametrize("text", ["", "null", "[]", "1", '"x"', "{}", "[" * 100_000, "\x00", '{"\udcff": 1}'])
def test_a_text_that_is_no_journal_is_a_journal_error(text):
    with pytest.raises(JournalError):
        decode(text)


@given(st.integers(JOURNAL_FORMAT + 1, 10**9))
def test_a_newer_format_is_named_with_the_way_out(number):
    record = Journal("shop", "blue", Routing(Split(0))).as_dict()
    with pytest.raises(JournalError, match=f"format {number}") as caught:
        decode(json.dumps({**record, "format": number}))
    assert "newer turnout.bluegreen" in caught.value.remedy
