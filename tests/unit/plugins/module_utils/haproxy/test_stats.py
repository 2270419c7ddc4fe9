# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ``show stat``: who serves, what is under way, and why a server does not serve."""

from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import NotConfigured, SocketError
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy import stats
from hypothesis import given
from hypothesis import strategies as st

COLUMNS = (
    *("pxname", "svname", "qcur", "qmax", "scur", "smax", "status", "weight", "check_status", "check_code", "last_chk"),
    *("req_tot", "hrsp_5xx", "econ", "eresp"),
)
SERVES = {"UP": True, "UP 1/3": True}
IS_SICK = dict.fromkeys(["DOWN", "DOWN 1/2", "MAINT", "MAINT (via a/b)", "DRAIN", "NOLB", "no check"], False)


def line(backend: str, name: str, **values: object) -> str:
    given = {"pxname": backend, "svname": name, "status": "UP", "weight": "1", **values}
    return ",".join(str(given.get(column, "")) for column in COLUMNS) + ","


def reply(*lines: str) -> str:
    return "\n".join(["# " + ",".join(COLUMNS) + ",", *lines])


def read(*lines: str) -> list[dict[str, str]]:
    return stats.rows(reply(*lines), "shop_blue", "/s")


BACKEND = line("shop_blue", "BACKEND", scur=3, qcur=2, req_tot=70, hrsp_5xx=1)


@given(st.lists(st.tuples(st.sampled_from(sorted({**SERVES, **IS_SICK})), st.integers(0, 3))))
def test_only_a_server_that_is_up_and_has_weight_is_healthy(servers):
    lines = [line("shop_blue", f"b{n}", status=status, weight=weight) for n, (status, weight) in enumerate(servers)]
    capacity = stats.capacity(read(*lines, BACKEND))
    healthy = [status in SERVES and weight > 0 for status, weight in servers]
    assert (capacity.healthy, capacity.total) == (sum(healthy), len(servers))
    assert [text.partition(":")[0] for text in capacity.sick] == [f"b{n}" for n, up in enumerate(healthy) if not up]


def test_a_sick_server_says_why():
    sick = line("shop_blue", "b1", status="DOWN", check_status="L7STS", check_code=503, last_chk='"no, ""not"" yet"')
    drained = line("shop_blue", "b2", weight=0)
    blind = line("shop_blue", "b3", status="no check")
    assert stats.capacity(read(sick, drained, blind, BACKEND)).sick == (
        'b1: DOWN L7STS 503 no, "not" yet',
        "b2: UP weight 0",
        "b3: has no health check",
    )


def test_sessions_and_queue_of_the_backend_are_in_flight():
    assert stats.in_flight(read(line("shop_blue", "b1", scur=9), BACKEND)) == 5
    assert stats.in_flight(read(line("shop_blue", "BACKEND"))) == 0


def test_other_backends_do_not_count():
    found = read(line("shop_blue2", "b1"), line("shop_blue", "b1"), BACKEND)
    assert [row["svname"] for row in found] == ["b1", "BACKEND"]


def test_counters_are_those_of_the_backend():
    assert stats.counters(read(line("shop_blue", "b1", req_tot=3), BACKEND)) == {
        "requests": 70,
        "http_5xx": 1,
        "connect_errors": 0,
        "response_errors": 0,
    }


@pytest.mark.parametrize("answer", ["No such proxy.", "# pxname,svname,qcur"])
def test_a_backend_that_is_not_there_is_a_matter_of_configuration(answer):
    with pytest.raises(NotConfigured, match="no backend shop_blue") as caught:
        stats.rows(answer, "shop_blue", "/s")
    assert "backends" in caught.value.remedy


def test_a_frontend_of_that_name_is_no_backend():
    with pytest.raises(NotConfigured, match="not a backend"):
        read(line("shop_blue", "FRONTEND"))


@pytest.mark.parametrize("answer", ["", "Permission denied", "pxname,svname\nshop_blue,BACKEND"])
def test_an_answer_that_is_no_table_is_quoted(answer):
    with pytest.raises(SocketError, match="not understood"):
        stats.rows(answer, "shop_blue", "/s")
