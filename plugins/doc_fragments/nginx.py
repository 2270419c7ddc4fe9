# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nginx is on a host."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  directory:
    description:
      - The folder with the files that nginx includes, the facts of each service, and the splits.
    type: path
    default: /etc/nginx/bluegreen
  state_dir:
    description:
      - Folder of the journals.
    type: path
    default: /var/lib/turnout
  preview:
    description:
      - Address and port of the preview server, where the workers are asked what they do.
    type: str
    default: 127.0.0.1:8404
  pid_file:
    description:
      - File with the pid of nginx's master process. It explains what is found, and is not needed to move traffic.
    type: path
    default: /run/nginx.pid
  health_timeout:
    description:
      - Seconds that a server of a colour has to answer the question whether it is healthy.
      - All are asked at the same time, at each look.
    type: float
    default: 1.0
  socket_timeout:
    description:
      - Seconds that nginx has for an answer.
    type: float
    default: 5.0
notes:
  - The user that runs this needs write access to the folder of the service's split and to that of the journals.
  - Stickiness is a part of nginx's configuration. A task that asks for another one than the role has set up is refused.
  - What is in flight is counted by the connections of this host to the servers. Idle ones count until nginx closes them, which is
    after the service's C(keepalive_timeout). Two services on the same servers are counted together.
"""
