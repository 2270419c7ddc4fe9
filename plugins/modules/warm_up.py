#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: warm_up
short_description: Ask an idle colour for pages until its latency is flat
version_added: 0.1.0
author:
  - The turnout.bluegreen authors (@turnout)
description:
  - Fills caches, connection pools and compilers of the idle colour before users come to it. It repeats requests through the
    preview way, a list of paths or those that users ask for most by an access log, until latency does not fall any more.
  - "Requests are sent in windows. A window is whole rounds over all paths, at least O(window) requests, each round in another
    order: each window then holds the same pages, and with several servers behind the router each of them gets all pages in
    the end."
  - Latency is flat, and the colour warm, when the p95 of each of the last O(flat_windows) windows is within an allowance of
    their mean, and the last of them is not faster than the first of them by more than the allowance. The allowance is
    O(tolerance) times the mean, at least O(floor_ms).
  - "The reasons: p95 shows the cold pages that an average hides; several windows, because one may be luck; their mean and not
    the best window so far, because one lucky window would make all later ones look bad; the last against the first, because
    latency that falls a little with each window is not flat; and the floor, because on a quiet service 1.2 and 1.6
    milliseconds are the same."
  - A request that fails counts as slower than any answer. A window in which more than one in twenty fail has no p95 and is
    never flat. When a whole window gets no good answer, the task fails.
  - It never loads the colour that serves users, see O(colour).
notes:
  - A load on the idle colour is a load on what both colours share, such as the database. O(concurrency) and O(max_rate) bound
    it.
  - GET should change nothing (RFC 9110, section 9.2.1). Leave out by C(exclude) what does on your service, such as links that
    log out.
extends_documentation_fragment:
  - turnout.bluegreen.synthetic
  - turnout.bluegreen.synthetic.preview
