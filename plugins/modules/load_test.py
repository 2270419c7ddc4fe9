#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: load_test
short_description: Hold an idle colour under load against limits, before it gets traffic
version_added: 0.1.0
author:
  - The turnout.bluegreen authors (@turnout)
description:
  - Sends a bounded load to the idle colour through the preview way and fails when it is slower, or fails more often, than is
    allowed. The limits are numbers of yours, or the figures of the stable colour from the same run.
  - Requests start at their times, however slow the answers are. What can not start, because O(concurrency) requests are under
    way, is left out, and with more than O(max_error_percent) of it the test has failed, because the load was not the one that
    was asked for.
  - It ends early when more requests have failed than all of them together may.
  - It refuses a colour that has traffic, see O(percent), and stops when another colour answers, see O(colour).
notes:
  - A load on the idle colour is a load on what both colours share, such as the database.
  - Warm the colour up first, see M(turnout.bluegreen.warm_up). Cold caches are no property of a release.
  - The client is one process of Python on one host. It measures latency at the rate of a service's users; it does not look
    for the rate at which the service breaks.
extends_documentation_fragment:
  - turnout.bluegreen.synthetic
  - turnout.bluegreen.synthetic.preview
options:
  percent:
    description:
      - Percent of the traffic that the colour has now, as M(turnout.bluegreen.traffic_info) says it. The test is refused when
        it is not 0.
      - The module can not see the split itself. Do not move traffic to the colour while it is tested.
    type: int
    required: true
  urls:
    description:
      - Paths to ask for in turn, each begins with a slash.
    type: list
    elements: str
    default: [/]
  rate:
    description:
      - Requests per second to the idle colour, at most 500.
    type: float
    default: 20.0
  seconds:
    description:
      - How long each colour is under load. With O(compare) the test takes twice as long.
    type: float
    default: 30.0
  connections:
    description:
      - V(keep_alive) uses connections again, V(new) makes one for each request, V(both) takes turns.
    type: str
    choices: [both, keep_alive, new]
    default: keep_alive
  concurrency:
    description:
      - How many requests may be under way at the same moment, at most 1000.
    type: int
    default: 200
  max_p95_ms:
    description:
      - Limit of the idle colour's p95 in milliseconds.
    type: float
  max_error_percent:
    description:
      - Percent of the planned requests to the idle colour that may get no accepted answer.
    type: float
    default: 1.0
  compare:
    description:
      - Measure the stable colour as well, through the preview way too. The colours take turns in slices of two seconds, so
        that whatever else happens on these machines meets both alike.
      - The stable colour has its users at the same time, so that the comparison is in favour of the idle one.
    type: bool
    default: false
  stable_rate:
    description:
      - Requests per second to the stable colour. It serves users, so by default this is O(rate) and at most 20.
      - When the stable colour loses more than 5 percent of them, the test stops.
    type: float
  max_ratio:
    description:
      - Limit of the idle colour's p95 divided by the stable colour's. Needs O(compare).
    type: float
  ignore_below_ms:
    description:
      - When the idle colour's p95 is at most this many milliseconds, O(max_ratio) is met. The ratio of two very small numbers
        says nothing.
    type: float
    default: 5.0
  min_answers:
    description:
      - With fewer accepted answers than this, a colour's p95 is not known, and a limit that needs it is not met.
    type: int
    default: 100
  on_limit:
    description:
      - Whether the task fails when a limit is not met. With V(report) it succeeds, and RV(problems) says what is wrong.
    type: str
    choices: [fail, report]
    default: fail
seealso:
  - module: turnout.bluegreen.warm_up
  - module: turnout.bluegreen.traffic_info
"""

EXAMPLES = r"""
- name: Look where the traffic is
  turnout.bluegreen.traffic_info:
    service: shop
  register: traffic

- name: Hold green under load against limits
  turnout.bluegreen.load_test:
    service: shop
    colour: green
    percent: "{{ traffic.split.green }}"
    host_header: shop.example.com
    urls: [/, /cart]
    rate: 50
    max_p95_ms: 200

- name: Green must not be much slower than the colour that serves the users
  turnout.bluegreen.load_test:
    service: shop
    colour: green
    percent: "{{ traffic.split.green }}"
    compare: true
    max_ratio: 1.3
"""

RETURN = r"""
colours:
  description: The figures of each colour that was measured.
  returned: always, except in check mode and when no load was sent
  type: dict
  sample:
    green:
      planned: 600
      requests: 600
      not_started: 0
      retried: 0
      lost: 0
      lost_reasons: {}
      unknown: 0
      seconds: 59.8
      error_percent: 0.0
      good_answers: 600
      latency_ms: {p50: 11.2, p95: 23.9, p99: 41.0}
  contains:
    colour:
      description: The figures of one colour. The key is its name.
      returned: success
      type: dict
      contains:
        planned:
          description: Requests that were to be sent.
          returned: always
          type: int
        requests:
          description: Requests that have ended, with an answer or without.
          returned: always
          type: int
        not_started:
          description: Requests that could not start at their time.
          returned: always
          type: int
        retried:
          description: Requests that were sent once more, because the server had closed the idle connection.
          returned: always
          type: int
        lost:
          description: Requests without a whole answer of an accepted status.
          returned: always
          type: int
        lost_reasons:
          description: How many were lost for each reason.
          returned: always
          type: dict
        unknown:
          description: Answers that name no colour.
          returned: always
          type: int
        seconds:
          description: How long the test took, slices of the other colour included.
          returned: always
          type: float
        error_percent:
          description: Percent of its requests that were lost; null when there was none.
          returned: always
          type: float
        good_answers:
          description: Accepted answers.
          returned: always
          type: int
        latency_ms:
          description: Percentiles (nearest rank) over the accepted answers in milliseconds.
          returned: always
          type: dict
ratio_p95:
  description: p95 of the idle colour divided by that of the stable one; null when one is not known.
  returned: always, except in check mode and when no load was sent
  type: float
  sample: 1.08
problems:
  description: One text for each limit that is not met. Empty when the colour is good.
  returned: always, except in check mode and when no load was sent
  type: list
  elements: str
  sample: []
planned:
  description: How many requests would be sent, by colour.
  returned: in check mode
  type: dict
  sample: {green: 600, blue: 600}
reason:
  description:
    - Why the task failed, as a word for programs. V(limits), V(refused) when the colour has traffic, V(wrong_colour),
      V(unhealthy) when a colour does not answer, or V(bad_input).
  returned: failure
  type: str
  sample: limits
msg:
  description: The result in one sentence.
  returned: always
  type: str
  sample: "green p95 23.9 ms, 0 of 600 lost; blue p95 22.1 ms, 0 of 600 lost: within the limits"
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.load_test import OPTIONS, LoadTest, load_test
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.module import finish


def work(params: Mapping[str, Any], check_mode: bool) -> Mapping[str, Any]:
    """Test the colour; in check mode say what would be sent."""
    options = LoadTest.parse(params)
    return options.plan() if check_mode else load_test(options)


def main() -> None:
    finish(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
