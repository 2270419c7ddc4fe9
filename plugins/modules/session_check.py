#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: session_check
short_description: Check that users stay logged in when their colour changes
version_added: 0.1.0
author:
  - The turnout.bluegreen authors (@turnout)
description:
  - Logs in through the stable colour, carries the cookies to the candidate, checks that the session is there, and then again
    on the stable colour. Both are reached through the preview way, past the split; traffic is untouched.
  - "The questions, in their order: RV(findings) has one line for each."
  - "C(control): O(check) without a login must be refused by both colours. A check that everybody passes proves nothing."
  - "C(login): every request of O(login) is answered as expected."
  - "C(stable): O(check) passes on the stable colour."
  - "C(candidate): it passes on the candidate with the cookies of the stable colour, O(repeat) times, because each request may
    come to another server."
  - "C(back): it passes on the stable colour with the cookies that are there now, O(repeat) times. A candidate that ends a
    session, or writes it in a way that the other release can not read, is found here."
  - "C(new_session): who logs in on the candidate is logged in on the stable colour too. Else a rollback would log out all who
    came after the switch. See O(new_session)."
  - "C(store), C(store_latency), C(store_memory) and C(store_evictions): the Redis of O(redis_url)."
  - No form value, cookie, token, header value, body of an answer, user or password of a URL is in a result or an error. Texts
    that an answer was expected to hold are, without those of these values that have four or more characters.
notes:
  - Use a user of its own for this, one who may do nothing. Each run leaves up to two sessions on the server, which end as the
    application ends them.
  - "Cookies are kept as a browser at the public address keeps them. Their domain is judged by O(host_header), their path by the
    path of the request, and the way counts as secure, because the preview way mostly has no TLS where users have it. So
    C(Secure) and C(__Host-) cookies are carried. A cookie whose domain does not fit is refused and named."
  - An application that sends those who come without TLS elsewhere needs the header that its proxy sets, for example
    C(X-Forwarded-Proto) in O(headers).
