# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a router, to its disk, to its network and to the application while a release is under way."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from tests.hosts import hosts
from tests.support.fleet import COLOURS, SPLIT_DIR, STATE_DIR, Fleet, Outage
from tests.support.net import wait_until

BALLAST = ".ballast"  # what fills a small disk
SSH_PORT = 22

CUT = """\
table inet turnout_cut {{
  chain input {{ type filter hook input priority -10; policy accept; {inward} }}
  chain output {{ type filter hook output priority -10; policy accept; {outward} }}
}}
"""


class HostFault(ABC):
    """One fault on the side of the hosts.

    Args:
        fleet: the fleet.
        router: the router that it is about.
        limit: seconds within which a release must have taken its traffic away from an application that has died.
    """

    #: The router must end where the others do, whatever becomes of the release.
    spares_router = False

    def __init__(self, fleet: Fleet, router: str, limit: float) -> None:
        self.fleet, self.router, self.limit = fleet, router, limit
        self.outages: list[Outage] = []

    @abstractmethod
    def begin(self) -> None:
        """Make it happen."""

    @abstractmethod
    def end(self) -> None:
        """Repair it, as soon as the release has ended; returns when the router serves again."""

    @property
    def unhit(self) -> list[str]:
        """The routers that the release has in its hands in spite of the fault."""
        return [name for name in self.fleet.routers if self.spares_router or name != self.router]

    def _out(self, *routers: str) -> Outage:
        outage = Outage(routers or (self.router,), time.monotonic())
        self.outages.append(outage)
        return outage

    def _serving(self) -> None:
        self.outages[-1].end = self.fleet.wait_serving(self.router)

    @property
    def _unit(self) -> str:
        return self.fleet.routers[self.router]


class Stopped(HostFault):
    """Somebody stops the router's daemon."""

    def begin(self) -> None:
        self._out()
        self.fleet.on(self.router, "systemctl", "stop", self._unit)

    def end(self) -> None:
        self.fleet.on(self.router, "systemctl", "start", self._unit)
        self._serving()


class Killed(HostFault):
    """The daemon's main process dies. systemd restarts it when its unit says so; else somebody does, after the release."""

    def begin(self) -> None:
        self._out()
        self.fleet.on(self.router, "systemctl", "kill", "--signal=KILL", "--kill-who=main", self._unit)
        if self._comes_back():
            self._serving()

    def _comes_back(self) -> bool:
        return self.fleet.on(self.router, "systemctl", "show", "--property=Restart", "--value", self._unit).strip() == "always"

    def end(self) -> None:
        if not self._comes_back():
            self.fleet.on(self.router, "systemctl", "restart", self._unit)
            self._serving()


class PowerCut(HostFault):
    """The host has no power until the release has ended."""

    def begin(self) -> None:
        self._out()
        hosts.off(self.fleet.state, self.router)

    def end(self) -> None:
        hosts.on(self.fleet.state, self.router)
        self.fleet.learn_pids(self.router)
        self._serving()


class Reboot(HostFault):
    """The host restarts."""

    def begin(self) -> None:
        self._out()
        hosts.reboot(self.fleet.state, self.router)
        self.fleet.learn_pids(self.router)
        self._serving()

    def end(self) -> None:
        """It is up already."""


class Cut(HostFault):
    """The control machine can not reach the router, in silence: connections hang. Clients can, and must get all they ask for."""

    def begin(self) -> None:
        drop(self.fleet, self.router, f"tcp dport {SSH_PORT}", f"tcp sport {SSH_PORT}")

    def end(self) -> None:
        undrop(self.fleet, self.router)


class Blip(Cut):
    """The same for two seconds, which connections survive."""

    SECONDS = 2.0
    spares_router = True

    def begin(self) -> None:
        super().begin()
        subprocess.run(["sleep", str(self.SECONDS)], check=True)  # the fault is a time
        super().end()

    def end(self) -> None:
        """It is over already."""


