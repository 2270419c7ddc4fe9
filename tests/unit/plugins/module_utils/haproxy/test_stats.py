# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ``show stat``: who serves, what is under way, and why a server does not serve."""

from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput, NotConfigured, SocketError
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy import stats
from ansible_collections.turnout.bluegreen.plugins.module_utils._statistics import Answered
from hypothesis import given
from hypothesis import strategies as st

COLUMNS = (
    *("pxname", "svname", "qcur", "qmax", "scur", "smax", "status", "weight", "check_status", "check_code", "last_chk"),
    *("req_tot", "hrsp_5xx", "srv_abrt", "qtime", "ctime", "rtime"),
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
    backend = line("shop_blue", "BACKEND", req_tot=70, hrsp_5xx=1, srv_abrt=2, qtime=1, ctime=2, rtime=30)
    assert stats.counters(read(line("shop_blue", "b1", req_tot=3), backend)) == stats.Counters(70, 3, 33.0)


def found(blue, green):
    return {"blue": stats.Counters(*blue), "green": stats.Counters(*green)}


def test_what_was_answered_since_is_the_difference_of_the_counters():
    first = stats.since("", {"1-lb-9": found((100, 7, 5.0), (0, 0, 0.0))})
    assert first.answered["blue"] == Answered()
    now = {"1-lb-9": found((130, 8, 4.0), (10, 0, 20.0)), "2-lb-9": found((10, 1, 8.0), (0, 0, 0.0))}
    second = stats.since(first.cursor, now)
    assert second.answered == {"blue": Answered(40, 2, None, 5.0), "green": Answered(10, 0, None, 20.0)}
    assert second.doubts == ()
    assert stats.since(second.cursor, now).answered["blue"] == Answered()


def test_a_process_that_has_ended_is_told():
    first = stats.since("", {"1-lb-9": found((100, 7, 5.0), (0, 0, 0.0))})
    second = stats.since(first.cursor, {"2-lb-9": found((3, 0, 1.0), (0, 0, 0.0))})
    assert second.answered["blue"].requests == 3
    assert second.doubts == ("HAProxy's process 1-lb-9 has ended: its last requests are not counted",)


@pytest.mark.parametrize("cursor", ["x", "[]", '{"a": 1}', '{"a": {"blue": [1]}}', "12:3"])
def test_a_cursor_of_another_kind_is_refused(cursor):
    with pytest.raises(BadInput, match="cursor"):
        stats.since(cursor, {})


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
