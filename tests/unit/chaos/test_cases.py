# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of faults has all of them, evenly."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from tests.chaos.cases import KINDS, MOMENTS, ORDER, Case, draw
from tests.chaos.faults import HOST_FAULTS

ROUTERS = ("router1", "router2", "router3", "router4")


def cases(count: int, seed: int = 1) -> list[Case]:
    return list(islice(draw(seed, ROUTERS), count))


def test_every_kind_has_its_turn_and_every_fault_of_a_host_is_a_kind() -> None:
    assert set(ORDER) == set(KINDS)
    assert set(HOST_FAULTS) < set(KINDS)


@pytest.mark.parametrize("seed", range(5))
def test_one_round_has_every_kind(seed: int) -> None:
    assert {case.kind for case in cases(len(ORDER), seed)} == set(KINDS)


@pytest.mark.parametrize("seed", range(5))
def test_150_faults_have_every_kind_at_every_moment(seed: int) -> None:
    found = Counter((case.kind, case.moment.name) for case in cases(150, seed))
    assert [(kind, name) for kind in KINDS for name in MOMENTS[kind] if not found[kind, name]] == []


def test_faults_of_a_kind_go_round_the_routers() -> None:
    found = Counter(case.router for case in cases(len(ORDER) * 4) if case.kind == "cut")
    assert found == dict.fromkeys(ROUTERS, 1)


def test_the_same_seed_gives_the_same_list_and_another_seed_another_one() -> None:
    assert cases(50) == cases(50)
    assert cases(50) != cases(50, seed=2)


def test_only_some_kinds() -> None:
    chosen = list(islice(draw(1, ROUTERS, ["cut", "freeze"]), 6))
    assert [case.kind for case in chosen] == ["cut", "freeze"] * 3
    assert len({case.release for case in chosen}) == 6
