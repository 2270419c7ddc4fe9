#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_map_keys
short_description: Add the keys that a HAProxy map file lacks, and never change one
version_added: 0.1.0
description:
  - Makes sure that the map file which holds the splits of all services has a line for each key.
  - A key that is there keeps its value, whatever it is, so that a new configuration never moves traffic.
  - Fails, and writes nothing, when a line of the file is not a key and a number, because HAProxy would refuse to start with it.
  - Fails, and writes nothing, when a running HAProxy has another value in memory than the file has, because a reload would
    then move traffic.
  - Works under the same lock as M(turnout.bluegreen.haproxy_traffic).
author:
  - The turnout.bluegreen authors (@turnout)
options:
  path:
    description: The map file, spelled as in HAProxy's configuration. Its directory must exist, except in check mode.
    type: path
    required: true
  keys:
    description: Value for each key that is not in the file yet.
    type: dict
    required: true
  socket:
    description:
      - Stats socket of the HAProxy whose memory is compared with the file.
      - Nothing is compared when nothing listens there.
    type: path
    required: true
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
- name: The service shop starts on blue
  turnout.bluegreen.haproxy_map_keys:
    path: /etc/haproxy/bluegreen/split.map
    socket: /run/haproxy/admin.sock
    keys:
      shop: 0
      shop/sticky: 1
"""

RETURN = r"""
added:
  description: Keys that were added, or would be.
  returned: always
  type: list
  elements: str
  sample: [shop, shop/sticky]
"""

import errno
import os
from collections.abc import Mapping
from contextlib import nullcontext

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import (
    BadInput,
    NotConfigured,
    NotInForce,
    SocketError,
    TurnoutError,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._files import PreparedFile, locked, read_text
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy import mapfile
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.runtime import Process


def check_lines(path: str, text: str) -> None:
    """Raise BadInput that names every line which is not ``<service> <0..100>`` or ``<service>/<sticky or cohort> <0..2>``."""
    bad = []
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        top = 2 if words[0].endswith(("/sticky", "/cohort")) else 100
        if len(words) != 2 or not words[1].isdigit() or int(words[1]) > top:
            bad.append(f"line {number} is {line!r}, expected a key and a number from 0 to {top}")
        elif words[0] in seen:
            bad.append(f"line {number} has the key {words[0]!r} a second time")
        seen.add(words[0])
    if bad:
        raise BadInput(f"{path}: {'; '.join(bad)}", "correct the file by hand, then run again")


def compare(path: str, values: Mapping[str, str], process: Process) -> None:
    """Raise NotInForce when the process has another value in memory than the file; silence when it runs without the map."""
    try:
        running = dict(zip(values, process.values(path, list(values))))
    except NotConfigured:
        return
    except SocketError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in (
            errno.ENOENT,
            errno.ECONNREFUSED,
        ):
            return
        raise
    differing = [
        f"{key!r} is {value} in memory and {values[key]} in the file"
        for key, value in running.items()
        if value is not None and value != values[key]
    ]
    if differing:
        raise NotInForce(
            f"{path}: {'; '.join(differing)}: a reload would move traffic",
            "switch to the split that is meant with the traffic module, which writes both, then run again",
        )


def add(path: str, wanted: Mapping[str, str], process: Process, check_mode: bool) -> tuple[str, str, list[str]]:
    """Add what is missing; returns the text before, the text after and the keys that were added."""
    with nullcontext() if check_mode else locked(path + ".lock"):
        before = read_text(path)
        text = before or ""
        check_lines(path, text)
        present = mapfile.parse(text)
        if present:
            compare(path, present, process)
        missing = {key: value for key, value in wanted.items() if key not in present}
        after = mapfile.replace(text, missing) if missing else text
        check_lines(path, after)
        if after != before and not check_mode:
            file = PreparedFile(path)
            file.write(after)
            file.publish()
        return text, after, list(missing)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "keys": {"type": "dict", "required": True, "no_log": False},
            "socket": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    wanted = {key: str(value) for key, value in module.params["keys"].items()}
    existed = os.path.exists(path)
    try:
        before, after, added = add(path, wanted, Process(module.params["socket"]), module.check_mode)
    except TurnoutError as error:
        module.fail_json(msg=f"{error.message}; {error.remedy}".rstrip("; "), reason=error.reason)
    module.exit_json(
        changed=bool(added) or not existed,
        added=added,
        diff={"before": before, "after": after, "before_header": path, "after_header": path},
    )


if __name__ == "__main__":
    main()
