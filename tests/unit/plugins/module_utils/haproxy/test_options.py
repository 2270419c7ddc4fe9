# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provider options: code, documentation and defaults say the same."""

from __future__ import annotations

from dataclasses import fields

import pytest
import yaml
from ansible_collections.turnout.bluegreen.plugins.doc_fragments import haproxy
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.options import SPEC, HAProxyOptions
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.provider import OPTION_SPEC, make_router

DOCUMENTED = yaml.safe_load(haproxy.ModuleDocFragment.DOCUMENTATION)["options"]


def test_every_option_is_documented_as_it_is():
    documented = {
        name: {key: value for key, value in option.items() if key != "description"} for name, option in DOCUMENTED.items()
    }
    assert documented == SPEC == OPTION_SPEC


def test_every_option_is_a_field_and_every_field_an_option():
    assert [field.name for field in fields(HAProxyOptions)] == list(SPEC)


@pytest.mark.parametrize("params", [{}, dict.fromkeys(SPEC)])
def test_what_is_not_given_has_its_default(params):
    options = HAProxyOptions.parse("shop", params)
    assert options.backends == {"blue": "shop_blue", "green": "shop_green"}
    assert options.sockets == tuple(DOCUMENTED["sockets"]["default"])
    assert options.map_file == DOCUMENTED["map_file"]["default"]


def test_what_is_given_counts():
    options = HAProxyOptions.parse(
        "shop", {"sockets": ["/a", "/b"], "master_sockets": [], "backends": {"green": "g"}, "socket_timeout": 2, "state": "x"}
    )
    assert options.sockets == ("/a", "/b")
    assert options.master_sockets == ()
    assert options.backends == {"blue": "shop_blue", "green": "g"}
    assert options.socket_timeout == 2.0


@pytest.mark.parametrize("params", [{"sockets": []}, {"backends": {"red": "shop_red"}}])
def test_what_can_not_be_meant_is_refused(params):
    with pytest.raises(BadInput):
        HAProxyOptions.parse("shop", params)


def test_a_router_carries_its_name_and_can_do_all():
    router = make_router("lb1", "shop", {})
    assert router.name == "lb1"
    can = router.capabilities()
    assert (can.weights, can.sticky, can.counts_in_flight, can.sees_health, can.cuts) == (True,) * 5
