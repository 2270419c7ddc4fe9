#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: checklist
short_description: Print what was checked before a release, and stop when a line has failed
version_added: 0.1.0
description:
  - Takes the lines that M(turnout.bluegreen.host_room), the filters of the role C(preflight) and tasks of one's own have made,
    applies a policy to each, and prints one table. It is grouped, the failed lines come first in each group.
  - It fails when a line has failed, with its host, its evidence and the next step. It moves no traffic.
author:
  - The turnout.bluegreen authors (@turnout)
attributes:
  action:
    description: Runs on the control node.
    support: full
  check_mode:
    description: Changes nothing, and does the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
  platform:
    description: The control node's.
    platforms: posix
    support: full
options:
  service:
    description:
      - Name of the service that is released.
    type: str
    required: true
  checks:
    description:
      - The lines, of all hosts.
    type: list
    elements: dict
    required: true
    suboptions:
      check:
        description: What was looked at, a word. A policy names the line by it.
        type: str
        required: true
      group:
        description: Where it stands in the table.
        type: str
        choices: [infrastructure, data, session, rollback, own]
        default: own
      host:
        description: Whom it is about.
        type: str
        required: true
      status:
        description: What came out.
        type: str
        choices: [pass, warn, fail]
        required: true
      evidence:
        description: What was found, and what was expected.
        type: str
        required: true
      remedy:
        description: The next step when it is no pass.
        type: str
        default: ""
  policy:
    description:
      - What a line that is no pass counts as, by its C(check). V(fail), V(warn), or V(ignore), which shows it and counts it as
        neither. Without a policy its own status counts. A line that passes is not touched by it.
    type: dict
    default: {}
seealso:
  - module: turnout.bluegreen.host_room
"""

EXAMPLES = r"""
- name: Look whether there is room
  turnout.bluegreen.host_room:
    host: "{{ inventory_hostname }}"
    paths: [/opt]
  register: room

- name: Print the checklist
  turnout.bluegreen.checklist:
    service: shop
    checks: "{{ ansible_play_hosts | map('extract', hostvars, ['room', 'checks']) | flatten }}"
    policy:
      disk: warn
      cpu: ignore
  run_once: true
"""

RETURN = r"""
checks:
  description: The lines, with the status that they have after the policy; it can be V(ignore) as well.
  returned: when the lines could be read
  type: list
  elements: dict
  sample:
    - check: disk
      group: infrastructure
      host: web3
      status: fail
      evidence: 12 MB are free at /opt, expected at least 512
      remedy: make room at /opt
counts:
  description: How many lines have which status.
  returned: when the lines could be read
  type: dict
  sample: {pass: 17, warn: 2, fail: 1, ignore: 0}
table:
  description: The rows of the table as printed.
  returned: when the lines could be read
  type: list
  elements: str
reason:
  description: Why the task failed, as a word for programs. V(checklist) or V(bad_input).
  returned: failure
  type: str
  sample: checklist
msg:
  description: The result in one sentence. On failure it has each failed line.
  returned: always
  type: str
  sample: >-
    shop: the checklist has one line that failed: web3: disk: 12 MB are free at /opt, expected at least 512.
    Next: make room at /opt. Traffic is untouched
"""
