# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where HAProxy is on a host."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  sockets:
    description:
      - Paths of HAProxy's stats sockets with C(level admin), one for each HAProxy on the host.
    type: list
    elements: path
    default: [/run/haproxy/admin.sock]
  master_sockets:
    description:
      - Paths of the master CLIs (C(haproxy -S)). Through them the workers that a reload has left behind are told as well.
      - A path that does not exist is no master CLI.
    type: list
    elements: path
    default: [/run/haproxy-master.sock]
  map_file:
    description:
      - The map file with the percent of each service, spelled as in HAProxy's configuration.
    type: path
    default: /etc/haproxy/bluegreen/split.map
  state_dir:
    description:
      - Folder of the journals.
    type: path
    default: /var/lib/turnout
  backends:
    description:
      - Name of the backend of each colour. The default is C(<service>_blue) and C(<service>_green).
    type: dict
    default: {}
  socket_timeout:
    description:
      - Seconds for one exchange with a socket.
    type: float
    default: 5.0
notes:
  - The user that runs this needs access to the sockets, and write access to the folders of the map and of the journals.
"""
