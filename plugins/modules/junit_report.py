#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: junit_report
short_description: Read a JUnit report, and fail with the names of the tests that have failed
version_added: 0.1.0
author:
  - The turnout.bluegreen authors (@turnout)
description:
  - Reads the report that a test tool has written in the JUnit format, as pytest, Go, Playwright, Newman, Bats and many others
    can. It counts, and fails when a test has failed, with the name and the first line of each.
  - A report without a single test that ran, or one whose suites tell of more failures than it lists, is a failure as well.
  - The file may come from anywhere. Its size is bounded, and a document type in it is refused, so that no entity is expanded
    or fetched.
options:
  path:
    description:
      - The report, on the host on which the task runs.
      - Remove the file before the tests run, else the report of an earlier run could be taken for a new one.
    type: path
    required: true
  max_bytes:
    description:
      - How long it may be.
    type: int
    default: 33554432
  on_failure:
    description:
      - Whether the task fails when a test has failed. With V(report) it succeeds, and RV(counts.failed) says it. A report that
        can not be read, or tells of no test, fails it all the same.
    type: str
    choices: [fail, report]
    default: fail
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details:
      - It reads in check mode too.
  diff_mode:
    description: There is never a difference to show, because it only reads.
    support: none
  idempotent:
    description: It never reports a change.
    support: full
  platform:
    description: Needs Python 3.9, and no library, on the host on which the task runs.
    platforms: posix
    support: full
"""

EXAMPLES = r"""
- name: Forget an earlier report
  ansible.builtin.file:
    path: /tmp/smoke.xml
    state: absent

- name: Run the smoke tests and read their report
  block:
    - name: Run the smoke tests
      ansible.builtin.command:
        argv: [pytest, --junit-xml=/tmp/smoke.xml, smoke]
      changed_when: false
  always:
    - name: Read what they say
      turnout.bluegreen.junit_report:
        path: /tmp/smoke.xml
"""

RETURN = r"""
counts:
  description: What the report tells, in numbers.
  returned: when the report could be read
  type: dict
  sample: {tests: 42, passed: 40, failed: 1, skipped: 1}
  contains:
    tests:
      description: Test cases.
      returned: always
      type: int
    passed:
      description: Those that neither failed nor were skipped.
      returned: always
      type: int
    failed:
      description: Those that failed, or could not run, and suites that say so of themselves.
      returned: always
      type: int
    skipped:
      description: Those that were skipped.
      returned: always
      type: int
failures:
  description: What failed, the first 100.
  returned: when the report could be read
  type: list
  elements: dict
  sample:
    - name: smoke.test_cart.test_checkout
      kind: failure
      message: "AssertionError: 500 != 200"
  contains:
    name:
      description: Class and name of the test case, or name of the suite.
      returned: always
      type: str
    kind:
      description: V(failure) or V(error).
      returned: always
      type: str
    message:
      description: What the report says of it, up to 2000 characters.
      returned: always
      type: str
reason:
  description: Why the task failed, as a word for programs. V(tests), V(report), V(storage) or V(bad_input).
  returned: failure
  type: str
  sample: tests
msg:
  description: The result in one sentence. On failure it names up to ten tests.
  returned: always
  type: str
  sample: "42 tests, 40 passed, 1 failed, 1 skipped. smoke.test_cart.test_checkout: AssertionError: 500 != 200"
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput, TurnoutError
from ansible_collections.turnout.bluegreen.plugins.module_utils._junit import FailedTests, Report, ReportError, read_report
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.answer import failure

_NAMED = 10


def answer(report: Report, path: str, fails: bool) -> dict[str, Any]:
    """The return values.

    Raises:
        ReportError: no test ran, or failures are not listed.
        FailedTests: a test failed, and that is a failure.
    """
    counts = {"tests": report.tests, "passed": report.passed, "failed": report.failed, "skipped": report.skipped}
    values = {"counts": counts, "failures": [asdict(one) for one in report.failures]}
    told = f"{report.tests} tests, {report.passed} passed, {report.failed} failed, {report.skipped} skipped"
    if report.failures:
        more = f"; and {report.failed - _NAMED} more" if report.failed > _NAMED else ""
        told += ". " + "; ".join(str(one) for one in report.failures[:_NAMED]) + more
    error: TurnoutError | None = None
    if not report.tests - report.skipped and not report.failed:
        error = ReportError(f"{path}: no test ran ({told})", "tests that do not run prove nothing")
    elif report.declared > report.failed:
        error = ReportError(
            f"{path}: a suite has {report.declared} failures and errors, of which {report.failed} are listed. {told}"
        )
    elif report.failed and fails:
        error = FailedTests(f"{path}: {told}")
    if error is not None:
        error.details = values
        raise error
    return {"msg": told, **values}


def main() -> None:
    spec: dict[str, dict[str, Any]] = {
        "path": {"type": "path", "required": True},
        "max_bytes": {"type": "int", "default": 32 << 20},
        "on_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    path, most = module.params["path"], module.params["max_bytes"]
    try:
        if most < 1:
            raise BadInput(f"max_bytes is {most}: expected 1 or more")
        result = answer(read_report(path, most), path, module.params["on_failure"] == "fail")
    except TurnoutError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
