# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirmation as a client sees it: requests through the router's public side."""

from __future__ import annotations

from urllib.parse import urlsplit

from .._errors import BadInput, NotInForce
from .._routing import COLOURS, Split

COLOUR_HEADER = "X-Bluegreen-Colour"
REQUESTS = 5


def confirm_at(url: str, split: Split, timeout: float) -> None:
    """Ask ``url`` a few times, each on a new connection; every answer must come from a colour that has traffic.

    Args:
        url: an ``http://`` URL of the service, as reached from the router itself.
        split: what shall be in force.
        timeout: seconds for each request.

    Raises:
        NotInForce: no answer, or one of a colour that shall have no traffic.
    """
    for _dummy in range(REQUESTS):
        colour = _colour_of(url, timeout)
        if colour is None:
            raise NotInForce(f"{url} answers without the header {COLOUR_HEADER}", "run bootstrap.yml for this router")
        if colour not in COLOURS or not split.percent(colour):
            raise NotInForce(f"{url} was answered by {colour}, expected {split}")


def _colour_of(url: str, timeout: float) -> str | None:
    import http.client  # with ssl and email behind it, and seldom needed

    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise BadInput(f"confirm_url {url!r} is not an http:// URL")
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        return connection.getresponse().getheader(COLOUR_HEADER)
    except (OSError, http.client.HTTPException) as error:
        raise NotInForce(f"{url} gives no answer: {error}") from error
    finally:
        connection.close()
