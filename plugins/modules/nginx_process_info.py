#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_process_info
short_description: Ask a running nginx which configuration it has and what its workers see
version_added: 0.1.0
description:
  - Looks for the master process, and asks a worker through the preview server for the digest of the configuration that it runs.
  - A play that has asked for a reload learns from it whether the reload was made. C(nginx -s reload) does not say it, because
    nginx goes on with the former configuration when the new one can not be put in force.
  - Counts the connections of the workers, where the user that runs it may see them, and compares them with C(worker_connections).
  - Asks whether the workers can see the splits. They can not when they may not enter one of the directories, which is no error
    for nginx.
author:
  - The turnout.bluegreen authors (@turnout)
options:
  pid_file:
    description: File with the pid of the master process.
    type: path
    default: /run/nginx.pid
  preview:
    description: Address and port of the preview server.
    type: str
    default: 127.0.0.1:8404
  directory:
    description: Directory of the services' directories.
    type: path
    default: /etc/nginx/bluegreen
  services:
    description: Names of services whose splits the workers are asked about.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds for each question.
    type: float
    default: 5.0
  expected:
    description: Digest that is waited for, when O(wait) is not 0.
    type: str
    default: ""
  wait:
    description: Seconds to wait until a worker answers with O(expected). When it does not, the last answer is returned.
    type: float
    default: 0.0
attributes:
  check_mode:
    description: The module changes nothing.
    support: full
  diff_mode:
    description: The module changes nothing.
    support: N/A
  idempotent:
    description: The module changes nothing.
    support: full
  platform:
    description: Operating systems that the module runs on.
    platforms: posix
    support: full
"""

EXAMPLES = r"""
- name: nginx answers with the configuration that was written
  turnout.bluegreen.nginx_process_info:
    expected: a94a8fe5
    wait: 30
  register: process
  failed_when: process.digest != 'a94a8fe5'
"""

RETURN = r"""
running:
  description: Whether there is a master process.
  returned: always
  type: bool
  sample: true
pid:
  description: Pid of the master process; 0 when there is none.
  returned: always
  type: int
  sample: 4711
leaving:
  description: Pids of workers of an earlier configuration that finish what they have.
  returned: always
  type: list
  elements: int
  sample: []
digest:
  description: Digest of the configuration that answers; empty when no preview server of this collection does.
  returned: always
  type: str
  sample: a94a8fe5
blind:
  description: >-
    Those of O(services) whose splits a worker can not see, and for each the first directory on the way there that is not open to
    everybody; empty when all are.
  returned: always
  type: dict
  sample: {}
limits:
  description: How much room it has for connections and open files. For the filter C(router_room_checks).
  returned: when running and the workers can be seen
  type: dict
  sample:
    name: nginx
    connections: 12
    max_connections: 1536
    open_files: 1024
    open_files_needed: 768
    setting: worker_connections
  contains:
    name:
      description: Whose limits these are.
      returned: always
      type: str
    connections:
      description: Sockets that the workers have open, to clients and servers; null when that is not ours to see.
      returned: always
      type: int
    max_connections:
      description: >-
        C(worker_connections) of the main configuration file, for all workers; less where they may not open as many files.
      returned: always
      type: int
    open_files:
      description: How many files a worker may have open.
      returned: always
      type: int
    open_files_needed:
      description: How many it needs when it has all the connections that it may have.
      returned: always
      type: int
    setting:
      description: The setting that bounds the connections.
      returned: always
      type: str