class Isolated(HostFault):
    """Nothing reaches the router or leaves it."""

    def begin(self) -> None:
        self._out()
        drop(self.fleet, self.router, "iifname != lo", "oifname != lo")

    def end(self) -> None:
        undrop(self.fleet, self.router)
        self._serving()


def drop(fleet: Fleet, router: str, inward: str, outward: str) -> None:
    """Let the packet filter of a router drop packets in silence. Raises RuntimeError."""
    _nft(fleet, router, CUT.format(inward=f"{inward} drop;", outward=f"{outward} drop;"))


def undrop(fleet: Fleet, router: str) -> None:
    _nft(fleet, router, "table inet turnout_cut {}\ndelete table inet turnout_cut\n")


def _nft(fleet: Fleet, router: str, rules: str) -> None:
    command = ["nsenter", f"--target={fleet.pids[router]}", "--net", "nft", "-f", "-"]
    done = subprocess.run(command, input=rules, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{router}: nft: {done.stderr}")


class FullState(HostFault):
    """The disk with the journals is full, to the last byte and inode."""

    def _disk(self) -> Path:
        return hosts.disk(self.fleet.state, self.router, STATE_DIR)

    def begin(self) -> None:
        fill(self._disk())

    def end(self) -> None:
        shutil.rmtree(self._disk() / BALLAST)


class FullSplit(FullState):
    """The disk with the split is full."""

    def _disk(self) -> Path:
        return hosts.disk(self.fleet.state, self.router, SPLIT_DIR[self.fleet.routers[self.router]])


def fill(disk: Path) -> None:
    """Use up a disk: its space, then its inodes."""
    ballast = disk / BALLAST
    ballast.mkdir()
    try:
        with (ballast / "big").open("wb", buffering=0) as big:
            while big.write(bytes(4096)):
                pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    try:
        for number in range(os.statvfs(disk).f_files + 1):
            (ballast / str(number)).touch()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


class Dead(HostFault):
    """The application dies on all hosts of the candidate, and until the release takes its traffic back nobody can answer.

    What is lost in this time is not the routers' fault; that it ends in time is the release's duty.
    """

    spares_router = True

    def __init__(self, fleet: Fleet, router: str, limit: float) -> None:
        super().__init__(fleet, router, limit)
        look = fleet.look(router)
        self.hosts = COLOURS["green" if look.journal["stable"] == "blue" else "blue"]

    def begin(self) -> None:
        outage = self._out(*self.fleet.routers)
        for name in self.hosts:
            self.fleet.on(name, "systemctl", "stop", "--no-block", "shop")
        wait_until(self._left, "no router sends clients to the dead application", self.limit)
        outage.end = time.monotonic()

    def _left(self) -> bool:
        """Every router answers, so the answer is not the dead application's; its last processes may finish what they have."""
        stopped = all(self.fleet.on(name, "systemctl", "is-active", "shop", check=False) == "inactive\n" for name in self.hosts)
        return stopped and all(self.fleet.answer(name, timeout=1.0) for name in self.fleet.routers)

    def end(self) -> None:
        for name in self.hosts:
            self.fleet.on(name, "systemctl", "start", "shop")


class HalfDead(HostFault):
    """The application stops on one of two hosts of the candidate. The other one can serve everybody: nothing may be lost."""

    spares_router = True

    def begin(self) -> None:
        look = self.fleet.look(self.router)
        self.name = COLOURS["green" if look.journal["stable"] == "blue" else "blue"][0]
        self.fleet.on(self.name, "systemctl", "stop", "shop")

    def end(self) -> None:
        self.fleet.on(self.name, "systemctl", "start", "shop")


HOST_FAULTS: dict[str, type[HostFault]] = {
    "stop": Stopped,
    "kill-daemon": Killed,
    "power-cut": PowerCut,
    "reboot": Reboot,
    "cut": Cut,
    "blip": Blip,
    "isolate": Isolated,
    "full-state": FullState,
    "full-split": FullSplit,
    "dead": Dead,
    "half-dead": HalfDead,
}
