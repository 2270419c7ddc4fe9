# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and attributes of the modules that send requests of their own."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  headers:
    description:
      - Request headers. Their values are not returned and not logged.
      - C(Connection), C(Content-Length), C(Transfer-Encoding), C(Upgrade), C(Expect) and C(TE) are the client's own and
        refused.
    type: dict
  host_header:
    description:
      - Value of the C(Host) header, and name to ask for and to check with TLS. By default host and port of the URL.
    type: str
  timeout:
    description:
      - Seconds that one request may take, from the start of the connection to the end of the answer.
    type: float
    default: 5.0
  status:
    description:
      - Accepted statuses, such as V(200), and ranges of them, such as V(200-399). Redirects are not followed, they are
        answers like any other.
    type: list
    elements: str
    default: ['200-399']
  colour_header:
    description:
      - Header by which an answer names the colour that gave it. The routers of this collection set this one.
    type: str
    default: X-Bluegreen-Colour
  validate_certs:
    description:
      - Whether the certificate of an C(https) URL must be valid.
    type: bool
    default: true
  ca_path:
    description:
      - File (PEM) or hashed directory of certificate authorities to trust besides those of the system.
    type: path
attributes:
  check_mode:
    description: Says what would be sent, and sends nothing.
    support: full
    details:
      - It never reports a change, neither in check mode nor outside of it.
  diff_mode:
    description: There is never a difference to show, because no configuration is changed.
    support: none
  idempotent:
    description: It never reports a change. All the same it sends its requests again each time.
    support: partial
    details:
      - Each run is a load for the application, and whatever the requests change there, they change again. So ask only for
        what is safe to repeat.
  platform:
    description: Needs Python 3.9, and no library, on the host on which the task runs.
    platforms: posix
    support: full
"""

    PREVIEW = r"""
options:
  base_url:
    description:
      - Where the preview way is, which leads to one colour past the split.
    type: str
    default: http://127.0.0.1:8404
  service:
    description:
      - Name of the service, sent as header C(X-Bluegreen-Service).
    type: str
    required: true
  colour:
    description:
      - The idle colour, sent as header C(X-Bluegreen-Preview).
      - Before any load, single requests make sure that it is this colour which answers. Whenever an answer names another
        colour, or none, the task stops at once and fails, because the load might be on users. An answer of 500 or more that
        names no colour is the router's own and counts as an error.
    type: str
    choices: [blue, green]
    required: true
"""