"""

import os
import re
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils import _room
from ansible_collections.turnout.bluegreen.plugins.module_utils._clock import SYSTEM, Clock
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput, TurnoutError
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx import processes
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.ask import Address, Question, ask_all, resolve
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.running import PROBE_HOST
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.split_directory import SplitDirectory
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Split

ALL = Split(100)
POLL = 0.1  # seconds
CONFIG = "/etc/nginx/nginx.conf"
#: What nginx takes when the configuration says nothing (ngx_core_module).
CONNECTIONS = 512


class Preview:
    """The server that answers questions about the configuration it runs.

    Args:
        bind: address and port that it listens on; an address that stands for all of the host's is asked on loopback.
        timeout: seconds for an answer.
    """

    def __init__(self, bind: str, timeout: float) -> None:
        text = re.sub(r"^(\*|0\.0\.0\.0)(?=:)", "127.0.0.1", bind.replace("[::]", "[::1]"))
        try:
            address = Address.parse(text)
        except ValueError as error:
            raise BadInput(f"preview {bind!r}: {error}") from error
        self._endpoints = resolve([address], timeout)[address]
        self._timeout = timeout

    def ask(self, path: str) -> list[str]:
        """The words of the answer; none when nothing answers as this server does."""
        answers = ask_all([Question(endpoint, PROBE_HOST, path, timeout=self._timeout) for endpoint in self._endpoints[:1]])
        return [word for answer in answers if answer.status == 200 for word in answer.body.decode(errors="replace").split()]

    def digest(self) -> str:
        """Digest of the configuration of the worker that answers."""
        words = self.ask("/digest")
        return words[1] if len(words) == 3 and words[0] == "running" else ""

    def wait(self, expected: str, timeout: float, clock: Clock = SYSTEM) -> str:
        """The digest, as soon as it is the expected one, or after ``timeout`` seconds whatever it is then."""
        deadline = clock.monotonic() + timeout
        while True:
            digest = self.digest()
            if digest == expected or clock.monotonic() >= deadline:
                return digest
            clock.sleep(POLL)

    def sees(self, service: str) -> bool:
        """A worker sees the directory in which all buckets are green."""
        return self.ask(f"/bucket/{service}/w{ALL.green}/{ALL.green - 1}")[:1] == ["green"]


def blind(preview: Preview, directory: str, services: list[str]) -> dict[str, str]:
    """The services whose splits a worker does not see, and the directory that is closed to it, where one is."""
    return {
        service: SplitDirectory(os.path.join(directory, service)).closed(ALL) for service in services if not preview.sees(service)
    }


def command_line(pid: int) -> list[str]:
    """What nginx has made of its command line: ``nginx: master process nginx -c file``."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().replace(b"\0", b" ").decode(errors="replace").split()


def worker_connections(master: int) -> int:
    """The setting in the main configuration file of a master process; what it includes is not read."""
    words = command_line(master)
    path = words[words.index("-c") + 1] if "-c" in words[:-1] else CONFIG
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        found = re.findall(r"^[^#\n]*\bworker_connections\s+([0-9]{1,9})\s*;", file.read(), re.MULTILINE)
        return int(found[-1]) if found else CONNECTIONS
    return CONNECTIONS


def limits(master: int) -> dict[str, Any] | None:
    """Room for connections and open files; None when the workers went away meanwhile."""
    workers = []
    with suppress(OSError), open(f"/proc/{master}/task/{master}/children", encoding="ascii") as file:
        for pid in map(int, file.read().split()):
            with suppress(OSError):
                if "worker" in command_line(pid) and "shutting" not in command_line(pid):
                    workers.append(pid)
    if not workers:
        return None
    try:
        each, files = worker_connections(master), min(_room.soft_limit(pid) for pid in workers)
    except OSError:
        return None
    return {
        "name": "nginx",
        "connections": _room.sockets(workers),
        "max_connections": len(workers) * min(each, files),
        "open_files": files,
        "open_files_needed": each,
        "setting": "worker_connections",
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "pid_file": {"type": "path", "default": "/run/nginx.pid"},
            "preview": {"type": "str", "default": "127.0.0.1:8404"},
            "directory": {"type": "path", "default": "/etc/nginx/bluegreen"},
            "services": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float", "default": 5.0},
            "expected": {"type": "str", "default": ""},
            "wait": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        preview = Preview(params["preview"], params["timeout"])
        digest = preview.wait(params["expected"], params["wait"])
    except TurnoutError as error:
        module.fail_json(msg=error.message, reason=error.reason)
    found = processes.find(params["pid_file"])
    room = limits(found.master) if found.master is not None else None
    module.exit_json(
        changed=False,
        running=found.master is not None,
        pid=found.master or 0,
        leaving=list(found.leaving),
        digest=digest,
        blind=blind(preview, params["directory"], params["services"]) if digest else {},
        **({"limits": room} if room else {}),
    )


if __name__ == "__main__":
    main()
