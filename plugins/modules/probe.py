#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: probe
short_description: See what users of a service get, as a client of it
version_added: 0.1.0
author:
  - The turnout.bluegreen authors (@turnout)
description:
  - Sends requests through the real router at a bounded rate, over connections that are kept and over new ones, from the host
    on which the task runs. It counts which colour answers, what is lost and why, and how long answers take.
  - Fails when requests are lost, and when the answers contradict the split that was asked for.
  - Requests start at their times, however slow the answers are. One that can not start within a second of its time, because
    O(concurrency) requests are under way or the host is busy, is counted as RV(not_started) and not sent later.
  - A request is lost when it gets no whole answer with an accepted status, for example when the connection is refused or
    reset, when it takes longer than O(timeout), or when the answer ends before its end. Nothing that is lost is tried again,
    with one exception. A server may close an idle connection at any moment, so a kept connection can end while the next
    request is on its way. When that happens before any byte of the answer, and about as fast as a message from the server can
    come (the time that the connection took to open, and 0.25 seconds), the request is sent once more on a new connection and
    counted as RV(retried) (RFC 9112, section 9.3.1). When it happens later, the server had the request, and it is lost.
  - Bodies are read to their end. Cookies are not kept, redirects not followed, proxies of the environment not used.
notes:
  - A URL that changes something is no good for a probe. It is asked for many times.
  - A query string is returned, so keep secrets out of it. User and password of a URL are not returned.
extends_documentation_fragment:
  - turnout.bluegreen.synthetic