options:
  urls:
    description:
      - Paths to ask for, each begins with a slash. They come before those of O(access_log).
    type: list
    elements: str
    default: []
  access_log:
    description:
      - Takes the paths from the end of an access log on the host on which the task runs. Only GET requests with a status of
        O(status) are taken, the most frequent ones.
      - Requests of this collection's own clients are left out, where the format has the user agent.
      - A request is dropped, and counted in RV(access_log.dropped_secrets), when a parameter of its query string looks like a
        secret. That is so when its name has a word such as C(token), C(key), C(password), C(session), C(sig) or C(auth), or
        when its value has 32 or more letters and digits mixed. A secret that is a part of the path is not recognised, use
        C(exclude).
    type: dict
    suboptions:
      path:
        description:
          - The log.
        type: path
        required: true
      format:
        description:
          - V(combined) and V(common) are the formats of that name of nginx and Apache.
          - V(haproxy) is C(option httplog) of HAProxy.
          - V(json) is one object a line, with C(method) or C(request_method), C(request_uri), C(uri), C(path) or C(url), and
            C(status) or C(status_code). In place of method and path, C(request) may hold the request line. The logs of the
            role P(turnout.bluegreen.nginx#role) are such ones.
        type: str
        choices: [combined, common, haproxy, json]
        default: combined
      top:
        description:
          - How many paths to take, at most 5000.
        type: int
        default: 200
      since_bytes:
        description:
          - How much of the end of the log to read.
        type: int
        default: 67108864
      include:
        description:
          - Python regular expression to be found in path and query string of what is taken.
        type: str
      exclude:
        description:
          - Python regular expression that is not to be found there.
        type: str
  concurrency:
    description:
      - How many requests may be under way at the same moment, at most 100.
    type: int
    default: 8
  max_rate:
    description:
      - Requests per second at most, up to 500.
    type: float
    default: 200.0
  window:
    description:
      - Requests of a window at least, 20 or more. It is rounded up to whole rounds over all paths.
    type: int
    default: 200
  flat_windows:
    description:
      - How many windows in a row must be alike, at least 2.
    type: int
    default: 3
  tolerance:
    description:
      - How far their p95 may be off their mean, as a part of it.
    type: float
    default: 0.1
  floor_ms:
    description:
      - How far it may be off in any case, in milliseconds.
    type: float
    default: 5.0
  max_seconds:
    description:
      - The warm-up ends after so many seconds, whether latency is flat or not. Requests that are under way then may take
        their O(timeout).
    type: float
    default: 120.0
  max_requests:
    description:
      - The warm-up ends before the window that would make it more requests than this.
    type: int
    default: 50000
  on_cap:
    description:
      - What it means that O(max_seconds) or O(max_requests) came first. With V(report) the task succeeds with RV(warm=false).
    type: str
    choices: [report, fail]
    default: report
seealso:
  - module: turnout.bluegreen.load_test
    description: Holds the idle colour against limits once it is warm.
"""

EXAMPLES = r"""
- name: Warm the idle colour up with what users ask for most
  turnout.bluegreen.warm_up:
    service: shop
    colour: green
    access_log:
      path: /var/log/nginx/access.log
      exclude: ^/(logout|export)
    max_seconds: 60

- name: Warm a few pages up, and stop the release when they stay slow
  turnout.bluegreen.warm_up:
    service: shop
    colour: green
    host_header: shop.example.com
    urls: [/, /cart, "/search?q=shoes"]
    on_cap: fail
"""

RETURN = r"""
warm:
  description: Whether latency became flat.
  returned: always, except in check mode and when no load was sent
  type: bool
  sample: true
ended:
  description: What ended it, V(flat), V(max_seconds), V(max_requests), V(no_answers) or V(wrong_colour).
  returned: always, except in check mode and when no load was sent
  type: str
  sample: flat
first_p95_ms:
  description: The p95 of the first window that has one, in milliseconds. Null when none has.
  returned: always, except in check mode and when no load was sent
  type: float
  sample: 412.7
last_p95_ms:
  description: The p95 of the last window that has one.
  returned: always, except in check mode and when no load was sent
  type: float
  sample: 18.2
windows:
  description: The p95 of each whole window; null where too many requests failed.
  returned: always, except in check mode and when no load was sent
  type: list
  elements: float
  sample: [412.7, 40.1, 18.9, 18.4, 18.2]
window:
  description: Requests of one window.
  returned: always, except in check mode and when no load was sent
  type: int
  sample: 200
requests:
  description: Requests that were sent.
  returned: always, except in check mode and when no load was sent
  type: int
  sample: 1000
errors:
  description: Those that got no accepted answer.
  returned: always, except in check mode and when no load was sent
  type: int
  sample: 1
error_reasons:
  description: How many for each reason.
  returned: always, except in check mode and when no load was sent
  type: dict
  sample: {status 404: 1}
seconds:
  description: How long it took.
  returned: always, except in check mode and when no load was sent
  type: float
  sample: 12.31
urls:
  description: How many paths were asked for.
  returned: always, except when no load was sent
  type: int
  sample: 3
urls_used:
  description: These paths, the first 100 of them.
  returned: always, except when no load was sent
  type: list
  elements: str
  sample: [/, /cart, "/search?q=shoes"]
access_log:
  description: What was read of O(access_log). Null when none is given.
  returned: always, except when no load was sent
  type: dict
  sample: {lines: 80211, taken: 61200, dropped_secrets: 14, not_understood: 0}
  contains:
    lines:
      description: Lines that were read.
      returned: always
      type: int
    taken:
      description: Requests that could be repeated.
      returned: always
      type: int
    dropped_secrets:
      description: Requests that were left out, because their query string looks like a secret.
      returned: always
      type: int
    not_understood:
      description: Lines that are not in the format.
      returned: always
      type: int
reason:
  description:
    - Why the task failed, as a word for programs. V(not_warm), V(wrong_colour), V(unhealthy) when the colour does not answer,
      V(storage) when the log can not be read, or V(bad_input).
  returned: failure
  type: str
  sample: not_warm
msg:
  description: The result in one sentence.
  returned: always
  type: str
  sample: "green is warm: 1000 requests in 12.3 s; p95 of the first window 412.7 ms, of the last 18.2 ms"
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.module import finish
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.warm_up import OPTIONS, WarmUp, warm_up


def work(params: Mapping[str, Any], check_mode: bool) -> Mapping[str, Any]:
    """Warm the colour up; in check mode say what would be asked for."""
    options = WarmUp.parse(params)
    return options.plan() if check_mode else warm_up(options)


def main() -> None:
    finish(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
