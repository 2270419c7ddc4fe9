# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a URL, paths and headers to the bytes that are sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import BadInput
from .._health.expectations import HealthError, status_spans
from .._health.targets import TARGET_OPTIONS, Target, TargetParser, Tls

#: What decides over the connection and the length of the request is this client's own.
_OURS = ("connection", "content-length", "transfer-encoding", "upgrade", "expect", "te")


@dataclass(frozen=True)
class Origin:
    """Where a client connects to. ``server_name`` is for TLS."""

    host: str
    port: int
    tls: Tls | None = None
    server_name: str | None = None


@dataclass(frozen=True)
class Request:
    """One request in both of its forms: for a connection that is kept, and for one that ends with the answer."""

    method: str
    path: str
    kept: bytes
    closing: bytes


@dataclass(frozen=True)
class Asked:
    """What is sent, and where to. ``url`` has no user and no password."""

    url: str
    origin: Origin
    requests: tuple[Request, ...]


def build(url: str, paths: Sequence[str], agent: str, options: Mapping[str, Any], ours: Mapping[str, str] | None = None) -> Asked:
    """Make the requests.

    Args:
        url: where to; with ``paths`` what comes before each of them.
        paths: begin with a slash; empty asks for ``url`` itself.
        agent: the header ``User-Agent``, unless the user has one.
        options: ``headers``, ``host_header``, ``validate_certs`` and ``ca_path``; ``method`` where there is a choice.
        ours: headers that win over the user's.

    Raises:
        BadInput: a URL, path or header that can not be used. Neither is repeated, they may hold secrets.
    """
    if not url.startswith(("http://", "https://")):
        raise BadInput("the URL must begin with http:// or https://")
    for position, path in enumerate(paths):
        if not path.startswith("/"):
            raise BadInput(f"path {position + 1} of {len(paths)} does not begin with a slash")
    headers = _headers(agent, options.get("headers") or {}, ours or {})
    kept, closing = (_targets(url, paths, options, {**headers, "Connection": word}) for word in ("keep-alive", "close"))
    first = kept[0]
    requests = tuple(Request(one.method, _path(one), one.request, two.request) for one, two in zip(kept, closing))
    return Asked(re.sub(r"//[^/?#]*@", "//", url), Origin(first.host, first.port, first.tls, first.server_name), requests)


def without_user(url: str) -> str:
    """A URL that was not checked, as it may be shown. Greedy, because a slash in a password makes it no less secret."""
    return re.sub(r"//.*@", "//", url)


def accepted(statuses: Sequence[Any]) -> Collection[int]:
    """The statuses that are meant by ``["200-399", 404]``.

    Raises:
        BadInput: one that is no status.
    """
    try:
        return frozenset(status for span in status_spans([str(status) for status in statuses]) for status in span)
    except HealthError as error:
        raise BadInput(str(error)) from error


def _path(target: Target) -> str:
    return target.request.split(b" ", 2)[1].decode()


def _headers(agent: str, given: Mapping[str, Any], ours: Mapping[str, str]) -> dict[str, str]:
    for name in given:
        if str(name).strip().lower() in _OURS:
            raise BadInput(f"the header {name} can not be set: connections and the length of a request are this client's own")
    # Names that differ in case are one header for the parser of targets, and the last one wins.
    return {"User-Agent": agent, **{str(name): str(value) for name, value in given.items()}, **ours}


def _targets(url: str, paths: Sequence[str], options: Mapping[str, Any], headers: Mapping[str, str]) -> list[Target]:
    common: dict[str, Any] = {name: spec.get("default") for name, spec in TARGET_OPTIONS.items()}
    common.update((name, options[name]) for name in ("method", "host_header", "validate_certs", "ca_path") if name in options)
    common.update(headers=headers, base_url=url if paths else None)
    targets: list[Target] = []
    try:
        parser = TargetParser(common)
        for path in paths or [url]:
            targets.append(parser.parse(path))
    except HealthError as error:
        where = f"path {len(targets) + 1} of {len(paths)}: " if paths else ""
        raise BadInput(f"{where}{error}") from error
    return targets
