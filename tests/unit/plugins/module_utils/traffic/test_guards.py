# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guards: no answer is never yes, and what force overrides is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import Fenced, JournalError, Refused, Unhealthy
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Journal
from ansible_collections.turnout.bluegreen.plugins.module_utils._router import Observation
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import COLOURS, Capacity, Routing, Split
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic import guards
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import Request
from hypothesis import given
from hypothesis import strategies as st

capacities = st.builds(lambda healthy, sick: Capacity(healthy, healthy + sick), st.integers(0, 4), st.integers(0, 4))
splits = st.builds(Split, st.integers(0, 100))
ALL_BLUE = Split(0)
JOURNAL = Journal("shop", "blue", Routing(ALL_BLUE), epoch=4)


def seeing(in_force: Split | None = ALL_BLUE, **values: Any) -> Observation:
    routing = Routing(in_force) if in_force else None
    seen = Observation(routing, routing, dict.fromkeys(COLOURS, Capacity(2, 2)), dict.fromkeys(COLOURS, 0), 1e9, JOURNAL)
    return replace(seen, **values)


def request(**params: Any) -> Request:
    return Request("shop", "switched", **params)


@given(st.none() | splits, splits, capacities, capacities, st.none() | st.integers(0, 100), st.sampled_from([0, 100]))
def test_weight_is_gained_only_by_a_colour_that_is_fit_for_it(now, target, blue, green, min_healthy, default):
    seen = seeing(now, capacity={"blue": blue, "green": green})
    percent = default if min_healthy is None else min_healthy
    gaining = [c for c in COLOURS if target.percent(c) > (now.percent(c) if now else 0)]
    fit = all(
        seen.capacity[c].healthy > 0 and seen.capacity[c].healthy * 100 >= percent * seen.capacity[c].total for c in gaining
    )
    try:
        guards.need_capacity(request(min_healthy=min_healthy), seen, Routing(target), default)
        assert fit
    except Unhealthy:
        assert not fit
    guards.need_capacity(request(min_healthy=min_healthy, force=True), seen, Routing(target), default)


def test_a_sick_colour_may_lose_weight():
    seen = seeing(Split(50), capacity={"blue": Capacity(2, 2), "green": Capacity(0, 2)})
    guards.need_capacity(request(), seen, Routing(Split(0)), 100)


def test_a_sick_colour_is_named_with_its_servers_and_the_rest():
    seen = seeing(Split(0), capacity={"blue": Capacity(1, 2), "green": Capacity(0, 1, ("g1: DOWN",))})
    with pytest.raises(Unhealthy) as caught:
        guards.need_capacity(request(), seen, Routing(Split(5)), 100)
    assert "green is not fit for traffic: the router sees 0 of 1 healthy (g1: DOWN)" in caught.value.message
    assert "blue has 1 of 2" in caught.value.message
    assert "force" in caught.value.remedy


def test_a_router_in_doubt_has_no_routing():
    with pytest.raises(Refused, match="in doubt: two words"):
        guards.need_routing(seeing(None, doubts=("two words",)))


def test_a_lost_journal_is_never_made_up():
    with pytest.raises(JournalError, match="no journal"):
        guards.need_journal(request(split=Split(100)), seeing(journal=None))
    damaged = JournalError("cut off")
    with pytest.raises(JournalError, match="cut off"):
        guards.need_journal(request(split=Split(100)), seeing(journal=None, journal_error=damaged))
    with pytest.raises(JournalError):  # where traffic is must be known at least
        guards.need_journal(request(split=Split(100), force=True), seeing(None, journal=None))


@pytest.mark.parametrize(("epoch", "error"), [(None, Fenced), (3, Fenced), (5, JournalError)])
def test_an_epoch_is_the_newest_or_refused(epoch, error):
    with pytest.raises(error):
        guards.need_epoch(request(epoch=epoch), JOURNAL)
    assert guards.need_epoch(request(epoch=4), JOURNAL) == JOURNAL


def test_check_mode_goes_on_from_a_claim_that_was_only_checked():
    found = guards.need_epoch(request(epoch=5, check_mode=True), JOURNAL)
    assert (found.epoch, found.candidate) == (5, "green")
    assert guards.need_epoch(request(epoch=6, check_mode=True), JOURNAL).epoch == 6
    with pytest.raises(Fenced):
        guards.need_epoch(request(epoch=3, check_mode=True), JOURNAL)


@pytest.mark.parametrize("epoch", [None, 4, 5])
def test_only_an_older_epoch_is_refused_everywhere(epoch):
    guards.refuse_older(request(epoch=epoch), seeing())
    with pytest.raises(Fenced):
        guards.refuse_older(request(epoch=3), seeing())


def test_without_a_release_there_is_no_candidate():
    with pytest.raises(Refused, match="phase idle"):
        guards.need_candidate(JOURNAL)
    assert guards.need_candidate(replace(JOURNAL, candidate="green")) == "green"


def test_a_force_that_overrides_nothing_is_not_on_record():
    assert guards.forced(request(force=True), seeing(), Routing(Split(100))) == ""
