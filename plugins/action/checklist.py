# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what was checked before a release as one table, and stop when a line has failed."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist.lines import FAIL, Line, counts, judge, refusal
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist.table import table

display = Display()

SPEC: dict[str, dict[str, Any]] = {
    "service": {"type": "str", "required": True},
    "checks": {"type": "list", "elements": "dict", "required": True},
    "policy": {"type": "dict", "default": {}},
}
UNTOUCHED = "Traffic is untouched"


class ActionModule(ActionBase):
    """Runs on the control node, once for all hosts; it only reads."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _spec, params = self.validate_argument_spec(argument_spec=SPEC)
        service = params["service"]
        try:
            lines = judge([Line.parse(check) for check in params["checks"]], params["policy"])
        except BadInput as error:
            words = f"{service}: {error.message}: {error.remedy}. {UNTOUCHED}"
            return {"changed": False, "failed": True, "msg": words, "reason": error.reason}
        rows = table(service, lines)
        for row in rows:
            display.display(row)
        number = counts(lines)
        no = refusal(lines)
        words = f"{service}: {no}. {UNTOUCHED}" if no else f"{service}: {rows[0].split(': ', 1)[1]}"
        result = {
            "changed": False,
            "failed": bool(number[FAIL]),
            "msg": words,
            "checks": [line.as_dict() for line in lines],
            "counts": number,
            "table": rows,
        }
        return {**result, "reason": "checklist"} if no else result
