# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON over HTTP, as all sources that ask a server need it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

from ansible.module_utils.urls import ConnectionError as UrlConnectionError
from ansible.module_utils.urls import SSLValidationError, open_url
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import NoData

#: Options of every source that asks a server.
OPTIONS: Mapping[str, tuple[type, ...]] = {
    "url": (str,),
    "headers": (dict,),
    "username": (str,),
    "password": (str,),
    "validate_certs": (bool,),
    "ca_path": (str,),
    "timeout": (int, float),
}
#: More than any sensible answer has.
LIMIT = 8 << 20


def ask(url: str, options: Mapping[str, Any], timeout: float, data: str | None = None) -> Any:
    """The JSON that a server answers with.

    Args:
        url: complete.
        options: those of :data:`OPTIONS` that a gate has.
        timeout: seconds.
        data: a form to post; None for a GET.

    Raises:
        NoData: no answer, a bad one, or no JSON. It names the server, and no query, user or password.
    """
    where = re.sub(r"\?.*", "", re.sub(r"//[^/]*@", "//", url))
    try:
        answer = open_url(
            url,
            data=data,
            headers=options.get("headers"),
            url_username=options.get("username"),
            url_password=options.get("password"),
            force_basic_auth="username" in options,
            validate_certs=options.get("validate_certs", True),
            ca_path=options.get("ca_path"),
            timeout=timeout,
            follow_redirects="safe",
        )
        text = answer.read(LIMIT + 1)
    except HTTPError as error:
        raise NoData(f"{where} answers {error.code}{_said(error)}") from error
    except (OSError, HTTPException, UrlConnectionError, SSLValidationError, ValueError) as error:
        raise NoData(f"{where}: {getattr(error, 'reason', None) or error}") from error
    if len(text) > LIMIT:
        raise NoData(f"{where} answers with more than {LIMIT >> 20} MiB")
    try:
        return json.loads(text)
    except ValueError as error:
        raise NoData(f"{where} answers with no JSON") from error


def _said(error: HTTPError) -> str:
    """What a server says about a request that it refuses; Prometheus names the place in the query."""
    try:
        said = json.loads(error.read(LIMIT))
    except (OSError, ValueError, HTTPException):
        return ""
    words = said.get("error") or said.get("message") if isinstance(said, dict) else None
    return f": {str(words)[:200]}" if words else ""
