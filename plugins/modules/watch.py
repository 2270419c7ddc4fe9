#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: watch
short_description: Collect what a router says of both colours, in the background
version_added: 0.1.0
description:
  - Leaves a process on the control node that asks the router again and again, over the router's own connection, for the healthy
    servers and the statistics of both colours, and returns at once.
  - A task with M(turnout.bluegreen.bake) reads what is collected, and ends the processes. They also end with C(ansible-playbook).
  - With O(targets), the router also sends health requests to them.
author:
  - The turnout.bluegreen authors (@turnout)
extends_documentation_fragment:
  - turnout.bluegreen.router
attributes:
  action:
    description: Runs on the control node, and asks the router over its connection.
    support: full
  check_mode:
    description: It does the same, because it only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
  platform:
    description: The router's.
    platforms: posix
    support: full
options:
  interval:
    description:
      - Seconds from one look to the next.
    type: float
    default: 5.0
  targets:
    description:
      - What the router is to send health requests to, as O(turnout.bluegreen.health_poll#module:targets).
    type: list
    elements: raw
    default: []
  target_interval:
    description:
      - Seconds between two health requests to one target.
    type: float
    default: 1.0
  max_latency_ms:
    description:
      - A health request that takes longer than this many milliseconds has failed.
    type: float
    default: 2000.0
  max_failures:
    description:
      - Failed health requests after which the gate hears of it at once, and not a few seconds later.
    type: int
    default: 2
  slice_seconds:
    description:
      - Seconds of health requests after which the gate hears how they went.
    type: float
    default: 3.0
notes:
  - The connection must be one that starts a command for each task, such as C(ssh) or C(local).
seealso:
  - module: turnout.bluegreen.bake
"""

EXAMPLES = r"""
- name: Begin to watch every router
  turnout.bluegreen.watch:
    service: shop
    interval: 5

- name: Watch the candidate for a minute
  turnout.bluegreen.bake:
    service: shop
    candidate: green
    seconds: 60
    gates:
      - {name: errors, source: router, metric: error_percent, max: 1, min_samples: 20, no_data: hold}
  run_once: true
"""

RETURN = r"""
msg:
  description: What is watched.
  returned: success
  type: str
  sample: "router1: watched every 5 s"
"""
