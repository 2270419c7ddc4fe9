#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_traffic_info
short_description: Say how an nginx divides traffic between blue and green
version_added: 0.1.0
description:
  - Reads the split in force, what would be in force after a restart, the health of both colours as asked from the router, what is
    in flight, and the journal. Changes nothing.
author:
  - The turnout.bluegreen authors (@turnout)
extends_documentation_fragment:
  - turnout.bluegreen.router
  - turnout.bluegreen.router.named
  - turnout.bluegreen.router.info
  - turnout.bluegreen.nginx
attributes:
  check_mode:
    description: Reads only.
    support: full
  diff_mode:
    description: Reads only.
    support: none
  idempotent:
    description: Reads only.
    support: full
  platform:
    description: Runs on the router.
    platforms: posix
    support: full
seealso:
  - module: turnout.bluegreen.nginx_traffic
"""

EXAMPLES = r"""
- name: Look where the shop's traffic is
  turnout.bluegreen.nginx_traffic_info:
    service: shop
  register: traffic

- name: Say it
  ansible.builtin.debug:
    msg: "green has {{ traffic.split.green }}% and {{ traffic.capacity.green.healthy }} healthy servers"
"""

RETURN = r"""
report:
  description: The same for people, in a few lines.
  returned: success
  type: str
router:
  description: Inventory name of the router.
  returned: always
  type: str
  sample: router1
split:
  description: Weights in force, in percent by colour. Null when what the workers do is no split.
  returned: success
  type: dict
  sample: {blue: 0, green: 100}
sticky:
  description: What clients are recognised by.
  returned: success
  type: str
  sample: none
durable:
  description: What would be in force after a restart.
  returned: success
  type: dict
  sample: {blue: 0, green: 100, sticky: none}
capacity:
  description: For each colour, the servers that the router sees healthy, all that it knows, and why the others are not healthy.
  returned: success
  type: dict
  sample: {blue: {healthy: 2, total: 2, sick: []}, green: {healthy: 2, total: 2, sick: []}}
in_flight:
  description: Established connections to the servers, by colour, over all processes.
  returned: success
  type: dict
  sample: {blue: 0, green: 12}
journal:
  description: The record that lives with the router.
  returned: success
  type: dict
  sample: {service: shop, stable: blue, candidate: green, release: v2, epoch: 4, phase: switched}
journal_error:
  description: Why the journal can not be read, or null.
  returned: success
  type: str
epoch:
  description: The newest epoch that was claimed.
  returned: success
  type: int
  sample: 4
interrupted:
  description: A change was prepared and never finished.
  returned: success
  type: bool
pending:
  description:
    - A flip that waits for its instant or for the run's confirmation, or null. C(at), C(revert_at) and C(flipped_at) are by the
      router's clock.
  returned: success
  type: dict
drift:
  description: What the router does against its journal, and nobody has asked for. Empty when nothing.
  returned: success
  type: str
doubts:
  description: What was found that is not as it should be, one text each.
  returned: success
  type: list
  elements: str
servers:
  description: What each server does, by colour and name.
  returned: when O(servers)
  type: dict
  sample: {blue: {web1: {healthy: true, drained: false, in_service: true, in_flight: 2, state: UP L7OK}}, green: {}}
statistics:
  description:
    - What each colour has answered since the look whose cursor was given.
    - An error is a status of 500 or more, or an answer that a server has cut off.
    - C(latencies) has pairs of a bucket and the requests in it; bucket C(n) ends at 1.1 to the power of C(n) milliseconds. Null
      where the router does not know single latencies.
    - C(average_ms) is a mean of the last requests, where the router keeps one.
  returned: when O(statistics_since) is given
  type: dict
  sample:
    cursor: '{"712-lb1-1800000000": {"blue": [1200, 0], "green": [310, 2]}}'
    answered:
      blue: {requests: 1200, errors: 0, latencies: null, average_ms: 12.0}
      green: {requests: 310, errors: 2, latencies: null, average_ms: 14.0}
    doubts: []
clock:
  description: The router's clock, in seconds since the Unix epoch.
  returned: success
  type: float
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._module import INFO_SPEC, NAME_SPEC, run_info_module
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.provider import (
    OPTION_SPEC,
    make_router,
)


def main() -> None:
    spec = {**NAME_SPEC, **INFO_SPEC, **OPTION_SPEC}
    run_info_module(AnsibleModule(argument_spec=spec, supports_check_mode=True), make_router)


if __name__ == "__main__":
    main()
