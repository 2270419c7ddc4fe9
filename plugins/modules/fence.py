#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fence
short_description: Refuse work of an older run on a host
version_added: 0.1.0
description:
  - Compares the epoch of this run with the newest one that has worked on the host, and fails when a newer one has.
  - An epoch is a number that only grows; every release and every rollback claims the next one.
  - A newer epoch is recorded before the module returns, so that an older run is refused from then on, however late it comes.
  - The comparison and the record are one step under a lock.
author:
  - The turnout.bluegreen authors (@turnout)
options:
  path:
    description:
      - File of the record, on the managed host. Its directory is made when it is missing.
      - A second file with the suffix C(.lock) lies beside it.
    type: path
    required: true
  epoch:
    description: Epoch of this run, at least 1.
    type: int
    required: true
  release:
    description: Release of this run. It is recorded for the person who reads the record, and not compared.
    type: str
    default: ""
attributes:
  check_mode:
    description: Says what would be done without doing it.
    support: full
  diff_mode:
    description: Returns what has changed, or would.
    support: full
  idempotent:
    description: A second run with the same parameters changes nothing.
    support: full
  platform:
    description: Operating systems that the module runs on.
    platforms: posix
    support: full
"""

EXAMPLES = r"""
- name: An older run must not touch this host
  turnout.bluegreen.fence:
    path: /opt/shop/fence.json
    epoch: 12
    release: v2
"""

RETURN = r"""
previous:
  description: What was recorded before; empty when nothing was.
  returned: always
  type: dict
  sample: {"epoch": 11, "release": "v1"}
"""

import json
import os
from contextlib import nullcontext
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import (
    Fenced,
    JournalError,
    TurnoutError,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._files import (
    PreparedFile,
    locked,
    read_text,
    storage_error,
)


def recorded(path: str) -> dict[str, Any]:
    """The newest run that has worked here; empty when none has.

    Raises:
        JournalError: the file is not a record of this module.
    """
    text = read_text(path)
    if text is None:
        return {}
    try:
        record = json.loads(text)
        return {"epoch": int(record["epoch"]), "release": str(record["release"])}
    except (ValueError, TypeError, KeyError) as error:
        raise JournalError(
            f"{path} is not a record of an epoch: {text[:80]!r}",
            "look which release runs on this host; when no other run is at work here, remove the file",
        ) from error


def admit(path: str, epoch: int, release: str, check_mode: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Record the epoch unless a newer one is recorded; returns the record before and after.

    Raises:
        Fenced: a newer run has worked on this host.
    """
    if not check_mode:
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        except OSError as error:
            raise storage_error("making the directory of", path, error) from error
    with nullcontext() if check_mode else locked(path + ".lock"):
        before = recorded(path)
        if before and before["epoch"] > epoch:
            raise Fenced(
                f"{path}: epoch {before['epoch']} (release {before['release'] or 'unknown'}) has worked on this host,"
                f" this run has epoch {epoch} (release {release or 'unknown'})",
                "a newer run is in charge: let this one end, and look at status.yml",
            )
        if before and before["epoch"] == epoch:
            return before, before
        after = {"epoch": epoch, "release": release}
        if not check_mode:
            file = PreparedFile(path)
            file.write(json.dumps(after) + "\n")
            file.publish()
        return before, after


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "epoch": {"type": "int", "required": True},
            "release": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    path, epoch, release = (module.params[name] for name in ("path", "epoch", "release"))
    if epoch < 1:
        module.fail_json(msg=f"epoch is {epoch}, expected a number from 1")
    try:
        before, after = admit(path, epoch, release, module.check_mode)
    except TurnoutError as error:
        module.fail_json(msg=f"{error.message}; {error.remedy}", reason=error.reason)
    module.exit_json(
        changed=before != after,
        previous=before,
        diff={
            "before": json.dumps(before) + "\n",
            "after": json.dumps(after) + "\n",
            "before_header": path,
            "after_header": path,
        },
    )


if __name__ == "__main__":
    main()