options:
  service:
    description:
      - Name of the service, sent as header C(X-Bluegreen-Service).
    type: str
    required: true
  stable:
    description:
      - The colour that users are on.
    type: str
    choices: [blue, green]
    required: true
  candidate:
    description:
      - The colour that they will come to.
    type: str
    choices: [blue, green]
    required: true
  base_url:
    description:
      - Where the preview way is, which leads to one colour past the split. The colour is sent as header
        C(X-Bluegreen-Preview).
    type: str
    default: http://127.0.0.1:8404
  login:
    description:
      - The requests of a login, in their order. Their cookies are kept. Redirects are not followed, they are answers like any
        other; a login that answers 302 with a cookie is complete.
      - In O(login[].path), O(login[].form), O(login[].json), O(login[].body) and O(login[].headers), and those of O(check),
        C(${name}) stands for what an earlier request has stored by O(login[].store), in a path percent-encoded. Ansible's own
        templates leave this form alone. C($${) is a plain C(${).
      - Mutually exclusive with O(cookie).
    type: list
    elements: dict
    suboptions:
      path:
        description: Begins with a slash; it is below O(base_url).
        type: str
        required: true
      method:
        description: By default V(POST) with O(login[].form), O(login[].json) or O(login[].body), else V(GET).
        type: str
        choices: [GET, HEAD, POST, PUT, PATCH]
      form:
        description: Fields of a form, sent as C(application/x-www-form-urlencoded).
        type: dict
      json:
        description: Sent as JSON.
        type: dict
      body:
        description: Sent as it is. Its type is a header of yours.
        type: str
      headers:
        description: More request headers.
        type: dict
      status:
        description:
          - Statuses of the expected answer, such as V(200), and ranges of them. V(200-399) for a login, V(200-299) for
            O(check), unless given.
        type: list
        elements: str
      body_contains:
        description: Text that the body must contain. Bodies are read up to 256 KiB, as UTF-8.
        type: str
      body_regex:
        description: Python regular expression to be found in the body.
        type: str
      json_query:
        description: JMESPath expression for a JSON body. Needs the Python library C(jmespath) on the host.
        type: str
      json_value:
        description: What it must give. By default it must be true in JMESPath's sense, neither null nor false nor empty.
        type: raw
      store:
        description:
          - Values to keep of the answer, by name, for example a token against request forgery. Each is a Python regular
            expression, looked for in the body and then in the headers, one C(name:value) with a blank after the colon a line.
            Its first group is kept, or the whole match. Character references of an HTML body are resolved.
        type: dict
  cookie:
    description:
      - Cookies of a session that was begun elsewhere, as V(name=value), in place of O(login). For example where a login needs
        a person or another host. More than one are separated by semicolons.
    type: str
  check:
    description:
      - The request that tells whether somebody is logged in. Its expectations must hold for the user who has logged in, and
        must not hold for one who has not.
    type: dict
    suboptions:
      path:
        description: Begins with a slash; it is below O(base_url).
        type: str
        required: true
      method:
        description: As O(login[].method).
        type: str
        choices: [GET, HEAD, POST, PUT, PATCH]
      form:
        description: As O(login[].form).
        type: dict
      json:
        description: As O(login[].json).
        type: dict
      body:
        description: As O(login[].body).
        type: str
      headers:
        description: As O(login[].headers).
        type: dict
      status:
        description: As O(login[].status).
        type: list
        elements: str
      body_contains:
        description: As O(login[].body_contains).
        type: str
      body_regex:
        description: As O(login[].body_regex).
        type: str
      json_query:
        description: As O(login[].json_query).
        type: str
      json_value:
        description: As O(login[].json_value).
        type: raw
  repeat:
    description:
      - How often each colour is asked, at most 100. Take at least twice the number of its servers, so that each of them is
        asked.
    type: int
    default: 4
  new_session:
    description:
      - Also log in on the candidate and look for that session on the stable colour. Needs O(login); without it there is no such
        question.
    type: bool
    default: true
  redis_url:
    description:
      - The Redis that holds the sessions, as V(redis://user:password@host:6379/0), or with C(rediss://) by TLS. All but the
        host may be left out, and special characters are percent-encoded. It is asked for C(PING) and C(INFO), so its user
        needs no more than C(+ping +info +select).
      - "C(store) fails when it does not answer or is a replica, which takes no new sessions."
      - "C(store_memory) fails when O(redis_max_memory_percent) of its C(maxmemory) are used and its C(maxmemory-policy) throws
        keys away then. With an C(allkeys-) policy and less it warns. With C(noeviction) it warns, and fails from 99 percent on."
      - "C(store_evictions) fails when keys are thrown away while it looks, and warns when some were before."
    type: str
  redis_max_latency_ms:
    description:
      - C(store_latency) fails when the median of 20 pings is above it, and warns when one of them is.
    type: float
    default: 50.0
  redis_max_memory_percent:
    description:
      - From here on the memory counts as full.
    type: float
    default: 90.0
  headers:
    description:
      - Headers of all requests. Their values are not returned and not logged.
    type: dict
  host_header:
    description:
      - The name that users come by, sent as C(Host), asked for with TLS, and what the domain of cookies must fit. By default host
        and port of O(base_url).
    type: str
  colour_header:
    description:
      - Header by which an answer names the colour that gave it. The task stops when another colour answers than was asked.
    type: str
    default: X-Bluegreen-Colour
  timeout:
    description:
      - Seconds that one request may take, and each step of talking to the Redis.
    type: float
    default: 5.0
  validate_certs:
    description:
      - Whether certificates must be valid.
    type: bool
    default: true
  ca_path:
    description:
      - File (PEM) or hashed directory of certificate authorities to trust besides those of the system.
    type: path
  on_fail:
    description:
      - Whether the task fails when a finding is C(fail). With V(report) it succeeds, and RV(verdict) says it.
    type: str
    choices: [fail, report]
    default: fail
attributes:
  check_mode:
    description: Says what would be asked, and asks nothing, because a login changes something on the server.
    support: full
    details:
      - It never reports a change, neither in check mode nor outside of it.
  diff_mode:
    description: There is never a difference to show, because no configuration is changed.
    support: none
  idempotent:
    description: It never reports a change. All the same it logs in again each time.
    support: partial
    details:
      - Each run leaves sessions behind in the application, which end as the application ends them.
  platform:
    description: Needs Python 3.9, and no library except for C(json_query), on the host on which the task runs.
    platforms: posix
    support: full
seealso:
  - module: turnout.bluegreen.health_poll
  - module: turnout.bluegreen.warm_up
"""

EXAMPLES = r"""
- name: Check that users stay logged in when they come to green
  turnout.bluegreen.session_check:
    service: shop
    stable: blue
    candidate: green
    host_header: shop.example.com
    login:
      - path: /login
        store:
          csrf: name="csrf" value="([^"]+)"
      - path: /login
        form:
          user: release-check
          password: "{{ shop_check_password }}"
          csrf: ${csrf}
        status: ["302"]
    check:
      path: /account
      body_contains: Sign out

- name: The same with a session that was begun elsewhere
  turnout.bluegreen.session_check:
    service: shop
    stable: blue
    candidate: green
    cookie: "session={{ shop_check_session }}"
    check:
      path: /api/me
      json_query: user.name

- name: Look at the store of the sessions only
  turnout.bluegreen.session_check:
    service: shop
    stable: blue
    candidate: green
    redis_url: "rediss://:{{ redis_password | urlencode }}@redis.example.com:6379/0"
    on_fail: report
"""

RETURN = r"""
findings:
  description: One entry for each question, in their order. Empty in check mode. After a fail of C(control), C(login) or
    C(stable), questions that have no meaning any more are left out.
  returned: always, except when an option can not be used or another colour has answered
  type: list
  elements: dict
  sample:
    - check: candidate
      severity: fail
      evidence: >-
        the session is not there on green, 4 of 4 requests check GET /me: status 401, expected 200-299 (cookies: session)
  contains:
    check:
      description: The question, a stable word.
      returned: always
      type: str
    severity:
      description: V(pass), V(warn) or V(fail).
      returned: always
      type: str
    evidence:
      description: What was seen, in one sentence.
      returned: always
      type: str
verdict:
  description: The worst severity of them; null in check mode.
  returned: always, except when an option can not be used or another colour has answered
  type: str
  sample: fail
requests:
  description: What each request is called, without its query string.
  returned: always, except when an option can not be used or another colour has answered
  type: list
  elements: str
  sample: ["login[0] GET /login", "login[1] POST /login", check GET /account]
redis:
  description: Figures of the Redis; null where it does not tell one. Null as a whole when there is none, or it can not be asked.
  returned: always, except when an option can not be used or another colour has answered
  type: dict
  sample:
    version: 7.0.15
    role: master
    ping_ms: {p50: 0.081, max: 0.21}
    used_memory: 1048576
    maxmemory: 104857600
    maxmemory_policy: volatile-lru
    evicted_keys: 0
reason:
  description: Why the task failed, as a word for programs. V(session), V(wrong_colour) or V(bad_input).
  returned: failure
  type: str
  sample: session
msg:
  description: The result in one sentence.
  returned: always
  type: str
  sample: 9 questions about sessions are answered yes
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import TurnoutError
from ansible_collections.turnout.bluegreen.plugins.module_utils._session.check import (
    OPTIONS,
    SessionCheck,
    session_check,
    shown,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.answer import failure


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    # What is returned is made without secrets. Censoring each text that is also the value of a form would take words away.
    module.no_log_values.clear()
    invocation = {"module_args": shown(module.params)}
    try:
        options = SessionCheck.parse(module.params)
        result = options.plan() if module.check_mode else session_check(options)
    except TurnoutError as error:
        module.fail_json(**failure(error), invocation=invocation)
    module.exit_json(changed=False, **result, invocation=invocation)


if __name__ == "__main__":
    main()
