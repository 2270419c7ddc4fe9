# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from the looks at all routers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.turnout.bluegreen.plugins.filter.fleet import FilterModule, fleet, skew_ms


def look(name: str, **journal: Any) -> dict[str, Any]:
    return {
        "router": name,
        "split": {"blue": 100, "green": 0},
        "journal": {"epoch": 1, "stable": "blue", "candidate": None, **journal},
    }


def test_the_next_epoch_is_newer_than_every_router_has():
    found = fleet([look("a", epoch=3), look("b", epoch=7), look("c")])
    assert (found["epoch"], found["reference"]["epoch"], found["problem"]) == (8, 7, "")
    assert found["summary"] == "traffic is 100% blue on all 3 routers"


def test_a_router_without_a_journal_is_named():
    found = fleet([look("a"), {"router": "b", "split": None, "journal": None, "journal_error": "it is cut off"}])
    assert "b: it is cut off" in found["problem"]
    assert found["summary"] == "the routers do not agree: traffic is 100% blue on a; in doubt on b"


def test_routers_of_one_epoch_that_lead_to_different_colours_do_not_agree():
    found = fleet([look("a"), look("b", stable="green"), look("c", epoch=0, stable="green")])
    assert "a has blue, b has green: run rollback.yml" in found["problem"]
    found = fleet([look("a", candidate="green"), look("b", candidate="blue", stable="green")])
    assert "candidate" in found["problem"]


def test_a_release_that_was_interrupted_between_two_routers_is_no_disagreement():
    assert fleet([look("a", candidate="green"), look("b", stable="green")])["problem"] == ""


def test_flips_are_compared_on_one_clock():
    assert skew_ms([10.0, 110.012, 9.5], [0, 100, -0.5]) == pytest.approx(12.0)
    assert set(FilterModule().filters()) == {"fleet", "skew_ms"}


@pytest.mark.parametrize("call", [lambda: fleet([]), lambda: fleet([{}]), lambda: skew_ms([], []), lambda: skew_ms([1], [])])
def test_what_is_no_look_is_refused(call):
    with pytest.raises(AnsibleFilterError):
        call()
