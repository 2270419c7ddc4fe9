# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins for routers have in common: the host's kind, its options, and the fastest way to it."""

from __future__ import annotations

import json
import os
import shlex
import time
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.provider import OPTION_SPEC as HAPROXY_OPTIONS
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.provider import OPTION_SPEC as NGINX_OPTIONS
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.command import SENTINEL
from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _zipapp

OPTIONS_BY_KIND = {"haproxy": HAPROXY_OPTIONS, "nginx": NGINX_OPTIONS}
DIRECTORY = "/usr/local/lib/turnout"
# A shell says 126 or 127 for a file that is not there or can not be run: then, and only then, nothing has happened yet.
NOT_THERE = (126, 127)


class RouterAction(ActionBase):
    """Calls the zipapp on the router, and falls back to the module of the router's kind."""

    _requires_connection = True

    def prepare(self, tmp: Any, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Read the host's variables; returns the empty result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task_vars = task_vars or {}
        # A delegated task is about the host that it is delegated to.
        delegated = self._task.delegate_to
        self.variables = self._task_vars["hostvars"][delegated] if delegated else self._task_vars
        self.router = str(self.variables.get("inventory_hostname"))
        self.kind = self._variable("bluegreen_router", "")
        if self.kind not in OPTIONS_BY_KIND:
            raise AnsibleActionFail(
                f"{self.router}: bluegreen_router is {self.kind!r}, expected one of {', '.join(sorted(OPTIONS_BY_KIND))}. "
                "Set it for the hosts of the group routers; traffic is untouched"
            )
        self.options = dict(self._variable("bluegreen_router_options", {}))
        unknown = set(self.options) - set(OPTIONS_BY_KIND[self.kind])
        if unknown:
            raise AnsibleActionFail(
                f"{self.router}: bluegreen_router_options has {', '.join(sorted(unknown))}, unknown for {self.kind}: "
                f"expected some of {', '.join(sorted(OPTIONS_BY_KIND[self.kind]))}; traffic is untouched"
            )
        return result

    def _variable(self, name: str, default: Any) -> Any:
        value = self.variables.get(name)
        return default if value is None else self._templar.template(value)

    def ask(self, params: dict[str, Any], info: bool = False) -> dict[str, Any]:
        """Do what the parameters ask for on the router; the module's return values, ``via``, and what was learned of its clock.

        A router that can not be reached is a failure like any other: a rescue must bring the others back.

        Raises:
            AnsibleActionFail: the command ended without an answer, so that what it did is not known.
        """
        began = time.time()
        try:
            answer = self._ask(params, info)
        except AnsibleConnectionFailure as error:
            words = f"{self.router}: it can not be reached ({error}). What it does with traffic now is not known"
            return {"failed": True, "reason": "unreachable", "msg": f"{words}. Next: run status.yml when it is back"}
        return {**answer, **_about_clock(answer.get("clock"), began, time.time())}

    def _ask(self, params: dict[str, Any], info: bool) -> dict[str, Any]:
        asked = {
            "kind": self.kind,
            "router": self.router,
            "info": info,
            "check_mode": self._task.check_mode,
            "params": params,
            "options": self.options,
        }
        command = os.path.join(self._variable("bluegreen_turnout_directory", DIRECTORY), _zipapp.file_name())
        answer = self._low_level_execute_command(f"{shlex.quote(command)} call {shlex.quote(json.dumps(asked))}")
        lines = [line for line in answer["stdout_lines"] if line.startswith(SENTINEL)]
        if lines:
            return {**json.loads(lines[-1][len(SENTINEL) :]), "via": "zipapp"}
        if answer["rc"] not in NOT_THERE:
            words = (answer["stderr"] or answer["stdout"]).strip()[-500:]
            raise AnsibleActionFail(
                f"{self.router}: the turnout command ended with {answer['rc']} and no answer: {words}. "
                "Whether traffic has moved is not known: run status.yml"
            )
        return self._ask_module(params, info)

    def _ask_module(self, params: dict[str, Any], info: bool) -> dict[str, Any]:
        name = f"turnout.bluegreen.{self.kind}_traffic" + ("_info" if info else "")
        given = {name: value for name, value in params.items() if value is not None}
        given.update(self.options, router=self.router)
        # Pipelining is off by default because sudo may want a terminal. Where nobody becomes anybody, it only saves round trips.
        if self._connection.has_pipelining and not self._connection.become:
            with suppress(KeyError):
                self._connection.set_option("pipelining", True)
        module = self._execute_module(module_name=name, module_args=given, task_vars=self._task_vars)
        return {**module, "via": "module"}


def _about_clock(clock: float | None, began: float, ended: float) -> dict[str, Any]:
    """Seconds that the router's clock is ahead of ours.

    It was read between ``began`` and ``ended``, which gives a least and a greatest value. Clocks that may be the same are
    taken for the same: whoever keeps them in step does that better than a question over SSH can tell.
    """
    facts: dict[str, Any] = {"took": round(ended - began, 3)}
    if clock is not None:
        facts["clock_offset"] = min(max(0.0, clock - ended), clock - began)
        facts["clock_error"] = round((ended - began) / 2, 3)
    return facts
