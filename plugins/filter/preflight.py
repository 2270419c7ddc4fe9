# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of the checklist, for the role preflight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import TurnoutError
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist import checks

Lines = list[dict[str, str]]


def way_back_checks(
    look: Mapping[str, Any], host: str, plan: Mapping[str, Any], check_mode: bool = False, max_proof_days: float = 90
) -> Lines:
    """Whether a rollback would work on a router; see :func:`checks.way_back`."""
    try:
        return [line.as_dict() for line in checks.way_back(host, look, plan, check_mode, float(max_proof_days))]
    except (LookupError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"way_back_checks: {host}: expected the result of traffic_info and plan_now, and found {error!r}"
        ) from error


def router_room_checks(limits: Sequence[Mapping[str, Any]], host: str, min_free_percent: float = 20) -> Lines:
    """Room for connections on a router; see :func:`checks.router_room`."""
    try:
        return [line.as_dict() for line in checks.router_room(host, limits, float(min_free_percent))]
    except (LookupError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"router_room_checks: {host}: expected the limits of haproxy_process_info or nginx_process_info, and found {error!r}"
        ) from error


def database_room_check(database: Mapping[str, Any], host: str, fleets: Mapping[str, Any]) -> dict[str, str]:
    """Whether the database can take the connections of both fleets; see :func:`checks.database_room`."""
    try:
        return checks.database_room(host, database, fleets).as_dict()
    except TurnoutError as error:
        raise AnsibleFilterError(f"{error.message}: {error.remedy}. Traffic is untouched") from error


def own_check(result: Mapping[str, Any], host: str, check: Mapping[str, Any]) -> dict[str, str]:
    """What a command of the user means; see :func:`checks.own`."""
    try:
        return checks.own(host, check, result).as_dict()
    except TurnoutError as error:
        raise AnsibleFilterError(f"preflight_own_checks: {error.message}: {error.remedy}. Traffic is untouched") from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function of each."""
        return {
            "way_back_checks": way_back_checks,
            "router_room_checks": router_room_checks,
            "database_room_check": database_room_check,
            "own_check": own_check,
        }
