# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lost requests an outage excuses, and where a journal's way back leads."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fleet import Look, Outage, excused
from tests.support.timeline import Loss

OUTAGE = Outage(("router1",), begin=10.0, end=12.0)


def loss(begin: float, end: float) -> Loss:
    return Loss(begin, "new", "status 503", "", (end - begin) * 1000)


@pytest.mark.parametrize(
    ("begin", "end", "answer"),
    [
        (8.0, 9.9, False),  # over before it began
        (9.0, 10.5, True),  # cut by its begin
        (10.5, 11.5, True),  # within
        (9.0, 15.0, True),  # all the time
        (11.5, 13.0, True),  # begun in it, and then the connection was gone
        (12.1, 12.2, False),  # the router served again
    ],
)
def test_a_request_is_excused_when_it_was_under_way_in_the_outage(begin: float, end: float, answer: bool) -> None:
    assert excused("router1", loss(begin, end), [OUTAGE]) is answer


def test_an_outage_excuses_nothing_on_other_routers() -> None:
    assert not excused("router2", loss(10.5, 11.5), [OUTAGE])


def test_without_an_outage_nothing_is_excused() -> None:
    assert not excused("router1", loss(10.5, 11.5), [])


@pytest.mark.parametrize(
    ("journal", "colour"),
    [
        ({"stable": "blue", "candidate": "green", "rollback_to": None, "phase": "switched"}, "blue"),
        ({"stable": "green", "candidate": None, "rollback_to": "blue", "phase": "settled"}, "blue"),
        ({"stable": "blue", "candidate": None, "rollback_to": None, "phase": "rolled_back"}, "blue"),
    ],
)
def test_the_way_back(journal: dict[str, Any], colour: str) -> None:
    assert Look(journal, {}, 0).way_back == colour
