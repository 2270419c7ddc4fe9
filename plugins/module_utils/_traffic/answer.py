# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request in, one answer out: what modules and the command on the router have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import TurnoutError
from .._router import Router
from .._routing import COLOURS
from .engine import run
from .outcome import describe
from .report import report
from .request import Request


def answer(router: Router, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do what ``params`` ask for; the module's return values.

    Raises:
        TurnoutError: it was not done.
    """
    try:
        request = Request.parse(params, check_mode)
    except TurnoutError as error:
        error.message = f"{router.name}: {params.get('service')}: {error.message}. Nothing was changed"
        raise
    return run(request, router).as_result(router)


def look(router: Router, service: str, since: str | None = None, servers: bool = False) -> dict[str, Any]:
    """What is known about the router; nothing is changed.

    Args:
        router: the router.
        service: whose traffic.
        since: cursor of an earlier look, to be told what was answered since then; empty begins to count; None asks for nothing.
        servers: also what each server does.
    """
    try:
        each = {colour: router.servers(colour) for colour in COLOURS} if servers else {}
        seen = router.observe()
        counted = {} if since is None else {"statistics": router.statistics(since).as_dict()}
    except TurnoutError as error:
        error.message = f"{router.name}: {service}: {error.message}"
        raise
    facts = describe(router, seen)
    return {
        "changed": False,
        "msg": f"{router.name}: traffic is {seen.where()}",
        "report": report(service, facts),
        **facts,
        **counted,
        **({"servers": {colour: {one.name: one.as_dict() for one in each[colour]} for colour in each}} if servers else {}),
    }


def failure(error: TurnoutError) -> dict[str, Any]:
    """The return values of a task that failed."""
    remedy = f". Next: {error.remedy}" if error.remedy else ""
    return {
        "failed": True,
        "changed": False,
        "msg": f"{error.message}{remedy}",
        "reason": error.reason,
        **error.details,
    }
