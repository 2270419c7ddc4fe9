# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests: spec, documentation and value object say the same, and nothing that can not be meant gets through."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest
import yaml
from ansible_collections.turnout.bluegreen.plugins.doc_fragments import router
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Split
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic import servers
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.plan import _PLANNERS
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import REQUIRED_IF, SPEC, STATES, Request

FRAGMENT = router.ModuleDocFragment
DOCUMENTED = {**yaml.safe_load(FRAGMENT.DOCUMENTATION)["options"], **yaml.safe_load(FRAGMENT.TRAFFIC)["options"]}
ENOUGH: dict[str, Any] = {
    "service": "shop",
    "split": {"green": 100},
    "colour": "green",
    "release": "v2",
    "epoch": 1,
    "at": 1.5,
    "rollback_ms": 3.1,
    "lost": 0,
    "servers": ["web1"],
}


def test_every_option_is_documented_as_it_is():
    documented = {
        name: {key: value for key, value in option.items() if key != "description"} for name, option in DOCUMENTED.items()
    }
    assert documented == SPEC


def test_every_field_is_an_option_and_every_option_a_field():
    assert {field.name for field in fields(Request)} - {"check_mode"} == set(SPEC)


def test_defaults_are_the_same_by_every_way_in():
    plain = {field.name: field.default for field in fields(Request) if field.default is not MISSING}
    for name, option in SPEC.items():
        if "default" in option and name != "state":
            assert plain[name] == (tuple(option["default"]) if option["type"] == "list" else option["default"])


def test_every_state_is_planned_or_waited_for():
    assert set(STATES) == set(_PLANNERS) | {"healthy", "drained", "committed", *servers.STATES}
    assert SPEC["state"]["choices"] == list(STATES)


@pytest.mark.parametrize("state", STATES)
def test_a_request_that_has_all_it_needs_is_understood(state):
    request = Request.parse({**ENOUGH, "state": state, "sockets": ["/other/options/are/ignored"], "phase": None})
    assert (request.state, request.split, request.phase) == (state, Split(100), None)
    assert not request.check_mode
    assert Request.parse({**ENOUGH, "state": state}, check_mode=True).check_mode


def test_check_mode_is_not_an_option():
    assert Request.parse({**ENOUGH, "state": "switched", "check_mode": False}, check_mode=True).check_mode


@pytest.mark.parametrize(("state", "name"), [(state, name) for _if, state, names in REQUIRED_IF for name in names])
def test_what_a_state_needs_is_named(state, name):
    with pytest.raises(BadInput, match=f"state {state} needs {name}"):
        Request.parse({**ENOUGH, "state": state, name: None})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service", None),
        ("service", "a/b"),
        ("state", None),
        ("state", "off"),
        ("split", {"green": 50, "blue": 51}),
        ("split", {}),
        ("colour", "red"),
        ("sticky", "glue"),
        ("min_healthy", -1),
        ("min_healthy", 101),
        ("lease_seconds", 0),
        ("window_seconds", -1),
        ("timeout", 0),
        ("timeout", -3.0),
        ("timeout", float("nan")),
        ("answer", "perhaps"),
        ("hold_on_timeout", "stop"),
        ("drift", "ignore"),
        ("rollback_ms", -1.0),
        ("rollback_ms", float("nan")),
        ("lost", -1),
        ("interval", 0),
        ("interval", float("nan")),
    ],
)
def test_what_can_not_be_meant_is_refused(name, value):
    with pytest.raises(BadInput):
        Request.parse({**ENOUGH, "state": "switched", name: value})
