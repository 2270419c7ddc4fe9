# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until a person has answered a release that waits."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import ON_TIMEOUT
from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _holding, _watch
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._holding import FENCED, GO, SILENCE, End

display = Display()

SPEC: dict[str, dict[str, Any]] = {
    "service": {"type": "str", "required": True},
    "epoch": {"type": "int", "required": True},
    "title": {"type": "str", "default": "the release"},
    "timeout": {"type": "float", "default": 3600.0},
    "on_timeout": {"type": "str", "choices": list(ON_TIMEOUT), "default": "rollback"},
    "say_every": {"type": "float", "default": 30.0},
}


class ActionModule(ActionBase):
    """Runs on the control node; the tasks that have asked the routers have left processes that look for the answer."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _spec, params = self.validate_argument_spec(argument_spec=SPEC)
        service, title = params["service"], params["title"]
        if self._task.check_mode:
            words = f"{service}: {title} would wait for promote.yml, at most {params['timeout']:g} s"
            return {"changed": False, "answer": GO, "by": "", "waited": 0.0, "msg": words}
        folder = _holding.directory(service)

        def say(words: str) -> None:
            display.display(f"  {service}: {title} {words}")

        try:
            feed = _watch.Feed(folder, _holding.FEED)
            if not feed.routers:
                return {"failed": True, "msg": f"{service}: no router was asked to wait: a task with state=held comes first"}
            say(f"waits for promote.yml, {params['timeout']:g} s left; or on a router: turnout promote {service}")
            end = _holding.wait(feed.new, params["epoch"], params["timeout"], say, params["say_every"])
        finally:
            _watch.stop(folder)
        return {"changed": False, **_result(end, params)}


def _result(end: End, params: dict[str, Any]) -> dict[str, Any]:
    after = f"after {end.waited:.0f} s"
    found: dict[str, Any] = {"answer": end.answer, "by": end.by, "waited": round(end.waited, 1)}
    if end.answer == FENCED:
        return {
            **found,
            "failed": True,
            "reason": FENCED,
            "msg": f"{params['title']} waited, and {end.by} has taken over {after}",
        }
    if end.answer == SILENCE and params["on_timeout"] == GO:
        by = "nobody (cutover_hold_on_timeout: go)"
        return {**found, "answer": GO, "by": by, "msg": f"nobody has answered {after}: {params['title']} goes on"}
    if end.answer == SILENCE:
        return {**found, "failed": True, "msg": f"nobody has approved {params['title']} {after}"}
    return {**found, "failed": end.answer != GO, "msg": f"{end.by} has answered {end.answer} to {params['title']} {after}"}
