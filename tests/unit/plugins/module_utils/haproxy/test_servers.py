# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single servers of a HAProxy: what two answers say about one process, and what all processes together say."""

from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import SocketError
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy import servers
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.servers import Seen, merge

UP = Seen(healthy=True, drained=False, in_service=True, in_flight=1, state="UP")
OUT = Seen(healthy=True, drained=True, in_service=False, in_flight=1, state="DRAIN")
DOWN = Seen(healthy=False, drained=False, in_service=False, in_flight=0, state="DOWN")
UNDERSTOOD = "1\n# be_name srv_name srv_op_state srv_admin_state\nb web1 {op} {admin}\n"


def parse(status: str, op: int, admin: int, **row: str) -> Seen:
    line = {"svname": "web1", "status": status, "weight": "1", "scur": "2", "qcur": "1", "throttle": "", **row}
    found = servers.parse([line, {**line, "svname": "BACKEND"}], UNDERSTOOD.format(op=op, admin=admin), "/s")
    assert list(found) == ["web1"]
    assert found["web1"].in_flight == 3
    return found["web1"]


@pytest.mark.parametrize(
    ("status", "op", "admin", "healthy", "drained", "in_service"),
    [
        ("UP", 2, 0x00, True, False, True),
        ("UP 1/3", 2, 0x00, True, False, True),
        ("DRAIN", 2, 0x08, True, True, False),
        ("DRAIN", 2, 0x10, True, True, False),
        ("DOWN", 0, 0x08, False, True, False),  # the status does not say that it is drained
        ("DOWN", 0, 0x00, False, False, False),
        ("MAINT", 2, 0x01, False, False, False),
        ("MAINT (resolution)", 2, 0x20, False, False, False),
        ("NOLB", 3, 0x00, False, False, False),
        ("UP", 2, 0x40, True, False, True),  # only its name was set
    ],
)
def test_state_and_administration_are_told_apart(status, op, admin, healthy, drained, in_service):
    seen = parse(status, op, admin)
    assert (seen.healthy, seen.drained, seen.in_service) == (healthy, drained, in_service)


@pytest.mark.parametrize("row", [{"weight": "0"}, {"throttle": "7"}])
def test_one_that_has_a_part_of_its_share_is_not_yet_in_service(row):
    seen = parse("UP", 1, 0, **row)
    assert (seen.healthy, seen.in_service) == (True, False)


@pytest.mark.parametrize(
    "reply", ["", "Can't find backend.", "2\n# srv_name\n", UNDERSTOOD.format(op=2, admin=0).replace("web1", "x")]
)
def test_an_answer_that_is_not_understood_is_quoted(reply):
    with pytest.raises(SocketError, match="show servers state"):
        servers.parse([{"svname": "web1"}], reply, "/s")


def test_processes_that_disagree_are_taken_at_their_worst():
    (one,) = merge([{"a": UP}, {"a": DOWN}], [])
    assert (one.healthy, one.in_service, one.drained, one.state) == (False, False, False, "DOWN")
    (one,) = merge([{"a": OUT}, {"a": UP}], [])
    assert (one.healthy, one.in_service, one.drained) == (True, False, False)


def test_a_worker_that_a_reload_has_left_counts_for_what_is_in_flight_and_for_drain_and_not_for_health():
    (one,) = merge([{"a": OUT}], [{"a": UP}, {"b": UP}])
    assert (one.in_flight, one.drained, one.healthy) == (2, False, True)
    (one,) = merge([{"a": UP}], [{"a": DOWN}])
    assert (one.healthy, one.in_service) == (True, True)


def test_a_server_that_one_process_does_not_know_is_not_in_service():
    (one,) = merge([{"a": UP}, {}], [])
    assert (one.healthy, one.in_service) == (False, False)
