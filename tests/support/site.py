# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole site on loopback: one HAProxy, two blue and two green hosts, an inventory, and the real playbooks.

It needs no systemd and no root: everything lies in one private folder, on free ports.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.app.build_release import Tarball, build
from tests.support.net import HOST, REPOSITORY, free_port, short_directory, wait_until

COLOURS = {"blue": ("blue1", "blue2"), "green": ("green1", "green2")}


@dataclass(frozen=True)
class Done:
    """A playbook that has ended: its exit status, its output and how long it took."""

    status: int
    output: str
    seconds: float

    @property
    def changed(self) -> int:
        """Tasks that changed something, over all hosts, as the recap says."""
        recap = self.output.rpartition("PLAY RECAP")[2]
        return sum(int(word.removeprefix("changed=")) for word in recap.split() if word.startswith("changed="))


class Site:
    """The folder, the ports and the inventory of a site; nothing runs until ``bootstrap.yml`` has.

    Args:
        connection: variables of the connection for all hosts; by default the local one.
        variables: group variables for all hosts, in addition to those that a site on loopback needs.
    """

    def __init__(self, connection: Mapping[str, Any] | None = None, variables: Mapping[str, Any] | None = None) -> None:
        self._folder = short_directory("site")
        self.folder = Path(self._folder.name)
        self.port, self.preview_port = free_port(), free_port()
        self.app_ports = {host: free_port() for hosts in COLOURS.values() for host in hosts}
        self.connection = dict(connection or {"ansible_connection": "local"})
        self.tarballs: dict[str, Tarball] = {}
        self.inventory = self.folder / "inventory.json"
        self.variables = dict(variables or {})
        for name in ("haproxy", "state", "run", "releases", "bin", "etc", *(f"hosts/{host}" for host in self.app_ports)):
            (self.folder / name).mkdir(parents=True)
        self.write_inventory()

    @property
    def url(self) -> str:
        """The service, as clients reach it."""
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

    def write_inventory(self) -> None:
        """Write the inventory anew from :attr:`variables`."""
        hosts = {
            colour: {
                "hosts": {name: {"bluegreen_port": self.app_ports[name], "bluegreen_address": HOST} for name in names},
                "vars": {"site_colour": colour},
            }
            for colour, names in COLOURS.items()
        }
        everything = {
            "vars": {**self._common(), **self.connection, **self.variables},
            "children": {"routers": {"hosts": {"router1": {}}, "vars": self._router()}, **hosts},
        }
        self.inventory.write_text(json.dumps({"all": everything}, indent=1), encoding="utf-8")

    def _common(self) -> dict[str, Any]:
        control = [
            "./appctl",
            "{{ site_action }}",
            "--root",
            "{{ deploy_root }}",
            "--name",
            "shop",
            "--port",
            "{{ bluegreen_port }}",
            "--colour",
            "{{ site_colour }}",
        ]
        return {
            "ansible_python_interpreter": sys.executable,
            "bluegreen_service": "shop",
            "bluegreen_public_url": self.url,
            "deploy_root": f"{self.folder}/hosts/{{{{ inventory_hostname }}}}",
            "deploy_archive": f"{self.folder}/releases/shop-{{{{ deploy_release }}}}.tar.gz",
            "deploy_checksum": "sha256:{{ site_checksums[deploy_release] }}",
            "site_checksums": {version: tarball.sha256 for version, tarball in self.tarballs.items()},
            "deploy_service_manager": "command",
            "deploy_restart_command": [word.replace("{{ site_action }}", "restart") for word in control],
            "deploy_stop_command": [word.replace("{{ site_action }}", "stop") for word in control],
        }

    def _router(self) -> dict[str, Any]:
        folder = self.folder
        haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
        start = [
            haproxy,
            "-W",
            "-D",
            "-S",
            f"{folder}/run/master.sock",
            "-p",
            f"{folder}/run/pid",
            "-f",
            f"{folder}/haproxy/haproxy.cfg",
        ]
        group = grp.getgrgid(os.getgid()).gr_name
        preview = f"http://{HOST}:{self.preview_port}"
        return {
            "bluegreen_router": "haproxy",
            "bluegreen_router_options": {
                "sockets": [f"{folder}/run/admin.sock"],
                "master_sockets": [f"{folder}/run/master.sock"],
                "map_file": f"{folder}/haproxy/split.map",
                "state_dir": f"{folder}/state",
            },
            "bluegreen_turnout_directory": f"{folder}/bin",
            "breakglass_link": str(self.command),
            "breakglass_config_directory": f"{folder}/etc",
            "breakglass_owner": getpass.getuser(),
            "breakglass_group": group,
            "haproxy_services": [{"name": "shop", "bind": [f"{HOST}:{self.port}"], "health_interval": "500ms", "health_rise": 1}],
            "haproxy_install": False,
            "haproxy_binary": haproxy,
            "haproxy_config_file": f"{folder}/haproxy/haproxy.cfg",
            "haproxy_directory": f"{folder}/haproxy",
            "haproxy_socket": f"{folder}/run/admin.sock",
            "haproxy_state_dir": f"{folder}/state",
            "haproxy_admin_group": group,
            "haproxy_preview_bind": f"{HOST}:{self.preview_port}",
            "haproxy_service_name": "",
            "haproxy_start_command": start,
            "haproxy_reload_command": ["/bin/sh", "-c", f"kill -USR2 $(cat {folder}/run/pid)"],
            "haproxy_user": "",
            "haproxy_group": "",
            "haproxy_chroot": "",
            "haproxy_log_targets": [],
            "verify_preview_url": preview,
            "bake_preview_url": preview,
        }

    def release(self, version: str, **behaviour: Any) -> None:
        """Build the tarball of a version and make its checksum known to the inventory; see ``build_release.build``."""
        self.tarballs[version] = build(self.folder / "releases", version, **behaviour)
        self.write_inventory()

    def popen(self, playbook: str, *arguments: str, **extra: Any) -> subprocess.Popen[str]:
        """Start a playbook of the checkout; ``extra`` are extra variables."""
        command = ["ansible-playbook", f"playbooks/{playbook}.yml", "-i", str(self.inventory), *arguments]
        if extra:
            command += ["-e", json.dumps(extra)]
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def environment(self) -> dict[str, str]:
        """The environment of a playbook: its own home, so that nothing of the user's is read or left."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {**os.environ, "HOME": str(home), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "LC_ALL": "C.UTF-8"}

    def play(self, playbook: str, *arguments: str, show: Callable[[str], None] | None = None, **extra: Any) -> Done:
        """Run a playbook to its end; ``show`` gets every line of its output as it comes."""
        began = time.monotonic()
        process = self.popen(playbook, *arguments, **extra)
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if show:
                show(line.rstrip("\n"))
        status = process.wait()
        return Done(status, "".join(lines), time.monotonic() - began)

    def answer(self, path: str = "/") -> tuple[str, str]:
        """Colour and version that answer a client now."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.getheader("X-Bluegreen-Colour") or "", response.getheader("X-App-Version") or ""
        finally:
            connection.close()

    def stop(self) -> None:
        """End what the playbooks have started: applications, HAProxy; then the folder goes."""
        for name in self.app_ports:
            root = self.folder / "hosts" / name
            if (root / "current").exists():
                words = ["stop", "--root", str(root), "--name", "shop", "--port", str(self.app_ports[name])]
                subprocess.run([root / "current" / "appctl", *words], check=False, stdout=subprocess.DEVNULL)
        with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
            pid = int((self.folder / "run" / "pid").read_text(encoding="ascii"))
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not Path(f"/proc/{pid}").exists() or _zombie(pid), "end of HAProxy")
        self._folder.cleanup()

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.stop()


def _zombie(pid: int) -> bool:
    """Ended, and waiting for a parent that does not look: the first process of some containers."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
