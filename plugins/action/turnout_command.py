# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the zipapp on the control node and copies it to a router."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _zipapp


class ActionModule(ActionBase):
    """Copies with ``ansible.builtin.copy``, which gives check mode, diff and idempotence."""

    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        del tmp
        _spec, params = self.validate_argument_spec(
            argument_spec={
                "directory": {"type": "path", "default": "/usr/local/lib/turnout"},
                "interpreter": {"type": "path", "default": "/usr/bin/python3"},
                "owner": {"type": "str"},
                "group": {"type": "str"},
            }
        )
        path = os.path.join(params["directory"], _zipapp.file_name())
        with TemporaryDirectory(prefix="turnout-") as folder:
            source = Path(folder, _zipapp.file_name())
            source.write_bytes(_zipapp.build(params["interpreter"]))
            copy = self._task.copy()
            copy.args = {
                "src": str(source),
                "dest": path,
                "mode": "0750",
                **{name: params[name] for name in ("owner", "group") if params[name]},
            }
            action = self._shared_loader_obj.action_loader.get(
                "ansible.legacy.copy",
                task=copy,
                connection=self._connection,
                play_context=self._play_context,
                loader=self._loader,
                templar=self._templar,
                shared_loader_obj=self._shared_loader_obj,
            )
            result.update(action.run(task_vars=task_vars))
        result["path"] = path
        result.pop("diff", None)  # a zip file has nothing to show
        return result
