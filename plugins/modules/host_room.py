#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_room
short_description: Look whether a host has room for a release
version_added: 0.1.0
description:
  - Reads how much disk, memory, CPU and open files a Linux host has left, and how far its clock is off, and compares it with
    limits.
  - Returns lines for M(turnout.bluegreen.checklist). It does not fail because of what it finds.
author:
  - The turnout.bluegreen authors (@turnout)
options:
  host:
    description: Name of the host in the lines.
    type: str
    required: true
  paths:
    description:
      - Folders on the file systems that must have room. For one that is not there yet, the nearest one above it counts. A file
        system is looked at once.
    type: list
    elements: path
    default: []
  min_free_mb:
    description: Megabytes that must be free on each.
    type: int
    default: 512
  min_free_inodes:
    description: Files that each must be able to take.
    type: int
    default: 10000
  min_memory_mb:
    description: Megabytes of memory that must be available. In a container its own limit counts as well.
    type: int
    default: 64
  max_load:
    description: Load of the last minute for each CPU above which the host counts as busy, a warning.
    type: float
    default: 4.0
  min_free_descriptors:
    description: Percent of the files that may be open which must be free, for the host and for each of O(units).
    type: float
    default: 20.0
  units:
    description: Names of systemd units whose open files are compared with their own limit.
    type: list
    elements: str
    default: []
  control_clock:
    description: Seconds since the Unix epoch by the control node, as the task begins. Without it the clock is not looked at.
    type: float
  max_clock_skew:
    description: Seconds that both clocks may be apart, the time to start the module included.
    type: float
    default: 30.0
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
    description: Needs Linux and Python 3.9, and no library.
    platforms: linux
    support: full
seealso:
  - module: turnout.bluegreen.checklist
"""

EXAMPLES = r"""
- name: Look whether there is room
  turnout.bluegreen.host_room:
    host: "{{ inventory_hostname }}"
    paths: [/opt, /var/log]
    min_free_mb: 2048
    min_memory_mb: 1024
    units: [shop.service]
    control_clock: "{{ (now(utc=true) - ('1970-01-01' | to_datetime('%Y-%m-%d'))).total_seconds() }}"
  register: room
"""

RETURN = r"""
checks:
  description: One line for each thing that was looked at.
  returned: success
  type: list
  elements: dict
  sample:
    - check: disk
      group: infrastructure
      host: web3
      status: fail
      evidence: 12 MB are free at /opt, expected at least 512
      remedy: make room at /opt
  contains:
    check:
      description: What was looked at. V(disk), V(inodes), V(memory), V(cpu), V(open_files), V(unit_open_files) or V(clock).
      returned: always
      type: str
    group:
      description: Always V(infrastructure).
      returned: always
      type: str
    host:
      description: O(host).
      returned: always
      type: str
    status:
      description: V(pass), V(warn) or V(fail).
      returned: always
      type: str
    evidence:
      description: What was found, and what was expected.
      returned: always
      type: str
    remedy:
      description: The next step; empty for a pass.
      returned: always
      type: str
"""

import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils import _room
from ansible_collections.turnout.bluegreen.plugins.module_utils._room import Check


def read(path: str) -> str:
    """The text of one of the kernel's files."""
    with open(path, encoding="ascii") as file:
        return file.read()


def look(params: dict[str, Any], now: float) -> list[Check]:
    """All but the units.

    Raises:
        OSError: the kernel does not answer as Linux does.
    """
    found = []
    for space in _room.spaces(params["paths"]):
        found += _room.disk(space, params["min_free_mb"], params["min_free_inodes"])
    available = _room.available_mb(read("/proc/meminfo"), _room.read_group())
    found.append(_room.memory(available, params["min_memory_mb"]))
    found.append(_room.load(os.getloadavg()[0], len(os.sched_getaffinity(0)), params["max_load"]))
    found.append(_room.descriptors(read("/proc/sys/fs/file-nr"), params["min_free_descriptors"]))
    if params["control_clock"] is not None:
        found.append(_room.clock(now, params["control_clock"], params["max_clock_skew"]))
    return found


def look_at_unit(module: AnsibleModule, unit: str) -> Check:
    """One systemd unit."""
    command = ["systemctl", "show", "--property=LoadState,MainPID,LimitNOFILESoft", "--", unit]
    try:
        _status, output, error = module.run_command(command, handle_exceptions=False)
    except OSError as missing:
        output, error = "", str(missing)
    return _room.unit_descriptors(unit, output or error, module.params["min_free_descriptors"])


def main() -> None:
    now = time.time()
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "paths": {"type": "list", "elements": "path", "default": []},
            "min_free_mb": {"type": "int", "default": 512},
            "min_free_inodes": {"type": "int", "default": 10000},
            "min_memory_mb": {"type": "int", "default": 64},
            "max_load": {"type": "float", "default": 4.0},
            "min_free_descriptors": {"type": "float", "default": 20.0},
            "units": {"type": "list", "elements": "str", "default": []},
            "control_clock": {"type": "float"},
            "max_clock_skew": {"type": "float", "default": 30.0},
        },
        supports_check_mode=True,
    )
    host = module.params["host"]
    try:
        found = look(module.params, now)
        found += [look_at_unit(module, unit) for unit in module.params["units"]]
    except OSError as error:
        module.fail_json(msg=f"{host}: the room on it can not be found out: {error}", reason="storage")
    module.exit_json(changed=False, checks=[check.as_dict(host) for check in found])


if __name__ == "__main__":
    main()