options:
  url:
    description:
      - What to ask for, for example V(https://shop.example.com/). With O(paths), what comes before each of them.
      - User and password in it are sent as HTTP basic authentication.
    type: str
    required: true
  paths:
    description:
      - Paths below O(url), asked for in turn. Each begins with a slash.
    type: list
    elements: str
    default: []
  method:
    description:
      - Method of the requests. Only those that change nothing.
    type: str
    choices: [GET, HEAD]
    default: GET
  rate:
    description:
      - Requests per second, at most 500.
    type: float
    default: 10.0
  seconds:
    description:
      - How long to send. V(10) when O(count) is not given either.
    type: float
  count:
    description:
      - How many requests to send, in place of O(seconds).
    type: int
  connections:
    description:
      - V(keep_alive) uses connections again, V(new) makes one for each request, V(both) takes turns.
    type: str
    choices: [both, keep_alive, new]
    default: both
  concurrency:
    description:
      - How many requests may be under way at the same moment, at most 1000.
    type: int
    default: 200
  split:
    description:
      - "The split that was asked of the router, in percent by colour, for example V({green: 25}). A colour that is left out
        gets the rest."
      - The answers are held against it with the exact interval of Clopper and Pearson (1934), see O(confidence). With 0 or
        100 percent a single answer of the colour that should have none is a contradiction.
      - "A split that is not contradicted is claimed only when the split that is O(resolution) percent above it, and the one
        below it, are contradicted. Otherwise the verdict is C(too_few): so few answers would look the same with another
        split."
      - Answers count whatever their status, because the router has chosen a colour for them. Requests without an answer, and
        answers that name neither blue nor green, have no part in it.
    type: dict
  confidence:
    description:
      - A split that is right is called contradicted in at most 1 minus this of all comparisons.
    type: float
    default: 0.999
  resolution:
    description:
      - Percent by which another split must differ to be told from the one that was asked for, 1 to 50. With 10, some 70
        answers are enough for 0 and 100 percent, some 280 for 50.
    type: int
    default: 10
  independent:
    description:
      - Whether each request is a draw of its own. It is, where the router decides for each request, as those of this
        collection do without stickiness.
      - Behind a sticky router it is not. All requests of this probe are one client, and show where that client is sent,
        however many they are. The same holds for balancers that decide by connection, unless O(connections=new). With
        V(false) the split is reported and the verdict is C(not_compared), except that with 0 or 100 percent a stray is still
        a contradiction.
    type: bool
    default: true
  max_lost:
    description:
      - How many requests may be lost.
    type: int
    default: 0
  fail_on_lost:
    description:
      - Whether the task fails when more are lost, or when no request could be sent.
    type: bool
    default: true
  fail_on_split:
    description:
      - Which verdict about O(split) fails the task. V(contradicted) is that verdict, V(unproven) any but C(consistent),
        V(never) none.
    type: str
    choices: [contradicted, unproven, never]
    default: contradicted
seealso:
  - module: turnout.bluegreen.health_poll
    description: Waits until endpoints are healthy; the probe watches what users get.
  - module: turnout.bluegreen.traffic_info
    description: What the router itself says about the split.
"""

EXAMPLES = r"""
- name: Ask the service for ten seconds, as its users do
  turnout.bluegreen.probe:
    url: https://shop.example.com/
  delegate_to: localhost
  run_once: true

- name: Make sure that a quarter of the requests goes to green, and that none is lost
  turnout.bluegreen.probe:
    url: http://lb1.example.com
    host_header: shop.example.com
    paths: [/, /cart]
    rate: 50
    seconds: 20
    split:
      green: 25
    fail_on_split: unproven
  delegate_to: localhost
  run_once: true

- name: Watch a cutover from outside while other tasks make it
  turnout.bluegreen.probe:
    url: https://shop.example.com/
    rate: 20
    seconds: 120
  delegate_to: localhost
  run_once: true
  async: 150
  poll: 0
"""

RETURN = r"""
requests:
  description: Requests that have ended, with an answer or without.
  returned: always, except in check mode and when the options can not be used
  type: int
  sample: 1000
not_started:
  description: Requests that could not start at their time.
  returned: always, except in check mode and when the options can not be used
  type: int
  sample: 0
retried:
  description: Requests that were sent once more, because the server had closed the idle connection.
  returned: always, except in check mode and when the options can not be used
  type: int
  sample: 1
lost:
  description: Requests without a whole answer of an accepted status.
  returned: always, except in check mode and when the options can not be used
  type: int
  sample: 0
lost_reasons:
  description: How many were lost for each reason, the most frequent first.
  returned: always, except in check mode and when the options can not be used
  type: dict
  sample: {connection refused: 3, status 503: 1}
unknown:
  description: Answers that name no colour.
  returned: always, except in check mode and when the options can not be used
  type: int
  sample: 0
seconds:
  description: How long it took.
  returned: always, except in check mode and when the options can not be used
  type: float
  sample: 20.004
latency_ms:
  description:
    - Percentiles (nearest rank) over all accepted answers, in milliseconds, from the start of the connection, or of the
      request on a kept one, to the end of the answer. Null when there is none.
  returned: always, except in check mode and when the options can not be used
  type: dict
  sample: {p50: 4.1, p95: 9.8, p99: 21.3}
colours:
  description: By colour, what it has answered.
  returned: always, except in check mode and when the options can not be used
  type: dict
  sample:
    green:
      answers: 252
      refused: 0
      percent: 25.2
      asked_percent: 25
      first_at: 1800000000.121
      last_at: 1800000019.98
      latency_ms: {p50: 4.0, p95: 9.1, p99: 20.2}
  contains:
    colour:
      description: The figures of one colour. The key is its name.
      returned: success
      type: dict
      contains:
        answers:
          description: Whole answers, of any status.
          returned: always
          type: int
        refused:
          description: Those of them whose status is not accepted.
          returned: always
          type: int
        percent:
          description: Its part of the answers that name a colour.
          returned: always
          type: float
        asked_percent:
          description: Its part in O(split).
          returned: when O(split) is given
          type: int
        first_at:
          description: When its first answer was complete, in seconds since the Unix epoch.
          returned: always
          type: float
        last_at:
          description: When its last answer was complete.
          returned: always
          type: float
        latency_ms:
          description: Percentiles over its accepted answers.
          returned: always
          type: dict
split:
  description: The answers against O(split). Null when it is not given.
  returned: always, except in check mode and when the options can not be used
  type: dict
  sample:
    verdict: consistent
    consistent: true
    interval: [20.8, 30.0]
    words: "green gave 25.2% of 1000 answers, asked for 25%: consistent (99.9% interval 20.8% to 30.0%)"
  contains:
    verdict:
      description: V(consistent), V(contradicted), V(too_few) or V(not_compared).
      returned: always
      type: str
    consistent:
      description: The same as true or false; null when nothing can be claimed.
      returned: always
      type: bool
    interval:
      description: Least and greatest percent of green that the answers do not contradict; null when they were not compared.
      returned: always
      type: list
      elements: float
    words:
      description: The same for people.
      returned: always
      type: str
planned:
  description: What would be sent.
  returned: in check mode
  type: dict
  sample: {requests: 1000, rate: 50.0}
reason:
  description: Why the task failed, as a word for programs. V(lost), V(split) or V(bad_input).
  returned: failure
  type: str
  sample: lost
msg:
  description: The result in one sentence.
  returned: always
  type: str
  sample: "http://lb1.example.com: 1000 requests in 20.0 s; 0 lost; blue 74.8%; green 25.2%"
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.module import finish
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.probe import OPTIONS, ProbeOptions, judge, run_probe


def work(params: Mapping[str, Any], check_mode: bool) -> Mapping[str, Any]:
    """Send the requests and hold the result against the options; in check mode say what would be sent."""
    options = ProbeOptions.parse(params)
    if check_mode:
        return options.plan()
    found = run_probe(options)
    judge(options, found)
    return found


def main() -> None:
    finish(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
