# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task for any router."""

from __future__ import annotations

import time
from typing import Any

from ansible.utils.display import Display
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import REQUIRED_IF, SPEC
from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _heartbeat, _holding
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._router_action import RouterAction
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._run import known_dead, owner, run_id

display = Display()

# A long wait is asked for in slices, so that people see what is left and a connection is never silent for long.
WAITS = ("healthy", "drained", "taken_out", "brought_back")
SLICE_SECONDS = 5.0


class ActionModule(RouterAction):
    """Validates on the control node, names the run, and shows the progress of waits."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = self.prepare(tmp, task_vars)
        _spec, params = self.validate_argument_spec(argument_spec=SPEC, required_if=REQUIRED_IF)
        params["run"] = params["run"] or run_id()
        params["owner"] = params["owner"] or owner(self.variables)
        answer = self._wait(params) if params["state"] in WAITS else self.ask(params)
        if answer.get("reason") == "lease_held" and known_dead(answer["holder"]):
            display.display(f"  {self.router}: the run that holds {params['service']} is dead: taking over")
            answer = self.ask({**params, "take_over": [*params["take_over"], answer["holder"]]})
        _heartbeat.start(self, params, answer)
        _holding.start(self, params, answer)
        return {**result, **answer}

    def _wait(self, params: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + params["timeout"]
        part = {**params, "timeout": SLICE_SECONDS, "on_timeout": "report", "shutdown_sessions": False}
        changed, before = False, dict[str, Any]()
        while True:
            left = deadline - time.monotonic()
            last = left <= SLICE_SECONDS
            answer = self.ask({**params, "timeout": max(left, 0.001)} if last else part)
            changed = changed or answer.get("changed", False)
            # The later parts find what the first one has done.
            before = before or {name: answer[name] for name in ("was_out",) if name in answer}
            if last or answer.get("failed") or answer["done"] or self._task.check_mode:
                return {**answer, **before, "changed": changed}
            display.display(f"  {answer['msg']}; {deadline - time.monotonic():.0f} s left")
