#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hold
short_description: Wait until a person has answered a release that waits
version_added: 0.1.0
description:
  - A task M(turnout.bluegreen.traffic) with C(state=held) on every router comes before it. It records in the journals that the
    release waits, and leaves processes on the control node that look for the answer.
  - This one waits for the first answer on any router. It is given by C(promote.yml), or by C(turnout promote) on a router.
    When the answers of two routers differ, V(stop) counts.
  - It says now and then how long it still waits. It moves no traffic.
author:
  - The turnout.bluegreen authors (@turnout)
attributes:
  action:
    description: Runs on the control node.
    support: full
  check_mode:
    description: Says that it would wait, and does not.
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
      - Name of the service whose release waits.
    type: str
    required: true
  epoch:
    description:
      - The epoch that this run has claimed. A newer one on any router ends the wait as a failure.
    type: int
    required: true
  title:
    description:
      - What waits, for the lines and messages, for example V(25% green).
    type: str
    default: the release
  timeout:
    description:
      - How long to wait, in seconds.
    type: float
    default: 3600.0
  on_timeout:
    description:
      - What it means when nobody has answered. With V(rollback) the task fails, with V(go) the answer is V(go).
    type: str
    choices: [rollback, go]
    default: rollback
  say_every:
    description:
      - Seconds between two lines.
    type: float
    default: 30.0
seealso:
  - module: turnout.bluegreen.traffic
"""

EXAMPLES = r"""
- name: The release waits
  turnout.bluegreen.traffic:
    service: shop
    state: held
    epoch: "{{ plan_now.epoch }}"
    timeout: 600

- name: Wait for the answer
  turnout.bluegreen.hold:
    service: shop
    epoch: "{{ plan_now.epoch }}"
    timeout: 600
  register: answer
  run_once: true
"""

RETURN = r"""
answer:
  description: V(go) or V(stop); V(silence) when nobody has answered in time, V(fenced) when another run has taken over.
  returned: always
  type: str
  sample: go
by:
  description: Who has answered.
  returned: always
  type: str
  sample: alice@control1
waited:
  description: How long that took, in seconds.
  returned: always
  type: float
  sample: 41.3
msg:
  description: The same in one sentence.
  returned: always
  type: str
  sample: alice@control1 has answered go to 25% green after 41 s
"""
