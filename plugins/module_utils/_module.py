# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where an error of the engine becomes an Ansible failure."""

from __future__ import annotations

import platform
from typing import Any, Callable

from ._errors import TurnoutError
from ._router import Router
from ._traffic.answer import answer, failure, look

MakeRouter = Callable[[str, str, Any], Router]
INFO_SPEC: dict[str, dict[str, Any]] = {
    "service": {"type": "str", "required": True},
    "statistics_since": {"type": "str"},
    "servers": {"type": "bool", "default": False},
}
NAME_SPEC: dict[str, dict[str, Any]] = {"router": {"type": "str"}}


def run_module(module: Any, make_router: MakeRouter) -> None:
    """Run a ``*_traffic`` module to its exit.

    Args:
        module: the ``AnsibleModule``.
        make_router: the provider: host name, service and options to a router.
    """
    try:
        router = _router(module, make_router)
        result = answer(router, module.params, module.check_mode)
    except TurnoutError as error:
        module.fail_json(**failure(error))
    module.exit_json(**result)


def run_info_module(module: Any, make_router: MakeRouter) -> None:
    """Run a ``*_traffic_info`` module to its exit."""
    try:
        asked = module.params
        result = look(_router(module, make_router), asked["service"], asked["statistics_since"], asked["servers"])
    except TurnoutError as error:
        module.fail_json(**failure(error))
    module.exit_json(**result)


def _router(module: Any, make_router: MakeRouter) -> Router:
    return make_router(module.params["router"] or platform.node(), module.params["service"], module.params)
