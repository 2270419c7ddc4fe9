# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of real hosts: four routers, two hosts of each colour, over SSH; its playbooks, and its clients.

The hosts are those of ``tests/hosts``: systemd and sshd in containers on a network of their own. The state and
the split of each router lie on small disks, so that a test can read them without asking the router, and fill them.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hosts import hosts
from tests.support.load import Load, Profile
from tests.support.net import REPOSITORY, wait_until
from tests.support.site import Done
from tests.support.timeline import Answer, Loss

ROUTERS = {"router1": "haproxy", "router2": "haproxy", "router3": "nginx", "router4": "nginx"}
COLOURS = {"blue": ("blue1", "blue2"), "green": ("green1", "green2")}
STATE_DIR = "/var/lib/turnout"
SPLIT_DIR = {"haproxy": "/etc/haproxy/bluegreen", "nginx": "/etc/nginx/bluegreen"}
FIRST = "r0"

# A connection that hangs is given up after these seconds, not after the minutes that TCP takes.
SSH_TIMEOUT = 4
PATIENCE = 20
SSH = ["ServerAliveInterval=1", f"ServerAliveCountMax={SSH_TIMEOUT}"]

UNIT = """\
[Service]
ExecStart=/usr/bin/python3 /opt/shop/shop.py --host 0.0.0.0 --port 8080 --name {name} --colour {colour}
[Install]
WantedBy=multi-user.target
"""
# What deploys a release, in one task: seconds count when hundreds of releases are made.
PUT = """\
#!/bin/sh -e
printf '{"version": "%s"}\\n' "$1" >/opt/shop/release.json.new
mv /opt/shop/release.json.new /opt/shop/release.json
systemctl restart shop
"""
TASKS = [{"name": "Start the release", "ansible.builtin.command": {"argv": ["/opt/shop/put", "{{ deploy_release }}"]}}]


class Run:
    """A playbook that has been started; its lines are there as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.began = process, time.monotonic()
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def wait(self, timeout: float = 300.0) -> Done:
        """The end of the playbook and of all that writes to its output. Raises TimeoutError."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the playbook still runs after {timeout} s:\n{''.join(self.lines[-30:])}") from None
        seconds = self.seconds
        self._reader.join(timeout)
        return Done(status, "".join(self.lines), seconds)


@dataclass(frozen=True)
class Look:
    """A router as its disk shows it.

    Args:
        journal: the journal; empty when it is being replaced or there is none.
        pending: the record of a flip that waits for its instant or its confirmation; empty when there is none.
        green: the percent of green that would be in force after a restart; None when that can not be read.
    """

    journal: Mapping[str, Any]
    pending: Mapping[str, Any]
    green: int | None

    @property
    def phase(self) -> str:
        return str(self.journal.get("phase", ""))

    @property
    def way_back(self) -> str:
        """The colour to which a rollback leads; it is idle or has the traffic already."""
        journal = self.journal
        if journal["candidate"] or journal["phase"] in ("rolled_back", "abandoned"):
            return str(journal["stable"])
        return str(journal["rollback_to"] or journal["stable"])


