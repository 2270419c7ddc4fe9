# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task for any router: picks the provider by the host's kind and takes the fastest way to it."""

from __future__ import annotations

import json
import os
import shlex
import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.provider import (
    OPTION_SPEC as HAPROXY_OPTIONS,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.command import SENTINEL
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import REQUIRED_IF, SPEC
from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _zipapp
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._run import known_dead, owner, run_id

display = Display()

OPTIONS_BY_KIND = {"haproxy": HAPROXY_OPTIONS}
DIRECTORY = "/usr/local/lib/turnout"
# A shell says 126 or 127 for a file that is not there or can not be run: then, and only then, nothing has happened yet.
NOT_THERE = (126, 127)
# A long wait is asked for in slices, so that people see what is left and a connection is never silent for long.
WAITS = ("healthy", "drained")
SLICE_SECONDS = 5.0


class ActionModule(ActionBase):
    """Validates on the control node, calls the zipapp on the router, falls back to the module."""

    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        del tmp
        variables = task_vars or {}
        _dummy, params = self.validate_argument_spec(
            argument_spec={**SPEC, "info": {"type": "bool", "default": False}}, required_if=REQUIRED_IF
        )
        kind = self._variable(variables, "bluegreen_router", "")
        if kind not in OPTIONS_BY_KIND:
            raise AnsibleActionFail(
                f"{variables.get('inventory_hostname')}: bluegreen_router is {kind!r}, expected one of "
                f"{', '.join(sorted(OPTIONS_BY_KIND))}. Set it for the hosts of the group routers; traffic is untouched"
            )
        params["run"] = params["run"] or run_id()
        params["owner"] = params["owner"] or owner(variables)
        ask = {
            "kind": kind,
            "router": variables.get("inventory_hostname"),
            "info": params.pop("info"),
            "check_mode": self._task.check_mode,
            "params": params,
            "options": self._options(kind, variables),
        }
        answer = self._wait(ask, variables) if params["state"] in WAITS else self._ask(ask, variables)
        if answer.get("reason") == "lease_held" and known_dead(answer["holder"]):
            display.display(f"  the run that holds {params['service']} is dead: taking over")
            params["take_over"] = [*params["take_over"], answer["holder"]]
            answer = self._ask(ask, variables)
        result.update(answer)
        return result

    def _variable(self, variables: dict[str, Any], name: str, default: Any) -> Any:
        value = variables.get(name)
        return default if value is None else self._templar.template(value)

    def _options(self, kind: str, variables: dict[str, Any]) -> dict[str, Any]:
        given = dict(self._variable(variables, "bluegreen_router_options", {}))
        unknown = set(given) - set(OPTIONS_BY_KIND[kind])
        if unknown:
            raise AnsibleActionFail(
                f"bluegreen_router_options has {', '.join(sorted(unknown))}, unknown for {kind}: "
                f"expected some of {', '.join(sorted(OPTIONS_BY_KIND[kind]))}"
            )
        return given

    def _wait(self, ask: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + ask["params"]["timeout"]
        while True:
            left = deadline - time.monotonic()
            if left <= SLICE_SECONDS:
                return self._ask({**ask, "params": {**ask["params"], "timeout": max(left, 0.001)}}, variables)
            part = {
                **ask["params"],
                "timeout": SLICE_SECONDS,
                "on_timeout": "report",
                "shutdown_sessions": False,
            }
            answer = self._ask({**ask, "params": part}, variables)
            if answer.get("failed") or answer.get("done", True) or ask["check_mode"]:
                return answer
            display.display(f"  {answer['msg']}; {deadline - time.monotonic():.0f} s left")

    def _ask(self, ask: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        directory = self._variable(variables, "bluegreen_turnout_directory", DIRECTORY)
        command = f"{shlex.quote(os.path.join(directory, _zipapp.file_name()))} call {shlex.quote(json.dumps(ask))}"
        answer = self._low_level_execute_command(command)
        lines = [line for line in answer["stdout_lines"] if line.startswith(SENTINEL)]
        if lines:
            return {**json.loads(lines[-1][len(SENTINEL) :]), "via": "zipapp"}
        if answer["rc"] not in NOT_THERE:
            raise AnsibleActionFail(
                f"{ask['router']}: the turnout command ended with {answer['rc']} and no answer: "
                f"{(answer['stderr'] or answer['stdout']).strip()[-500:]}. Whether traffic has moved is not known: run status.yml"
            )
        return self._ask_module(ask, variables)

    def _ask_module(self, ask: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        name = f"turnout.bluegreen.{ask['kind']}_traffic"
        params = {name: value for name, value in ask["params"].items() if value is not None}
        if ask["info"]:
            name, params = f"{name}_info", {"service": ask["params"]["service"]}
        answer = self._execute_module(module_name=name, module_args={**params, **ask["options"]}, task_vars=variables)
        return {**answer, "via": "module"}
