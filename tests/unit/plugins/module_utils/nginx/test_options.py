# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provider options: code, documentation and defaults say the same."""

from __future__ import annotations

from dataclasses import fields

import pytest
import yaml
from ansible_collections.turnout.bluegreen.plugins.doc_fragments import nginx
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.ask import Address
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.options import SPEC, NginxOptions
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.provider import OPTION_SPEC, make_router

DOCUMENTED = yaml.safe_load(nginx.ModuleDocFragment.DOCUMENTATION)["options"]


def test_every_option_is_documented_as_it_is():
    documented = {
        name: {key: value for key, value in option.items() if key != "description"} for name, option in DOCUMENTED.items()
    }
    assert documented == SPEC == OPTION_SPEC


def test_every_option_is_a_field_and_every_field_an_option():
    assert [field.name for field in fields(NginxOptions)] == list(SPEC)


@pytest.mark.parametrize("params", [{}, dict.fromkeys(SPEC)])
def test_what_is_not_given_has_its_default(params):
    options = NginxOptions.parse(params)
    assert options.preview == Address("127.0.0.1", 8404)
    assert options.directory == DOCUMENTED["directory"]["default"]
    assert options.health_timeout == DOCUMENTED["health_timeout"]["default"]


def test_what_is_given_counts():
    options = NginxOptions.parse({"preview": "[::1]:99", "health_timeout": 2, "state": "x"})
    assert options.preview == Address("::1", 99)
    assert options.health_timeout == 2.0


@pytest.mark.parametrize(
    "params",
    [{"preview": "127.0.0.1"}, {"preview": "a:b"}, {"preview": "a:0"}, {"health_timeout": 0}, {"socket_timeout": float("nan")}],
)
def test_what_can_not_be_meant_is_refused(params):
    with pytest.raises(BadInput, match=next(iter(params))):
        NginxOptions.parse(params)


def test_a_router_carries_its_name_and_ends_nobodys_requests():
    router = make_router("lb1", "shop", {})
    assert router.name == "lb1"
    can = router.capabilities()
    assert (can.weights, can.sticky, can.counts_in_flight, can.sees_health, can.cuts) == (True, True, True, True, False)


def test_a_service_that_is_no_name_is_refused():
    with pytest.raises(BadInput):
        make_router("lb1", "../shop", {})
