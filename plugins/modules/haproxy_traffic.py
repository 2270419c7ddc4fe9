#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_traffic
short_description: Divide the traffic of a HAProxy between blue and green
version_added: 0.1.0
description:
  - Moves traffic between the two colours of a service by one write to HAProxy's runtime socket. No reload, no lost request.
  - The same fact is made durable in a map file, so that it survives reload, restart and reboot.
  - A journal beside it keeps what is stable, what is being released, and who may act.
author:
  - The turnout.bluegreen authors (@turnout)
extends_documentation_fragment:
  - turnout.bluegreen.router
  - turnout.bluegreen.router.named
  - turnout.bluegreen.router.traffic
  - turnout.bluegreen.haproxy
attributes:
  check_mode:
    description: Says what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows split and journal before and after.
    support: full
  idempotent:
    description: A second run changes nothing, except with O(state=claimed) and O(state=renewed), which are about time.
    support: partial
    details:
      - Every claim by another run takes a new epoch.
  platform:
    description: Runs on the router.
    platforms: posix
    support: full
seealso:
  - module: turnout.bluegreen.haproxy_traffic_info
  - module: turnout.bluegreen.traffic
"""

EXAMPLES = r"""
- name: Send a quarter of the shop's traffic to green
  turnout.bluegreen.haproxy_traffic:
    service: shop
    split:
      green: 25

- name: Send all traffic to green, and see through the public side that it is so
  turnout.bluegreen.haproxy_traffic:
    service: shop
    split:
      green: 100
    confirm_url: http://127.0.0.1/

- name: Wait until nothing is in flight on blue
  turnout.bluegreen.haproxy_traffic:
    service: shop
    state: drained
    colour: blue
    timeout: 120

- name: Send all traffic back
  turnout.bluegreen.haproxy_traffic:
    service: shop
    state: rolled_back
"""

RETURN = r"""
router:
  description: Inventory name of the router.
  returned: always
  type: str
  sample: router1
split:
  description: Weights in force, in percent by colour. Null when the router's processes disagree.
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
  description: Requests and connections under way, by colour, over all processes.
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
clock:
  description: The router's clock, in seconds since the Unix epoch.
  returned: success
  type: float
done:
  description: False when a wait ended with its time and O(on_timeout=report).
  returned: success
  type: bool
left:
  description: What is still in flight on O(colour), or on O(servers) of it.
  returned: when O(state=drained) or O(state=taken_out)
  type: int
  sample: 0
flip_ms:
  description: How long the commit took on the router, in milliseconds.
  returned: when traffic was moved
  type: float
  sample: 3.1
flipped_at:
  description: When it was in force, in seconds since the Unix epoch by the router's clock.
  returned: when O(state=committed), and the flip was made at O(at)
  type: float
  sample: 1800000000.004
servers:
  description: What each of O(servers) does, by name.
  returned: when O(state=taken_out) or O(state=brought_back)
  type: dict
  sample: {web1: {healthy: true, drained: true, in_service: false, in_flight: 0, state: DRAIN L7OK (drained)}}
was_out:
  description: Whether none of O(servers) had new requests before; false when the router has forgotten it by a reload.
  returned: when O(state=brought_back)
  type: bool
reason:
  description: A stable word for the cause of a failure, for example V(unhealthy), V(fenced) or V(lease_held).
  returned: failure
  type: str
  sample: unhealthy
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.provider import (
    OPTION_SPEC,
    make_router,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._module import NAME_SPEC, run_module
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import REQUIRED_IF, SPEC


def main() -> None:
    module = AnsibleModule(argument_spec={**NAME_SPEC, **SPEC, **OPTION_SPEC}, required_if=REQUIRED_IF, supports_check_mode=True)
    run_module(module, make_router)


if __name__ == "__main__":
    main()
