#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bake
short_description: Watch gates after a step, and say whether traffic may stay
version_added: 0.1.0
description:
  - Reads the sources of all gates at their intervals, on the control node, and shows lines while it runs, with the time left and
    for each gate its value, its limit and the verdict.
  - Fails as soon as a critical gate is a certain no, and at the end when a gate has got no answer. No data is never a yes unless
    O(gates[].no_data=pass).
  - It moves no traffic. The role P(turnout.bluegreen.cutover#role) brings traffic back when it fails.
author:
  - The turnout.bluegreen authors (@turnout)
attributes:
  action:
    description: Runs on the control node.
    support: full
  check_mode:
    description: Asks each gate once, shows the answers and never fails.
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
      - Name of the service that is watched.
    type: str
    required: true
  candidate:
    description:
      - The colour that is being released; the other one is what it is compared with.
    type: str
    choices: [blue, green]
    required: true
  gates:
    description:
      - Questions that must be answered yes.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - What results and lines call it.
        type: str
        required: true
      source:
        description:
          - Where its number comes from; each source has further keys.
          - "V(router): what the routers themselves have counted, collected by M(turnout.bluegreen.watch). C(metric) is one of
            V(error_percent), V(requests_per_second), V(healthy_percent), V(in_flight), V(latency_average_ms) (HAProxy),
            V(latency_p50_ms), V(latency_p95_ms) and V(latency_p99_ms) (nginx)."
          - "V(prometheus): C(url) of the server, C(query) with one series for a colour; C(range) and C(step) in seconds ask
            for all points of that time, for O(gates[].judge); C(samples_query) gives the number of events behind the value."
          - "V(json): C(url) of any endpoint, C(query) and C(samples_query) are JMESPath expressions."
          - "V(command): C(argv), run on the control node; its last line of output is the number, or C(query) finds it in JSON."
          - "V(probe): a synthetic client on the control node, with C(url), C(rate) and other options of
            M(turnout.bluegreen.probe). C(metric) is one of V(lost), V(lost_percent), V(error_percent), V(latency_p50_ms),
            V(latency_p95_ms), V(latency_p99_ms)."
          - "V(health): failed health requests of the router that has most of them, since the beginning; see
            O(turnout.bluegreen.watch#module:targets)."
          - "V(prometheus) and V(json) also take C(headers), C(username), C(password), C(validate_certs), C(ca_path) and
            C(timeout)."
          - In the texts of a source, C({{ colour }}) stands for the colour of each reading. Write such a text as C(!unsafe), or
            Ansible takes it for a variable of its own.
        type: str
        choices: [command, health, json, probe, prometheus, router]
        required: true
      max:
        description:
          - The candidate's value may be this much.
        type: float
      min:
        description:
          - The candidate's value must be this much.
        type: float
      max_ratio:
        description:
          - The candidate's value may be this many times that of the stable colour, over the same time.
        type: float
      min_ratio:
        description:
          - The candidate's value must be this many times that of the stable colour.
        type: float
      ignore_below:
        description:
          - A candidate's value below it is good, whatever the ratio.
        type: float
      max_difference:
        description:
          - The candidate's value may be so much more than that of the stable colour.
        type: float
      min_difference:
        description:
          - The candidate's value must be so much more than that of the stable colour.
        type: float
      judge:
        description:
          - Compare all values of both colours with the Mann-Whitney U test, C(direction) (V(increase), V(decrease),
            V(either)) says which is worse. A candidate is worse when the test says so at C(confidence) (V(0.98)) even after
            the stable values were scaled by C(tolerance) (V(0.25)), and the share of pairs in which the candidate is worse is
            at least C(effect) (V(0.6)).
          - Where a series has 8 values or fewer, no two of which are equal, the exact test of the Python library SciPy is
            needed on the control node; without it there is no answer until there are more.
        type: dict
      delay:
        description:
          - Seconds until the first answer counts.
        type: float
        default: 0.0
      interval:
        description:
          - Seconds from one answer to the next. The default is O(interval).
        type: float
      count:
        description:
          - Answers in favour after which the gate is done. The default is to watch until the end.
        type: int
      failures_in_row:
        description:
          - How many bad answers in a row are tolerated; the next one is a no.
        type: int
        default: 1
      failures_total:
        description:
          - How many bad answers are tolerated in all.
        type: int
        default: 3
      min_samples:
        description:
          - Events that must lie behind an answer; with O(gates[].judge) values of each colour. Fewer are no data.
        type: int
        default: 1
      no_data:
        description:
          - V(fail) takes a missing answer for a bad one. V(hold) takes it for none, and fails at the end when there was no other.
            V(pass) takes it for a good one.
        type: str
        choices: [fail, hold, pass]
        default: fail
      critical:
        description:
          - With V(false), a no is shown and reported and stops nothing.
        type: bool
        default: true
  seconds:
    description:
      - How long to watch. V(0) asks each gate once.
    type: float
    default: 60.0
  interval:
    description:
      - Seconds from one answer to the next, for gates that say nothing else.
    type: float
    default: 5.0
  say_every:
    description:
      - Seconds from one line to the next when nothing is new. A change is shown at once, and never more than one line in a
        second.
    type: float
    default: 10.0
  title:
    description:
      - What the lines begin with.
    type: str
    default: bake
  epoch:
    description:
      - The epoch of this run. When a router has a newer one, there is nothing more to watch, and the task fails.
    type: int
  baseline:
    description:
      - Values of the stable colour from before the step, by the name of the gate, as an earlier C(bake.baseline) has them.
      - A stable colour that has no data, because it has no traffic any more, is held to these.
    type: dict
    default: {}
  measure_only:
    description:
      - Measure O(candidate) by the gates that compare the colours, and hold it to nothing. The result has RV(baseline).
    type: bool
    default: false
  validate_only:
    description:
      - Only check what is written about the gates, and ask none.
    type: bool
    default: false
  on_no:
    description:
      - V(fail) fails the task when the verdict is not a yes. Ansible then prints the whole result, with all samples.
      - V(report) does not; look at RV(passed).
    type: str
    choices: [fail, report]
    default: fail
seealso:
  - module: turnout.bluegreen.watch
  - module: turnout.bluegreen.probe
"""

EXAMPLES = r"""
- name: Begin to watch every router
  turnout.bluegreen.watch:
    service: shop

- name: Watch green for five minutes
  turnout.bluegreen.bake:
    service: shop
    candidate: green
    seconds: 300
    gates:
      - name: errors
        source: router
        metric: error_percent
        max: 1
        min_samples: 50
      - name: p95
        source: prometheus
        url: http://prometheus:9090
        query: !unsafe histogram_quantile(0.95, sum by (le) (rate(http_seconds_bucket{colour="{{ colour }}"}[30s])))
        max_ratio: 1.3
        delay: 30
      - name: lost requests
        source: probe
        url: https://shop.example.com/
        max: 0
        failures_in_row: 0
  run_once: true
"""

RETURN = r"""
msg:
  description: The verdict and its reasons in a sentence.
  returned: always
  type: str
  sample: "bake: failed after 12 s: errors of green: 4.1 is above 1; 2 bad answers in a row, 1 allowed"
baseline:
  description: Values of the colour that was measured, by the name of the gate.
  returned: with O(measure_only)
  type: dict
  sample: {p95: [0.41, 0.39]}
passed:
  description: Whether traffic may stay.
  returned: when gates were asked
  type: bool
  sample: true
bake:
  description:
    - The verdict (C(passed), C(failed), or C(running) when a newer run ended it), why, and for each gate its question,
      answers and all values of both colours as pairs of seconds since the beginning and value.
    - C(evidence_seconds) is the time from the first bad answer of those that decided to the decision, C(first_bad_at) when that
      answer was read, in seconds since the epoch, by the clock of the control node. Both are null without a no.
  returned: when gates were asked
  type: dict
  sample:
    verdict: passed
    candidate: green
    stable: blue
    seconds: 300.0
    stopped_after_seconds: 300.0
    evidence_seconds: null
    first_bad_at: null
    reasons: []
    advisory: []
    gates:
      - name: errors
        source: router
        critical: true
        question: at most 1
        verdict: "yes"
        value: 0.2
        limit: 1.0
        words: "0.2, limit 1"
        answers: {good: 60, bad: 0, missing: 0, early: 0}
        "no": null
        samples: {blue: [[5.0, 0.1]], green: [[5.0, 0.2]]}
"""
