# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a module's options to its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from .._errors import TurnoutError
from .._traffic.answer import failure
from .requests import without_user


def finish(module: Any, work: Callable[[Mapping[str, Any], bool], Mapping[str, Any]]) -> None:
    """Do the work of a module that changes nothing, and end it.

    What a request header holds, and user and password of a URL, is in no answer. They are kept out here and not by Ansible,
    which would censor every text in the result that one of these values also is.

    Args:
        module: the ``AnsibleModule``.
        work: options and check mode to return values; it may raise a ``TurnoutError``.
    """
    module.no_log_values.clear()
    shown = {"invocation": _invocation(module.params)}
    try:
        result = work(module.params, module.check_mode)
    except TurnoutError as error:
        module.fail_json(**failure(error), **shown)
    module.exit_json(changed=False, **result, **shown)


def _invocation(params: Mapping[str, Any]) -> dict[str, Any]:
    urls = {name: without_user(params[name]) for name in ("url", "base_url") if params.get(name)}
    return {"module_args": {**params, **urls, "headers": dict.fromkeys(params["headers"] or {}, "********")}}