class Fleet:
    """The hosts, their inventory and their playbooks.

    Args:
        state: folder of this set of hosts, see ``tests/hosts/hosts.py``.
        routers: name and kind of each router.
        variables: group variables for all hosts, in addition to those that the fleet needs.
    """

    def __init__(self, state: Path, routers: Mapping[str, str] | None = None, variables: Mapping[str, Any] | None = None) -> None:
        self.state, self.routers, self.variables = state.resolve(), dict(routers or ROUTERS), dict(variables or {})
        self.addresses: dict[str, str] = {}
        self.pids: dict[str, int] = {}

    # -- life

    def start(self) -> None:
        """Start the hosts, put the application on them, and make the site ready with the release `FIRST`."""
        names = [*self.routers, *(name for hosts_of_one in COLOURS.values() for name in hosts_of_one)]
        disks = [(name, at) for name, kind in self.routers.items() for at in (STATE_DIR, SPLIT_DIR[kind])]
        inventory = json.loads(hosts.up(self.state, names, disks).read_text(encoding="utf-8"))
        for group in inventory["all"]["children"].values():
            self.addresses.update({name: values["ansible_host"] for name, values in group["hosts"].items()})
        self.write_inventory(inventory, "control")
        self.write_inventory(inventory, "other")
        self.learn_pids(*names)
        for colour, members in COLOURS.items():
            for name in members:
                self._install(name, colour)
        done = self.play("bootstrap", bluegreen_release=FIRST)
        if done.status:
            raise RuntimeError(f"bootstrap.yml failed:\n{done.output}")

    def _install(self, name: str, colour: str) -> None:
        folder = self.root(name) / "opt/shop"
        folder.mkdir()
        shutil.copy(REPOSITORY / "demo/app/shop.py", folder)
        (folder / "put").write_text(PUT, encoding="ascii")
        (folder / "put").chmod(0o755)
        unit = self.root(name) / "etc/systemd/system/shop.service"
        unit.write_text(UNIT.format(name=name, colour=colour), encoding="ascii")
        self.on(name, "systemctl", "daemon-reload")
        self.on(name, "systemctl", "enable", "--quiet", "shop")

    def stop(self) -> None:
        hosts.down(self.state)

    def __enter__(self) -> Fleet:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_failure: object) -> None:
        self.stop()

    # -- hosts

    def learn_pids(self, *names: str) -> None:
        """Ask for the first process of each host; it is another one after a power cut."""
        self.pids.update({name: hosts.init_pid(self.state, name) for name in names})

    def root(self, name: str) -> Path:
        """The files of a host that is up."""
        return Path(f"/proc/{self.pids[name]}/root")

    def on(self, name: str, *command: str, check: bool = True) -> str:
        """What a command prints that runs on a host as root, without SSH. Raises RuntimeError when it fails."""
        done = self.start_on(name, *command)
        output, errors = done.communicate()
        if check and done.returncode:
            raise RuntimeError(f"{name}: {' '.join(command)}: {output}{errors}")
        return output

    def start_on(self, name: str, *command: str) -> subprocess.Popen[str]:
        """Start a command on a host as root, without SSH."""
        entering = ["nsenter", f"--target={self.pids[name]}", "--all", *command]
        pipe = subprocess.PIPE
        return subprocess.Popen(entering, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)

    # -- playbooks

    def write_inventory(self, inventory: Mapping[str, Any], machine: str) -> None:
        """Write the inventory of a control machine: each one has connections of its own."""
        everything = json.loads(json.dumps(inventory))["all"]
        for name, kind in self.routers.items():
            everything["children"]["routers"]["hosts"][name]["bluegreen_router"] = kind
        ssh = re.sub(r"(ControlPath=\S*)%h", rf"\1{machine}-%h", everything["vars"]["ansible_ssh_common_args"])
        everything["vars"]["ansible_ssh_common_args"] = " ".join([ssh, *(f"-o {option}" for option in SSH)])
        everything["vars"].update(self._variables())
        (self.state / f"{machine}.json").write_text(json.dumps({"all": everything}, indent=1), encoding="utf-8")
        (self.state / "put.yml").write_text(json.dumps(TASKS), encoding="utf-8")

    def _variables(self) -> dict[str, Any]:
        service = {"name": "shop", "health_interval": "300ms", "health_rise": 1, "health_fall": 2}
        return {
            "bluegreen_service": "shop",
            "bluegreen_public_url": "http://127.0.0.1/",
            "deploy_method": "custom",
            "deploy_tasks": str(self.state / "put.yml"),
            "haproxy_services": [service],
            "nginx_services": [{"name": "shop"}],
            **self.variables,
        }

    def popen(self, playbook: str, *arguments: str, machine: str = "control", **extra: Any) -> Run:
        """Start a playbook of the checkout.

        Args:
            machine: ``other`` is another control machine: another home, other connections, and other process numbers,
                so that nothing there can know whether a run of ``control`` lives.
            extra: extra variables.
        """
        command = ["ansible-playbook", f"playbooks/{playbook}.yml", "-i", str(self.state / f"{machine}.json"), *arguments]
        if extra:
            command += ["-e", json.dumps(extra)]
        if machine != "control":
            command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *command]
        home = self.state / f"home-{machine}"
        home.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "HOME": str(home),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_FORKS": str(len(self.routers)),
            "ANSIBLE_PIPELINING": "1",
            # Also the time that sudo may take to ask for nothing, which on a busy machine is long.
            "ANSIBLE_TIMEOUT": str(PATIENCE),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        return Run(
            subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )

    def play(self, playbook: str, *arguments: str, machine: str = "control", **extra: Any) -> Done:
        """Run a playbook to its end."""
        return self.popen(playbook, *arguments, machine=machine, **extra).wait()

    # -- what is there

    def look(self, name: str) -> Look:
        """A router as its disk shows it now; it need not be up."""
        state = hosts.disk(self.state, name, STATE_DIR)
        split = hosts.disk(self.state, name, SPLIT_DIR[self.routers[name]])
        return Look(_json(state / "shop.json"), _json(state / "shop.pending.json"), _GREEN[self.routers[name]](split))

    def status(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What ``turnout status`` says on each router. Raises RuntimeError when it does not answer."""
        asked = {name: self.start_on(name, "/usr/local/sbin/turnout", "status", "shop", "--json") for name in names}
        said = {}
        for name, process in asked.items():
            output, errors = process.communicate()
            try:
                said[name] = json.loads(output)["shop"]
            except (ValueError, LookupError):
                raise RuntimeError(f"{name}: turnout status: {output}{errors}") from None
        return said

    def answer(self, name: str, timeout: float = 5.0) -> tuple[str, str]:
        """Colour and version that a client gets from a router now. Raises OSError when it gets nothing good."""
        connection = http.client.HTTPConnection(self.addresses[name], 80, timeout=timeout)
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            response.read()
        except http.client.HTTPException as error:
            raise OSError(f"{name}: {error!r}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise OSError(f"{name}: status {response.status}")
        return response.getheader("X-Bluegreen-Colour") or "", response.getheader("X-App-Version") or ""

    def wait_serving(self, name: str, timeout: float = 30.0) -> float:
        """Until a client gets a good answer from a router; the time of that, monotonic."""
        wait_until(lambda: self.answer(name, timeout=1.0), f"{name} serves", timeout)
        return time.monotonic()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _green_of_map(split: Path) -> int | None:
    """The percent of green in the map of a HAProxy."""
    try:
        found = re.search(r"^shop (\d+)$", (split / "split.map").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) if found else None


def _green_of_link(split: Path) -> int | None:
    """The percent of green for which the link of an nginx stands."""
    try:
        return int((split / "shop" / "current").readlink().name.removeprefix("w"))
    except (OSError, ValueError):
        return None


_GREEN = {"haproxy": _green_of_map, "nginx": _green_of_link}


@dataclass
class Outage:
    """A time in which requests to some routers could not be answered, monotonic; see :meth:`FleetLoad.lost`."""

    routers: tuple[str, ...]
    begin: float
    end: float = float("inf")


@dataclass
class FleetLoad:
    """Clients of each router, in a thread of this process, which so sees what they get at once.

    Args:
        profiles: what to send to each router.
    """

    profiles: Mapping[str, Profile]
    loads: dict[str, Load] = field(default_factory=dict)
    forgotten: int = 0

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._failure: BaseException | None = None
        self.loads = {name: Load(profile) for name, profile in self.profiles.items()}

    def _work(self) -> None:
        try:
            asyncio.run(self._clients())
        except BaseException as error:
            self._failure = error

    async def _clients(self) -> None:
        await asyncio.gather(*(load.work(*pair) for load in self.loads.values() for pair in load.clients()))

    def __enter__(self) -> FleetLoad:
        self._thread.start()
        wait_until(self.count, "the first request of the load")
        return self

    def __exit__(self, *_failure: object) -> None:
        for load in self.loads.values():
            load.stopping = True
        self._thread.join(60)
        self.check()

    def check(self) -> None:
        """Raises RuntimeError when the clients do not do their work."""
        if self._failure is not None:
            raise RuntimeError("the load ended by itself") from self._failure

    def count(self) -> int:
        """Requests so far."""
        self.check()
        return self.forgotten + sum(len(load.answers) + len(load.losses) for load in self.loads.values())

    def answers(self, name: str, since: float) -> list[Answer]:
        """Good answers of a router to requests sent at or after ``since``."""
        self.check()
        return [answer for answer in tuple(self.loads[name].answers) if answer.sent >= since]

    def take(self) -> tuple[dict[str, list[Answer]], dict[str, list[Loss]]]:
        """The answers and the losses of each router that have come since the last call; they are forgotten here."""
        self.check()
        answers, losses = {}, {}
        for name, load in self.loads.items():
            answers[name], losses[name] = load.answers[:], load.losses[:]
            del load.answers[: len(answers[name])], load.losses[: len(losses[name])]
            self.forgotten += len(answers[name]) + len(losses[name])
        return answers, losses


def excused(name: str, loss: Loss, outages: Sequence[Outage]) -> bool:
    """The request was under way, at least in part, while its router was in an outage."""
    end = loss.time + loss.ms / 1000
    return any(name in outage.routers and loss.time <= outage.end and end >= outage.begin for outage in outages)
