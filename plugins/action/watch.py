# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Begin to collect what a router says of itself, for the bake that follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _watch
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._router_action import RouterAction
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources import health, router

SPEC: dict[str, dict[str, Any]] = {
    "service": {"type": "str", "required": True},
    "interval": {"type": "float", "default": 5.0},
    "targets": {"type": "list", "elements": "raw", "default": []},
    "target_interval": {"type": "float", "default": 1.0},
    "max_latency_ms": {"type": "float", "default": 2000.0},
    "max_failures": {"type": "int", "default": 2},
    # One run of health_poll costs some 0.4 s of a processor to start.
    "slice_seconds": {"type": "float", "default": 3.0},
}


class ActionModule(RouterAction):
    """Leaves processes behind that look at the router over its own connection."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = self.prepare(tmp, task_vars)
        _spec, params = self.validate_argument_spec(argument_spec=SPEC)
        folder = _watch.directory(params["service"])
        _watch.start(folder, self.router, "router", self._look(params["service"]), params["interval"])
        if params["targets"]:
            _watch.start(folder, self.router, "health", self._try(params), 0.0)
        return {**result, "changed": False, "msg": f"{self.router}: watched every {params['interval']:g} s"}

    def _look(self, service: str) -> Callable[[], Mapping[str, Any]]:
        cursor = ""

        def look() -> Mapping[str, Any]:
            nonlocal cursor
            answer = self._clean(lambda: self.ask({"service": service, "statistics_since": cursor}, info=True))
            uncounted = ""
            if answer.get("reason") in ("not_configured", "bad_input"):
                # No statistics are kept here; what else the router says is as good as ever.
                uncounted = answer["msg"]
                answer = self._clean(lambda: self.ask({"service": service}, info=True))
            cursor = (answer.get("statistics") or {}).get("cursor", cursor)
            return router.line_of(answer, uncounted)

        return look

    def _try(self, params: dict[str, Any]) -> Callable[[], Mapping[str, Any]]:
        slice_seconds, pause = params["slice_seconds"], params["target_interval"]
        given = {
            "targets": params["targets"],
            "max_latency_ms": params["max_latency_ms"],
            "interval": pause,
            "successes": max(round(slice_seconds / pause), 1),
            "max_failures": params["max_failures"],
            "fail_fast": True,
            "deadline": 2 * max(slice_seconds, pause) + params["max_latency_ms"] / 1000,
        }

        def attempt() -> Mapping[str, Any]:
            return health.line_of(
                self._clean(
                    lambda: self._execute_module(
                        module_name="turnout.bluegreen.health_poll", module_args=given, task_vars=self._task_vars
                    )
                )
            )

        return attempt

    def _clean(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """One question; the temporary folder of the task that began this is gone, and each question has its own."""
        self._connection._shell.tmpdir = None
        try:
            return ask()
        finally:
            self.cleanup()
