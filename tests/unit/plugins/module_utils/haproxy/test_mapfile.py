# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map file: one service changes, every other line stays, and HAProxy reads what was meant."""

from __future__ import annotations

import re

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import NotConfigured
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy import mapfile
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import COLOURS, STICKY, Routing, Split
from hypothesis import given
from hypothesis import strategies as st

cohorts = st.sampled_from([None, *COLOURS])
routings = st.builds(Routing, st.builds(Split, st.integers(0, 100), cohorts), st.sampled_from(STICKY))
WITH_COHORT = {"shop/cohort": "0"}
own_lines = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", " ", "\t"]),
    st.sampled_from(["shop", "shop/sticky", "shop/cohort"]),
    st.sampled_from([" ", "\t", "   "]),
    st.sampled_from(["0", "100", "nonsense", "7 \t", "1\r"]),
)
# Everything but a newline ends no line for HAProxy, which reads with fgets(3).
any_character = st.characters(exclude_characters="\n", exclude_categories=["Cs"])
other_lines = st.one_of(
    st.just(""),
    st.text(any_character, max_size=12).map("# {}".format),
    st.builds("{} {}".format, st.sampled_from(["cart", "cart/sticky", "shop2", "shop/other", "Shop"]), st.text(any_character)),
    st.sampled_from(["shop\x0b100", "shop\u00a0100", "#shop 100", "# shop 100", "   ", "cart 100\r"]),
)


def texts(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def is_own(line: str) -> bool:
    return re.fullmatch(r"[ \t]*(shop|shop/sticky|shop/cohort)([ \t\r].*)?", line, re.DOTALL) is not None


@given(st.lists(st.one_of(own_lines, other_lines), max_size=8), routings, st.booleans())
def test_only_the_service_changes_and_nothing_changes_twice(lines, routing, ended):
    text = texts(lines) if ended else texts(lines)[:-1]
    values = mapfile.encode("shop", routing, WITH_COHORT, "map")
    after = mapfile.replace(text, values)
    assert mapfile.decode("shop", mapfile.parse(after), "map") == routing
    assert mapfile.replace(after, values) == after
    assert after.endswith("\n")
    kept = [line for line in after.split("\n")[:-1] if not is_own(line)]
    before = text.split("\n")[:-1] if text.endswith("\n") or not text else text.split("\n")
    assert kept == [line for line in before if not is_own(line)]
    assert sum(is_own(line) for line in after.split("\n")) == 3


@given(routings)
def test_a_routing_round_trips_and_the_percent_acts_last(routing):
    values = mapfile.encode("shop", routing, WITH_COHORT, "map")
    assert mapfile.decode("shop", values, "map") == routing
    assert list(values) == ["shop/cohort", "shop/sticky", "shop"]


def test_a_map_without_a_cohort_keeps_its_keys_and_refuses_one():
    values = mapfile.encode("shop", Routing(Split(5)), {}, "map")
    assert list(values) == ["shop/sticky", "shop"]
    assert mapfile.decode("shop", values, "map") == Routing(Split(5))
    with pytest.raises(NotConfigured, match="the cohort of shop") as caught:
        mapfile.encode("shop", Routing(Split(0, "green")), {}, "map")
    assert "haproxy_services" in caught.value.remedy


def test_values_stay_where_their_key_first_was():
    text = "# split\nshop 0\ncart 40\nshop/sticky 0\nshop 99\n\n"
    values = {"shop": "100", "shop/sticky": "1"}
    assert mapfile.replace(text, values) == "# split\nshop 100\ncart 40\nshop/sticky 1\n\n"


def test_missing_keys_are_added_at_the_end():
    assert mapfile.replace("", {"shop": "5"}) == "shop 5\n"
    assert mapfile.replace("cart 1", {"shop": "5"}) == "cart 1\nshop 5\n"


def test_the_first_line_of_a_key_counts_and_comments_do_not():
    assert mapfile.parse("#shop 1\n\nshop 2 \n shop 3\ncart\n") == {"shop": "2", "cart": ""}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"shop": "0"},
        {"shop/sticky": "0"},
        {"shop": None, "shop/sticky": "0"},
        {"shop": "", "shop/sticky": "0"},
        {"shop": "many", "shop/sticky": "0"},
        {"shop": "101", "shop/sticky": "0"},
        {"shop": "-1", "shop/sticky": "0"},
        {"shop": "1_0", "shop/sticky": "0"},
        {"shop": "\u0665", "shop/sticky": "0"},
        {"shop": "0", "shop/sticky": "3"},
        {"shop": "0", "shop/sticky": "cookie"},
        {"shop": "0", "shop/sticky": "0", "shop/cohort": "3"},
        {"shop": "0", "shop/sticky": "0", "shop/cohort": "green"},
    ],
)
def test_what_a_switch_never_writes_is_named_with_its_place(values):
    with pytest.raises(NotConfigured, match=r"^/etc/split\.map") as caught:
        mapfile.decode("shop", values, "/etc/split.map")
    assert "bootstrap" in caught.value.remedy
