# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration says about a service: the facts that the role writes beside the files that nginx includes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import NotConfigured
from .._files import read_text
from .._routing import COLOURS, STICKY
from .ask import Address

_REMEDY = "run bootstrap.yml for this router"


@dataclass(frozen=True)
class Server:
    """One server of a colour.

    Args:
        name: its name in the inventory.
        address: where nginx sends requests.
    """

    name: str
    address: Address

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


@dataclass(frozen=True)
class Health:
    """How a server is asked whether it can serve.

    Args:
        path: of the GET.
        host: its header Host.
        status: statuses of a healthy server; empty for all from 200 to 399.
    """

    path: str
    host: str
    status: tuple[int, ...]

    def expects(self, status: int) -> bool:
        """The server can serve."""
        return status in self.status if self.status else 200 <= status < 400

    def __str__(self) -> str:
        return ", ".join(map(str, self.status)) if self.status else "200 to 399"


@dataclass(frozen=True)
class Public:
    """A way to the service's location as a client of this host would take.

    Args:
        address: where nginx listens for clients.
        host: the server's name.
        path: of the location.
        tls: the port is encrypted.
        proxy_protocol: the port expects the line of the PROXY protocol first.
    """

    address: Address
    host: str
    path: str = "/"
    tls: bool = False
    proxy_protocol: bool = False

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.address}{self.path} with the name {self.host}"


@dataclass(frozen=True)
class Facts:
    """A service as nginx was configured for it.

    Args:
        path: the file that says so.
        digest: of the configuration on disk.
        sticky: what a client is recognised by.
        servers: of each colour.
        health: how they are asked.
        public: None when the service has no port that takes HTTP/1.1.
        keepalive_timeout: how long idle connections to the servers stay open.
        statistics_log: the file with a line for each request; empty when none is written.
        cohort: it knows who belongs to the service's cohort.
    """

    path: str
    digest: str
    sticky: str
    servers: Mapping[str, tuple[Server, ...]]
    health: Health
    public: Public | None
    keepalive_timeout: str
    statistics_log: str
    cohort: bool


def load(directory: str, service: str) -> Facts:
    """The facts of a service.

    Raises:
        NotConfigured: there are none, or they are damaged.
    """
    path = os.path.join(directory, f"{service}.json")
    text = read_text(path)
    if text is None:
        raise NotConfigured(f"{path} does not exist: this nginx was not set up for {service}", _REMEDY)
    try:
        return _facts(path, json.loads(text))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise NotConfigured(f"{path} is damaged: {type(error).__name__}: {error}", _REMEDY) from error


def _facts(path: str, data: Any) -> Facts:
    servers = {
        colour: tuple(Server(str(row["name"]), Address.parse(row["address"])) for row in data["servers"][colour])
        for colour in COLOURS
    }
    shared = {server.address for server in servers["blue"]} & {server.address for server in servers["green"]}
    if shared:
        # Connections are counted by address: such a server could never be drained.
        raise ValueError(f"blue and green share the address {', '.join(sorted(map(str, shared)))}")
    if data["sticky"] not in STICKY:
        raise ValueError(f"sticky is {data['sticky']!r}, expected one of {', '.join(STICKY)}")
    health = data["health"]
    return Facts(
        path=path,
        digest=str(data["digest"]),
        sticky=data["sticky"],
        servers=servers,
        health=Health(str(health["path"]), str(health["host"]), tuple(int(status) for status in health["status"])),
        public=_public(data["probe"]),
        keepalive_timeout=str(data["keepalive_timeout"]),
        statistics_log=str(data.get("statistics_log", "")),
        cohort=bool(data.get("cohort", False)),
    )


def _public(probe: Mapping[str, Any]) -> Public | None:
    if probe.get("url"):
        return _from_url(str(probe["url"]), str(probe["host"]))
    ways = [way for way in (_from_listen(str(line), str(probe["host"])) for line in probe["listen"]) if way]
    return min(ways, key=lambda way: way.tls, default=None)  # cleartext needs no import of ssl


def _from_url(url: str, host: str) -> Public:
    from urllib.parse import urlsplit  # seldom needed

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no http:// or https:// URL")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Public(Address(parts.hostname, port), host, parts.path or "/", parts.scheme == "https")


def _from_listen(line: str, host: str) -> Public | None:
    """From the arguments of a ``listen`` line (https://nginx.org/en/docs/http/ngx_http_core_module.html#listen)."""
    words = line.split()
    match = re.fullmatch(r"(?:(\[[^\]]+\]|[^:\s]+):)?([0-9]+)|(\[[^\]]+\]|[^:\s]+)", words[0] if words else "")
    options = words[1:]
    # Cleartext HTTP/2 excludes HTTP/1.1 on its port before nginx 1.25.1; QUIC is UDP; a UNIX socket has no address.
    if not match or words[0].startswith("unix:") or "quic" in options or ("http2" in options and "ssl" not in options):
        return None
    name = (match[1] or match[3] or "*").strip("[]")
    reached = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
    return Public(Address(reached, int(match[2] or 80)), host, tls="ssl" in options, proxy_protocol="proxy_protocol" in options)
