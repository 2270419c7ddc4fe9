# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routers of a site on loopback: a process of one's own, free ports and a private folder, but no root and no systemd."""

from __future__ import annotations

import getpass
import grp
import http.client
import json
import os
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.net import HOST, free_port, wait_until


class LocalRouter(ABC):
    """One router of a site: where it listens, and the folder with all that is its own.

    Args:
        name: its name in the inventory.
        folder: becomes its home.
        overrides: variables of the inventory that win over those it has, for example of its connection.
    """

    kind: str
    folders: tuple[str, ...]

    def __init__(self, name: str, folder: Path, overrides: Mapping[str, Any] | None = None) -> None:
        self.name, self.folder = name, folder
        self.overrides = dict(overrides or {})
        self.port, self.preview_port = free_port(), free_port()
        for part in ("state", "run", "bin", "etc", *self.folders):
            (folder / part).mkdir(parents=True)

    @property
    def url(self) -> str:
        """The service through this router, as clients reach it."""
        return f"http://{HOST}:{self.port}/"

    @property
    def journal(self) -> dict[str, Any]:
        """The journal as it lies beside the router."""
        record: dict[str, Any] = json.loads((self.folder / "state" / "shop.json").read_text(encoding="utf-8"))
        return record

    @property
    def command(self) -> Path:
        """The ``turnout`` command."""
        return self.folder / "bin" / "turnout"

    @property
    def config(self) -> Path:
        """Where the ``turnout`` command finds its services (``--config``)."""
        return self.folder / "etc"

    @property
    def pid(self) -> int | None:
        """The router's main process; None when it does not run."""
        try:
            pid = int((self.folder / "run" / "pid").read_text(encoding="ascii"))
            return None if _zombie(pid) else pid
        except (OSError, ValueError):
            return None

    def answer(self, path: str = "/") -> tuple[str, str]:
        """Colour and version that answer a client of this router now."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.getheader("X-Bluegreen-Colour") or "", response.getheader("X-App-Version") or ""
        finally:
            connection.close()

    def stop(self) -> None:
        """End its process."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: _gone(pid), f"end of {self.name}")

    def variables(self) -> dict[str, Any]:
        """What the inventory says about it."""
        preview = f"http://{HOST}:{self.preview_port}"
        return {
            "bluegreen_router": self.kind,
            "bluegreen_public_url": self.url,
            "bluegreen_turnout_directory": f"{self.folder}/bin",
            "breakglass_link": str(self.command),
            "breakglass_config_directory": str(self.config),
            "breakglass_owner": getpass.getuser(),
            "breakglass_group": _group(),
            "verify_preview_url": preview,
            "bake_preview_url": preview,
            **self._own(),
            **self.overrides,
        }

    @abstractmethod
    def _own(self) -> dict[str, Any]:
        """The variables of its kind."""


class LocalHAProxy(LocalRouter):
    """A HAProxy in full mode, started by a command."""

    kind = "haproxy"
    folders = ("haproxy",)

    def _own(self) -> dict[str, Any]:
        folder, binary = self.folder, shutil.which("haproxy") or "/usr/sbin/haproxy"
        config = f"{folder}/haproxy/haproxy.cfg"
        return {
            "bluegreen_router_options": {
                "sockets": [f"{folder}/run/admin.sock"],
                "master_sockets": [f"{folder}/run/master.sock"],
                "map_file": f"{folder}/haproxy/split.map",
                "state_dir": f"{folder}/state",
            },
            "haproxy_services": [{"name": "shop", "bind": [f"{HOST}:{self.port}"], "health_interval": "500ms", "health_rise": 1}],
            "haproxy_install": False,
            "haproxy_binary": binary,
            "haproxy_config_file": config,
            "haproxy_directory": f"{folder}/haproxy",
            "haproxy_socket": f"{folder}/run/admin.sock",
            "haproxy_state_dir": f"{folder}/state",
            "haproxy_admin_group": _group(),
            "haproxy_preview_bind": f"{HOST}:{self.preview_port}",
            "haproxy_service_name": "",
            "haproxy_start_command": [
                binary,
                "-W",
                "-D",
                "-S",
                f"{folder}/run/master.sock",
                "-p",
                f"{folder}/run/pid",
                "-f",
                config,
            ],
            "haproxy_reload_command": ["/bin/sh", "-c", f"kill -USR2 $(cat {folder}/run/pid)"],
            "haproxy_user": "",
            "haproxy_group": "",
            "haproxy_chroot": "",
            "haproxy_log_targets": [],
        }


class LocalNginx(LocalRouter):
    """An nginx in full mode, started by a command."""

    kind = "nginx"
    folders = ("nginx/temp",)

    def _own(self) -> dict[str, Any]:
        folder, binary = self.folder, shutil.which("nginx") or "/usr/sbin/nginx"
        config = f"{folder}/nginx/nginx.conf"
        temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return {
            "bluegreen_router_options": {
                "directory": f"{folder}/nginx/bluegreen",
                "state_dir": f"{folder}/state",
                "preview": f"{HOST}:{self.preview_port}",
                "pid_file": f"{folder}/run/pid",
            },
            "nginx_services": [{"name": "shop", "listen": [f"{HOST}:{self.port}"]}],
            "nginx_install": False,
            "nginx_binary": binary,
            "nginx_config_file": config,
            "nginx_directory": f"{folder}/nginx/bluegreen",
            "nginx_state_dir": f"{folder}/state",
            "nginx_admin_group": _group(),
            "nginx_pid_file": f"{folder}/run/pid",
            "nginx_preview_bind": f"{HOST}:{self.preview_port}",
            "nginx_service_name": "",
            "nginx_start_command": [binary, "-c", config],
            "nginx_reload_command": [binary, "-c", config, "-s", "reload"],
            # The folder is closed to all others, so the workers are of the user who runs the site.
            "nginx_user": getpass.getuser() if os.geteuid() == 0 else "",
            "nginx_worker_processes": "1",
            "nginx_worker_connections": 1024,
            "nginx_error_log": f"{folder}/run/error.log",
            "nginx_access_log": "off",
            "nginx_log_directory": f"{folder}/run",
            "nginx_http_extra": [f"{what}_temp_path {folder}/nginx/temp/{what};" for what in temporary],
        }


KINDS: dict[str, type[LocalRouter]] = {"haproxy": LocalHAProxy, "nginx": LocalNginx}


def _group() -> str:
    return grp.getgrgid(os.getgid()).gr_name


def _zombie(pid: int) -> bool:
    """Ended, and waiting for a parent that does not look: the first process of some containers."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"


def _gone(pid: int) -> bool:
    try:
        return _zombie(pid)
    except (FileNotFoundError, ProcessLookupError):
        return True
