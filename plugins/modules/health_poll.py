#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: health_poll
short_description: Wait until many endpoints are healthy
version_added: 0.1.0
author:
  - The turnout.bluegreen authors (@turnout)
description:
  - Polls many HTTP, HTTPS and TCP endpoints at once, from the host on which the task runs, until each of them
    has passed a number of tries in a row.
  - Fails when a target is not healthy in time, and names every such target together with the reason.
  - One task polls a thousand endpoints. Every try is a new connection. Redirects are not followed, a
    redirect is a status like any other. Proxies of the environment are not used.
  - Secrets are not returned. User and password of a URL and the values of request headers appear in no
    result; a query string does, so keep secrets out of it.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details:
      - It polls in check mode too, because it only reads.
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in check mode), when in
      diff mode.
    support: none
    details:
      - There is never a difference to show, because it only reads.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second time
      indicates no change.
    support: full
    details:
      - It never reports a change.
  platform:
    description: Target OS/families that can be operated against.
    platforms: posix
    support: full
options:
  targets:
    description:
      - The endpoints to poll.
      - A string is a URL such as V(http://web1:8080/healthz), V(https://web1/healthz) or V(tcp://web1:6379).
      - A dictionary has the key C(url), optionally C(name) (how results call the target, by default its
        URL), and any of the options from O(method) to O(max_failures). What it says there replaces the
        option's value for this target.
      - User and password in a URL are sent as HTTP basic authentication.
    type: list
    elements: raw
    required: true
  base_url:
    description:
      - What to put before targets that are a path such as V(/healthz).
    type: str
  method:
    description:
      - Method of the request. Only those which change nothing.
    type: str
    choices: [GET, HEAD, OPTIONS]
    default: GET
  headers:
    description:
      - Request headers. Their values are not returned and not logged.
    type: dict
  host_header:
    description:
      - Value of the C(Host) header, to ask one server for one of its sites. By default host and port of the
        URL.
    type: str
  server_name:
    description:
      - Name to ask for in the TLS handshake (SNI) and to look for in the certificate.
      - By default the host in O(host_header), or else the host of the URL.
    type: str
  status:
    description:
      - Statuses of a healthy answer, such as V(200), and ranges of them, such as V(200-299).
    type: list
    elements: str
    default: ['200-299']
  body_contains:
    description:
      - Text which the body must contain. Bodies are read up to 256 KiB, as UTF-8.
    type: str
  body_regex:
    description:
      - Python regular expression to be found in the body.
    type: str
  json_query:
    description:
      - JMESPath expression to apply to the body, which must be JSON.
      - Needs the Python library C(jmespath) on the host that polls.
    type: str
  json_value:
    description:
      - What O(json_query) must give. A string also equals the number or boolean which it spells.
      - By default the result must be true in JMESPath's sense, that is neither null nor false nor empty.
    type: raw
  response_headers:
    description:
      - Headers which the answer must have, by name.
      - A value must be equal; a value which begins with V(~) is a regular expression to be found in the
        header.
    type: dict
  max_latency_ms:
    description:
      - A try which takes longer than this many milliseconds from the start of the connection to the end of
        the answer has failed.
      - Tries that are under way together share one processor of the host that polls. Two hundred add some 50
        milliseconds to each other, so lower O(concurrency) when the limit is tight.
    type: float
  validate_certs:
    description:
      - Whether the certificate of an C(https) target must be valid.
    type: bool
    default: true
  ca_path:
    description:
      - File (PEM) or hashed directory of certificate authorities to trust besides those of the system.
    type: path
  client_cert:
    description:
      - File (PEM) of the client certificate to present, and of its key unless O(client_key) is given.
    type: path
  client_key:
    description:
      - File (PEM) of the client certificate's key. It must not be encrypted.
    type: path
  timeout:
    description:
      - Seconds which one try may take.
    type: float
    default: 5.0
  interval:
    description:
      - Seconds from the end of one try of a target to the start of its next one.
    type: float
    default: 1.0
  successes:
    description:
      - Successful tries in a row after which a target is healthy. It is not polled any more then.
    type: int
    default: 1
  max_failures:
    description:
      - How many tries of one target may fail, in a row or not. With one more it is given up at once.
      - By default a target is tried until the deadline.
      - Watching a colour after a cutover uses V(0). Users are there already, so one failed try is one too
        many.
    type: int
  deadline:
    description:
      - Seconds which the whole poll may take.
    type: float
    default: 60.0
  fail_fast:
    description:
      - End the whole poll as soon as one target is given up, see O(max_failures). Targets which were not
        yet decided are reported as such.
    type: bool
    default: false
  jitter:
    description:
      - Every pause is O(interval) times a random factor between 1 - O(jitter) and 1 + O(jitter).
    type: float
    default: 0.2
  concurrency:
    description:
      - How many tries may be under way at the same moment. The limit of open files of the process is
        respected too.
    type: int
    default: 200
"""

EXAMPLES = r"""
- name: Wait until every host of the idle colour has answered three times in a row
  turnout.bluegreen.health_poll:
    targets: "{{ groups['green'] | map('regex_replace', '^(.*)$', 'http://\\1:8080/healthz') | list }}"
    successes: 3
    deadline: 120
  delegate_to: localhost
  run_once: true

- name: Ask for the right release in the right state, and for the cache behind it
  turnout.bluegreen.health_poll:
    targets:
      - url: https://10.0.0.11/healthz
        name: green-1
        json_query: release
        json_value: v2
      - url: https://10.0.0.12/healthz
        name: green-2
        response_headers:
          X-Release: ~^v2(\.|$)
      - tcp://10.0.0.20:6379
    host_header: shop.example.com
    ca_path: /etc/ssl/internal-ca.pem
    max_latency_ms: 300

- name: Watch the new live colour for five minutes, one failed try ends it
  turnout.bluegreen.health_poll:
    targets: "{{ bake_urls }}"
    successes: 60
    interval: 5
    max_failures: 0
    fail_fast: true
    deadline: 400
"""

RETURN = r"""
targets:
  description: One entry for each target, in the order of O(targets). Also returned when the task fails.
  returned: always, except when the options cannot be used
  type: list
  elements: dict
  sample:
    - name: green-1
      url: https://10.0.0.11/healthz
      healthy: true
      tries: 4
      successes: 3
      last_error: status 503, expected 200-299
      latency_ms:
        p50: 2.31
        p95: 4.8
        p99: 4.8
  contains:
    name:
      description: Name of the target.
      returned: success
      type: str
    url:
      description: URL without user and password.
      returned: success
      type: str
    healthy:
      description: Whether it passed enough tries in a row.
      returned: success
      type: bool
    tries:
      description: Number of tries.
      returned: success
      type: int
    successes:
      description: Number of tries which succeeded.
      returned: success
      type: int
    last_error:
      description: Why the last failed try failed; null when none did.
      returned: success
      type: str
    latency_ms:
      description:
        - Percentiles (nearest rank) of the latency of the answered tries in milliseconds; null when nothing
          answered.
        - Counted are the last 4096 answers of a target.
      returned: success
      type: dict
unhealthy:
  description: Names of the targets which are not healthy.
  returned: always, except when the options cannot be used
  type: list
  elements: str
  sample: []
summary:
  description: The whole poll.
  returned: always, except when the options cannot be used
  type: dict
  sample:
    total: 2
    healthy: 2
    unhealthy: 0
    tries: 7
    duration_s: 3.214
    latency_ms:
      p50: 2.2
      p95: 4.8
      p99: 4.8
msg:
  description: The result in one sentence. On failure it names every target that is not healthy, grouped by
    reason.
  returned: always
  type: str
  sample: All 2 targets are healthy after 3.2 s
"""

import asyncio
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.turnout.bluegreen.plugins.module_utils._health import report
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.client import Client, descriptors_left
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.expectations import (
    HealthError,
    MissingLibrary,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.poller import Pace, Poller, Record
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.targets import (
    TARGET_OPTIONS,
    Target,
    parse_targets,
)

_RESOLVER_THREADS = 32


def argument_spec() -> dict[str, dict[str, object]]:
    """The options. What one target may override is spelled out beside the code which reads it."""
    return dict(
        # no_log keeps the headers and passwords of single targets out of syslog and of early failures.
        targets={"type": "list", "elements": "raw", "required": True, "no_log": True},
        base_url={"type": "str", "no_log": True},
        deadline={"type": "float", "default": 60.0},
        fail_fast={"type": "bool", "default": False},
        jitter={"type": "float", "default": 0.2},
        concurrency={"type": "int", "default": 200},
        **TARGET_OPTIONS,
    )


async def poll(targets: list[Target], pace: Pace) -> list[Record]:
    """Poll with real connections."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_RESOLVER_THREADS))
    return await Poller(Client(targets).probe, pace).poll(targets)


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    # From here on nothing that is returned is made of a secret, while censoring every text and number which
    # some header or target also has would take the names of the targets away.
    module.no_log_values.clear()
    targets: list[Target] = []
    started = time.monotonic()
    try:
        targets = parse_targets(module.params["targets"], module.params)
        pace = Pace(
            deadline=module.params["deadline"],
            jitter=module.params["jitter"],
            concurrency=min(module.params["concurrency"], descriptors_left()),
            fail_fast=module.params["fail_fast"],
        )
        records = asyncio.run(poll(targets, pace))
    except MissingLibrary as exc:
        module.fail_json(
            msg=missing_required_lib("jmespath", reason="for json_query"),
            exception="".join(traceback.format_exception(type(exc), exc, exc.__traceback__)),
            invocation=report.invocation(module.params, targets),
        )
    except HealthError as exc:
        module.fail_json(msg=str(exc), invocation=report.invocation(module.params, targets))
    result = report.result(records, time.monotonic() - started)
    result.update(changed=False, invocation=report.invocation(module.params, targets))
    if result["unhealthy"]:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
