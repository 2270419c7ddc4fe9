# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at any router."""

from __future__ import annotations

from typing import Any

from ansible_collections.turnout.bluegreen.plugins.module_utils._module import INFO_SPEC
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._router_action import RouterAction


class ActionModule(RouterAction):
    """Reads only."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = self.prepare(tmp, task_vars)
        _spec, params = self.validate_argument_spec(argument_spec=INFO_SPEC)
        return {**result, **self.ask(params, info=True)}
