# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch gates after a step, with live lines, and end early on a certain no."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import other
from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _watch
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import PASS, Gate, Policy, parse
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.progress import Progress
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.questions import Measured
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.report import Screen, result
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources import registry
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.health import Health
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.router import Routers
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import Surroundings
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._watching import Watching, passed, said

display = Display()

SPEC: dict[str, dict[str, Any]] = {
    "service": {"type": "str", "required": True},
    "candidate": {"type": "str", "choices": ["blue", "green"], "required": True},
    "gates": {"type": "list", "elements": "dict", "required": True},
    "seconds": {"type": "float", "default": 60.0},
    "interval": {"type": "float", "default": 5.0},
    "say_every": {"type": "float", "default": 10.0},
    "title": {"type": "str", "default": "bake"},
    "epoch": {"type": "int"},
    "baseline": {"type": "dict", "default": {}},
    "measure_only": {"type": "bool", "default": False},
    "validate_only": {"type": "bool", "default": False},
    "on_no": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
}
#: What is asked of a colour that is only measured.
ANY, AT_ONCE = Measured(), Policy(no_data=PASS)
#: Seconds after which a router that sends health requests is one that does not answer.
LATE_SECONDS = 30.0


class ActionModule(ActionBase):
    """Runs on the control node; the routers were asked by :mod:`watch` to say meanwhile what they see."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _spec, params = self.validate_argument_spec(argument_spec=SPEC)
        folder = _watch.directory(params["service"])
        try:
            gates = parse(params["gates"], registry.KEYS, params["interval"])
            if params["measure_only"]:
                gates = tuple(replace(gate, question=ANY, policy=AT_ONCE) for gate in gates if gate.compares)
                if not gates:
                    return {"changed": False, "msg": "no gate compares the colours", "baseline": {}}
            if not params["validate_only"]:
                return self._bake(params, gates, folder)
            for gate in gates:
                registry.make(gate, Surroundings(service=params["service"], interval=params["interval"]))
        except BadInput as error:
            words = f"{params['service']}: {error.message}. Traffic stays where it is. Next: correct the gate, and run again"
            return {"changed": False, "failed": True, "msg": words, "reason": error.reason}
        finally:
            _watch.stop(folder)
        return {"changed": False, "msg": f"{params['service']}: {len(gates)} gates can be asked"}

    def _bake(self, params: dict[str, Any], gates: tuple[Gate, ...], folder: Any) -> dict[str, Any]:
        clock, candidate = time.monotonic, params["candidate"]
        # In check mode each gate is asked once, now: that its source answers is half of what a rehearsal can tell.
        seconds = params["seconds"]
        if self._task.check_mode:
            seconds, gates = 0.0, tuple(replace(gate, policy=replace(gate.policy, delay=0.0)) for gate in gates)
        begin = clock()
        feeds = {name: _watch.Feed(folder, name) for name in ("router", "health")}
        routers = Routers(feeds["router"].routers, params["interval"], begin)
        health = Health(feeds["health"].routers, LATE_SECONDS, begin)
        around = Surroundings(
            service=params["service"],
            feeds={"router": routers, "health": health},
            interval=params["interval"],
            clock=clock,
        )
        sources = {gate.name: registry.make(gate, around) for gate in gates}
        progress = Progress(gates, candidate, other(candidate), begin, seconds, params["baseline"])
        refresh = _refresher(feeds, routers, health, params["epoch"])
        screen = Screen(params["say_every"])
        cause = Watching(progress, sources, refresh, display.display, params["title"], screen, clock).run()
        now = clock()
        if params["measure_only"]:
            measured = {one.gate.name: one.candidate.measured() for one in progress.gates}
            return {"changed": False, "msg": f"{candidate} was measured for {len(measured)} gates", "baseline": measured}
        found = result(progress, now, time.time())
        good = not cause and passed(progress, now)
        words = cause or said(params["title"], progress, now, [f"{name}: {doubt}" for doubt, name in routers.doubts.items()])
        fails = params["on_no"] == "fail" and not self._task.check_mode
        return {"changed": False, "failed": fails and not good, "passed": good, "msg": words, "bake": found}


def _refresher(feeds: dict[str, _watch.Feed], routers: Routers, health: Health, epoch: int | None) -> Callable[[], str]:
    """Takes in what the routers have written; says so when a newer run has taken the service over."""

    def refresh() -> str:
        for name, look in feeds["router"].new():
            routers.add(name, look)
        for name, look in feeds["health"].new():
            health.add(name, look)
        if epoch is not None and routers.epoch > epoch:
            return (
                f"a newer run has claimed the service (epoch {routers.epoch}, this one has {epoch}): nothing more to watch here"
            )
        return ""

    return refresh
