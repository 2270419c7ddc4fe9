#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: turnout_command
short_description: Install the turnout command on a router
version_added: 0.1.0
description:
  - Builds the engine of this collection as one zipapp and copies it to the router. Its name carries the digest of its sources.
  - M(turnout.bluegreen.traffic) calls it directly, which makes a rollback cheaper than one ping. People on call run it on the
    router itself, C(turnout status|rollback|switch), without Ansible.
  - Needs the Python standard library on the router, 3.9 or later, and nothing else.
author:
  - The turnout.bluegreen authors (@turnout)
options:
  directory:
    description:
      - Folder for the zipapp. It must exist.
    type: path
    default: /usr/local/lib/turnout
  interpreter:
    description:
      - Path of the router's Python.
    type: path
    default: /usr/bin/python3
  owner:
    description:
      - Owner of the file. Left to the system when not given.
    type: str
  group:
    description:
      - Group that may run it, besides its owner. Left to the system when not given.
    type: str
attributes:
  action:
    description: Runs partly on the control node.
    support: full
  check_mode:
    description: Says whether the command would be installed.
    support: full
  diff_mode:
    description: A zip file has nothing to show.
    support: none
  idempotent:
    description: A second run changes nothing.
    support: full
  platform:
    description: Runs on the router.
    platforms: posix
    support: full
seealso:
  - module: turnout.bluegreen.traffic
"""

EXAMPLES = r"""
- name: Install the turnout command for members of the group haproxy
  turnout.bluegreen.turnout_command:
    owner: root
    group: haproxy
"""

RETURN = r"""
path:
  description: Where the command is.
  returned: success
  type: str
  sample: /usr/local/lib/turnout/turnout-9bf26a19b597.pyz
"""
