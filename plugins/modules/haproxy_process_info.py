#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_process_info
short_description: Ask a running HAProxy which process and configuration it is
version_added: 0.1.0
description:
  - Reads pid, version, backends and one environment variable of a running HAProxy through its stats socket.
  - A play that has asked for a reload learns from it when the new process answers, and whether it has the new configuration.
author:
  - The turnout.bluegreen authors (@turnout)
options:
  socket:
    description: Path of a stats socket of the level V(operator) or V(admin).
    type: path
    required: true
  variable:
    description: Name of an environment variable of HAProxy that is returned as RV(value).
    type: str
    required: true
  timeout:
    description: Seconds for the whole exchange.
    type: float
    default: 5.0
attributes:
  check_mode:
    description: The module changes nothing.
    support: full
  diff_mode:
    description: The module changes nothing.
    support: N/A
  idempotent:
    description: The module changes nothing.
    support: full
  platform:
    description: Operating systems that the module runs on.
    platforms: posix
    support: full
"""

EXAMPLES = r"""
- name: HAProxy answers with the configuration that was written
  turnout.bluegreen.haproxy_process_info:
    socket: /run/haproxy/admin.sock
    variable: TURNOUT_CONFIG
  register: process
  until: process.running and process.value == 'a94a8fe5'
  retries: 50
  delay: 0.2
"""

RETURN = r"""
running:
  description: Whether a process answered. Nothing else is returned when none did.
  returned: always
  type: bool
  sample: true
pid:
  description: Process id of the worker that answered.
  returned: when running
  type: int
  sample: 4711
version:
  description: Version that the process reports.
  returned: when running
  type: str
  sample: 2.6.12-1+deb12u1
value:
  description: Value of the environment variable; empty when it is not set.
  returned: when running
  type: str
  sample: a94a8fe5
backends:
  description: Names of all backends.
  returned: when running
  type: list
  elements: str
  sample: [shop_blue, shop_green]
"""

import errno
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import SocketError, TurnoutError
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.runtime import Process


def ask(process: Process, variable: str) -> dict[str, Any]:
    """What the process behind the socket says about itself.

    Raises:
        SocketError: it can not be asked, for another reason than that nothing listens.
    """
    try:
        info, backends, environment = process.ask(["show info", "show backend", f"show env {variable}"])
    except SocketError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in (
            errno.ENOENT,
            errno.ECONNREFUSED,
        ):
            return {"running": False}
        raise
    facts = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
    if not facts.get("Pid", "").isdigit():
        raise SocketError(f"{process}: 'show info' was answered with {info!r}, expected a line 'Pid: <number>'")
    name, found, value = environment.strip().partition("=")
    return {
        "running": True,
        "pid": int(facts["Pid"]),
        "version": facts.get("Version", ""),
        "value": value if found and name == variable else "",
        "backends": [line for line in backends.splitlines() if not line.startswith("#")],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "variable": {"type": "str", "required": True},
            "timeout": {"type": "float", "default": 5.0},
        },
        supports_check_mode=True,
    )
    try:
        answer = ask(Process(module.params["socket"], timeout=module.params["timeout"]), module.params["variable"])
    except TurnoutError as error:
        module.fail_json(msg=f"{error.message}; {error.remedy}".rstrip("; "), reason=error.reason)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
