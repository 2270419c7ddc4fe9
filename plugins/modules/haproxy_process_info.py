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
  - Reads pid, version, backends, limits and one environment variable of a running HAProxy through its stats socket.
  - A play that has asked for a reload learns from it when the new process answers, and whether it has the new configuration.
author:
  - The turnout.bluegreen authors (@turnout)
options:
  socket:
    description: Path of a stats socket of the level V(operator) or V(admin).
    type: path
    required: true
  variable:
    description: Name of an environment variable of HAProxy that is returned as RV(value). Without one none is asked for.
    type: str
    default: ""
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
limits:
  description: How much room it has for connections and open files. For the filter C(router_room_checks).
  returned: when running
  type: dict
  sample:
    name: HAProxy
    connections: 12
    max_connections: 4096
    open_files: 8229
    open_files_needed: 8229
    setting: maxconn
  contains:
    name:
      description: Whose limits these are.
      returned: always
      type: str
    connections:
      description: Connections of clients now.
      returned: always
      type: int
    max_connections:
      description: The most that it accepts.
      returned: always
      type: int
    open_files:
      description: How many files it may have open.
      returned: always
      type: int
    open_files_needed:
      description: How many it needs when it has all the connections that it may have.
      returned: always
      type: int
    setting:
      description: The setting that bounds the connections.
      returned: always
      type: str
"""

import errno
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import SocketError, TurnoutError
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.runtime import Process

#: Asked for when nothing is: HAProxy answers ``show env`` without a name with its whole environment.
UNSET = "TURNOUT_NONE"


def ask(process: Process, variable: str) -> dict[str, Any]:
    """What the process behind the socket says about itself.

    Raises:
        SocketError: it can not be asked, for another reason than that nothing listens.
    """
    try:
        info, backends, environment = process.ask(["show info", "show backend", f"show env {variable or UNSET}"])
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
        "limits": limits(process, facts),
    }


def limits(process: Process, facts: dict[str, str]) -> dict[str, Any]:
    """Room for connections and open files (management guide, ``show info``).

    Raises:
        SocketError: a number is missing.
    """
    numbers = {name: facts.get(name, "") for name in ("CurrConns", "Maxconn", "Ulimit-n", "Maxsock")}
    for name, text in numbers.items():
        if not text.isdigit():
            raise SocketError(f"{process}: 'show info' says {name}: {text!r}, expected a number")
    return {
        "name": "HAProxy",
        "connections": int(numbers["CurrConns"]),
        "max_connections": int(numbers["Maxconn"]),
        "open_files": int(numbers["Ulimit-n"]),
        "open_files_needed": int(numbers["Maxsock"]),
        "setting": "maxconn",
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "variable": {"type": "str", "default": ""},
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
