# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole site on loopback: its routers, two blue and two green hosts, an inventory, and the real playbooks.

It needs no systemd and no root: everything lies in one private folder, on free ports. Each router is an inventory host
with its own process, ports and folders, as on a machine of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from demo.app.build_release import Tarball, build
from tests.support.local_router import KINDS
from tests.support.net import HOST, REPOSITORY, free_port, short_directory

COLOURS = {"blue": ("blue1", "blue2"), "green": ("green1", "green2")}
Me = TypeVar("Me", bound="Site")


def flat(output: str) -> str:
    """One line with single blanks: Ansible breaks the lines of its errors."""
    return " ".join(output.split())


@dataclass(frozen=True)
class Done:
    """A playbook that has ended: its exit status, its output and how long it took."""

    status: int
    output: str
    seconds: float

    @property
    def flat(self) -> str:
        """The output as one line."""
        return flat(self.output)

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
        routers: the kind of each router; they are called ``router1``, ``router2`` and so on.
        forks: how many hosts a playbook works on at once; may be set anew at any time.
    """

    def __init__(
        self,
        connection: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        routers: Sequence[str] = ("haproxy",),
        forks: int = 5,
    ) -> None:
        self._folder = short_directory("site")
        self.folder = Path(self._folder.name)
        self.app_ports = {host: free_port() for hosts in COLOURS.values() for host in hosts}
        self.connection = dict(connection or {"ansible_connection": "local"})
        self.tarballs: dict[str, Tarball] = {}
        self.inventory = self.folder / "inventory.json"
        self.variables, self.forks = dict(variables or {}), forks
        # The first router lives in the folder of the site itself.
        homes = {
            f"router{number}": self.folder / (f"router{number}" if number > 1 else "") for number in range(1, len(routers) + 1)
        }
        self.routers = {name: KINDS[kind](name, home) for (name, home), kind in zip(homes.items(), routers)}
        self.first = self.routers["router1"]
        if len(set(routers)) > 1:  # an nginx of the same user on the same host takes a HAProxy's idle connections for its own
            for router in self.routers.values():
                router.overrides["haproxy_defaults_extra"] = ["option http-server-close"]
        for name in ("releases", *(f"hosts/{host}" for host in self.app_ports)):
            (self.folder / name).mkdir(parents=True)
        self.write_inventory()

    @property
    def port(self) -> int:
        """Where the first router listens."""
        return self.first.port

    @property
    def url(self) -> str:
        """The service through the first router, as clients reach it."""
        return self.first.url

    @property
    def journal(self) -> dict[str, Any]:
        """The journal of the first router."""
        return self.first.journal

    @property
    def journals(self) -> list[dict[str, Any]]:
        """The journal of each router."""
        return [router.journal for router in self.routers.values()]

    @property
    def command(self) -> Path:
        """The ``turnout`` command of the first router."""
        return self.first.command

    def answer(self, path: str = "/") -> tuple[str, str]:
        """Colour and version that answer a client of the first router now."""
        return self.first.answer(path)

    def write_inventory(self) -> None:
        """Write the inventory anew from :attr:`variables` and those of each router."""
        hosts = {
            colour: {
                "hosts": {name: {"bluegreen_port": self.app_ports[name], "bluegreen_address": HOST} for name in names},
                "vars": {"site_colour": colour},
            }
            for colour, names in COLOURS.items()
        }
        everything = {
            "vars": {**self._common(), **self.connection, **self.variables},
            "children": {"routers": self._routers(), **hosts},
        }
        self.inventory.write_text(json.dumps({"all": everything}, indent=1), encoding="utf-8")

    def _routers(self) -> dict[str, Any]:
        """The group of the routers: what all of them have in common are variables of the group."""
        each = {name: router.variables() for name, router in self.routers.items()}
        first = each["router1"]
        common = {key: value for key, value in first.items() if all(own.get(key) == value for own in each.values())}
        hosts = {name: {key: value for key, value in own.items() if key not in common} for name, own in each.items()}
        return {"hosts": hosts, "vars": common}

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
            "cutover_probe_requests": 0,
            "deploy_root": f"{self.folder}/hosts/{{{{ inventory_hostname }}}}",
            "deploy_archive": f"{self.folder}/releases/shop-{{{{ deploy_release }}}}.tar.gz",
            "deploy_checksum": "sha256:{{ site_checksums[deploy_release] }}",
            "site_checksums": {version: tarball.sha256 for version, tarball in self.tarballs.items()},
            "deploy_service_manager": "command",
            "deploy_restart_command": [word.replace("{{ site_action }}", "restart") for word in control],
            "deploy_stop_command": [word.replace("{{ site_action }}", "stop") for word in control],
        }

    def release(self, version: str, **behaviour: Any) -> None:
        """Build the tarball of a version and make its checksum known to the inventory; see ``build_release.build``."""
        self.tarballs[version] = build(self.folder / "releases", version, **behaviour)
        self.write_inventory()

    def popen(self, playbook: str, *arguments: str, output: int = subprocess.PIPE, **extra: Any) -> subprocess.Popen[str]:
        """Start a playbook of the checkout; ``output`` is where its output goes, ``extra`` are extra variables."""
        command = ["ansible-playbook", f"playbooks/{playbook}.yml", "-i", str(self.inventory), *arguments]
        if extra:
            command += ["-e", json.dumps(extra)]
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def environment(self) -> dict[str, str]:
        """The environment of a playbook: its own home, so that nothing of the user's is read or left."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {
            **os.environ,
            "HOME": str(home),
            "ANSIBLE_FORKS": str(self.forks),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "LC_ALL": "C.UTF-8",
        }

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

    def good(self, playbook: str, *arguments: str, **extra: Any) -> Done:
        """Run a playbook that must succeed."""
        done = self.play(playbook, *arguments, **extra)
        assert done.status == 0, done.output
        return done

    def bad(self, playbook: str, *arguments: str, **extra: Any) -> str:
        """Run a playbook that must fail, and say why in words of its own; its output as one line."""
        done = self.play(playbook, *arguments, **extra)
        assert done.status != 0, done.output
        assert "Traceback" not in done.output, done.output
        return done.flat

    @contextlib.contextmanager
    def under_way(self, playbook: str, *arguments: str, **extra: Any) -> Iterator[subprocess.Popen[str]]:
        """A playbook in a process group of its own; what is left of it is killed with the end of the block."""
        process = self.popen(playbook, *arguments, **extra)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """End what the playbooks have started: applications, routers; then the folder goes."""
        for name in self.app_ports:
            root = self.folder / "hosts" / name
            if (root / "current").exists():
                words = ["stop", "--root", str(root), "--name", "shop", "--port", str(self.app_ports[name])]
                subprocess.run([root / "current" / "appctl", *words], check=False, stdout=subprocess.DEVNULL)
        for router in self.routers.values():
            router.stop()
        self._folder.cleanup()

    def __enter__(self: Me) -> Me:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.stop()
