#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic
short_description: Divide the traffic of any router between blue and green
version_added: 0.1.0
description:
  - One task for any kind of router. The host variable C(bluegreen_router) names the kind, C(bluegreen_router_options) has the
    options of that kind's own module, for example M(turnout.bluegreen.haproxy_traffic).
  - Where C(bootstrap.yml) has installed the C(turnout) command in this version, it is called directly over the open connection,
    which makes a whole rollback cheaper than one ping. Where it is absent or of another version, the module does the same.
  - Without O(run) and O(owner), the run of C(ansible-playbook) and the user who started it are named.
author:
  - The turnout.bluegreen authors (@turnout)
extends_documentation_fragment:
  - turnout.bluegreen.router
  - turnout.bluegreen.router.traffic
attributes:
  action:
    description: Runs partly on the control node.
    support: full
  check_mode:
    description: Says what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows split and journal before and after.
    support: full
  idempotent:
    description: As the module of the router's kind.
    support: partial
    details:
      - Every claim by another run takes a new epoch.
  platform:
    description: Runs on the router.
    platforms: posix
    support: full
seealso:
  - module: turnout.bluegreen.traffic_info
  - module: turnout.bluegreen.haproxy_traffic
"""

EXAMPLES = r"""
- name: Bring all traffic back, whatever the routers are
  hosts: routers
  gather_facts: false
  tasks:
    - name: Send all traffic to the stable colour
      turnout.bluegreen.traffic:
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
clock_offset:
  description: Seconds that the router's clock is ahead of the control node's; 0 when they may be the same.
  returned: success
  type: float
clock_error:
  description: Seconds by which C(clock_offset) may be wrong.
  returned: success
  type: float
took:
  description: Seconds that the router took to answer.
  returned: always
  type: float
via:
  description: How the router was reached, V(zipapp) or V(module).
  returned: always
  type: str
  sample: zipapp
"""
