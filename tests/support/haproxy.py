# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HAProxy in a private folder: master-worker, stats sockets, a split map, the blue-green shape."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.net import HOST, end, free_port, short_directory, wait_until

STICKY = {"none": 0, "cookie": 1, "source": 2}
COLOURS = ("blue", "green")


@dataclass(frozen=True)
class Service:
    """A service: ports of its servers, and ``port`` and ``preview_port`` where HAProxy listens for it."""

    name: str
    blue: tuple[int, ...]
    green: tuple[int, ...]
    port: int
    preview_port: int

    @classmethod
    def on_free_ports(cls, name: str, blue: Sequence[int], green: Sequence[int]) -> Service:
        return cls(name, tuple(blue), tuple(green), free_port(), free_port())

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def preview_url(self) -> str:
        return f"http://{HOST}:{self.preview_port}"


GLOBAL = """\
global
  maxconn 4000
  log stdout format raw local0
{sockets}

defaults
  mode http
  log global
  option httplog
  option dontlog-normal
  option idle-close-on-response
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  timeout check 1s
"""

SERVICE = """
frontend {name}
  bind {host}:{port}
{split}
  use_backend {name}_green if {{ var(txn.bg_bucket),sub(txn.bg_green) lt 0 }}
  default_backend {name}_blue

frontend {name}_preview
  bind {host}:{preview_port}
  http-request set-var(txn.bg_green) str({name}),map_str_int({map},0)
  use_backend {name}_blue if {{ req.hdr(X-Bluegreen-Preview) blue }}
  use_backend {name}_green if {{ req.hdr(X-Bluegreen-Preview) green }}
  use_backend {name}_green if {{ var(txn.bg_green) -m int lt 50 }}
  default_backend {name}_blue
"""

SPLIT = """\
  http-request set-var(txn.bg_green) str({name}),map_str_int({map},0)
  http-request set-var(txn.bg_sticky) str({name}/sticky),map_str_int({map},0)
  http-request set-var(txn.bg_bucket) rand(100)
  http-request set-var(txn.bg_bucket) src,xxh32,mod(100) if {{ var(txn.bg_sticky) -m int gt 0 }}
  http-request set-var(txn.bg_bucket) req.cook({cookie}),xxh32,mod(100) \
if {{ var(txn.bg_sticky) -m int 1 }} {{ req.cook({cookie}) -m found }}"""

BACKEND = """
backend {name}_{colour}
  option httpchk GET /health
  http-response set-header X-Bluegreen-Colour {colour}
{servers}
"""


class HAProxy:
    """One HAProxy master with its worker. ``sockets`` and ``master_socket`` are its UNIX sockets.

    :param services: what it routes.
    :param percent: the share of green in the map at the start.
    :param sticky: none, cookie or source.
    :param level: the right that the stats sockets give (admin, operator, user).
    :param sockets: how many stats sockets.
    :param check_interval: time between two health checks of a server.
    :param extra: config text appended to the file; ``extra_global`` goes into the global section.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        percent: int = 0,
        sticky: str = "none",
        cookie: str = "session",
        level: str = "admin",
        sockets: int = 1,
        extra: str = "",
        extra_global: str = "",
        binary: str = "haproxy",
        check_interval: str = "200ms",
    ) -> None:
        self.services: Mapping[str, Service] = {service.name: service for service in services}
        self.cookie, self.level, self.extra, self.extra_global = cookie, level, extra, extra_global
        self.binary, self.check_interval = binary, check_interval
        self._folder = short_directory("hap")
        self.folder = Path(self._folder.name)
        self.config, self.map, self.log = (self.folder / name for name in ("haproxy.cfg", "split.map", "haproxy.log"))
        self.master_socket = self.folder / "master.sock"
        self.sockets = [self.folder / f"stats{number}.sock" for number in range(sockets)]
        self.process: subprocess.Popen[bytes] | None = None
        lines = [f"{name} {percent}\n{name}/sticky {STICKY[sticky]}\n" for name in self.services]
        self.map.write_text("".join(lines), encoding="ascii")
        self.write_config()

    # -- configuration

    def render(self) -> str:
        sockets = "".join(f"  stats socket {path} mode 600 level {self.level} expose-fd listeners\n" for path in self.sockets)
        text = GLOBAL.format(sockets=sockets + self.extra_global)
        for service in self.services.values():
            values = {"name": service.name, "host": HOST, "map": self.map, "cookie": self.cookie}
            ports = {"port": service.port, "preview_port": service.preview_port}
            text += SERVICE.format(split=SPLIT.format(**values), **values, **ports)
            for colour in COLOURS:
                servers = "\n".join(
                    f"  server {colour}{number} {HOST}:{port} check inter {self.check_interval} fall 2 rise 1"
                    for number, port in enumerate(getattr(service, colour), 1)
                )
                text += BACKEND.format(name=service.name, colour=colour, servers=servers)
        return text + self.extra

    def write_config(self) -> None:
        self.config.write_text(self.render(), encoding="utf-8")

    def check(self) -> subprocess.CompletedProcess[str]:
        """``haproxy -c``: validate the file without touching what runs."""
        command = [self.binary, "-c", "-f", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    # -- life

    def start(self) -> None:
        """Start, and return when every server has been checked once."""
        command = [self.binary, "-W", "-S", f"{self.master_socket},mode,600", "-f", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_checked()

    def stop(self) -> None:
        """SIGTERM to the master, which ends its workers at once: what is in flight is lost."""
        if self.process is not None:
            end(self.process)
            self.process = None

    def kill(self) -> None:
        """SIGKILL to master and workers, as when the host loses power; the files stay as they are."""
        process, workers = self._running(), self.workers()
        process.kill()
        process.wait()
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process = None

    def restart(self) -> None:
        """A full stop and start: in force is then what the files say."""
        self.stop()
        self.start()

    def reload(self, timeout: float = 15.0) -> None:
        """SIGUSR2 to the master, wait for the new worker. Raises RuntimeError if the config is refused."""
        before, failed = self.workers()[0], self._failed_reloads()
        self._running().send_signal(signal.SIGUSR2)

        def replaced() -> bool:
            if self._failed_reloads() > failed:
                raise RuntimeError(f"reload of {self.config} refused: {self._log_tail()}")
            return self.workers()[0] != before

        wait_until(replaced, "a new HAProxy worker", timeout)
        self.wait_checked()

    def wait_checked(self) -> None:
        """Until the current worker answers on its socket and has a verdict about every server."""

        def checked() -> bool:
            self._running()
            answers = f"Pid: {self.workers()[0]}\n" in self.command("show info")
            return answers and all(row["check_status"] not in ("", "INI") for row in self.servers())

        wait_until(checked, f"HAProxy in {self.folder} has checked its servers")

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"HAProxy in {self.folder} does not run: {self._log_tail()}")
        return self.process

    def _log_tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:] if self.log.exists() else ""

    def __enter__(self) -> HAProxy:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()
        self._folder.cleanup()

    # -- sockets

    def command(self, command: str, socket_number: int = 0) -> str:
        """The answer of one stats socket to one command line (several are joined by ``;``)."""
        return _ask(self.sockets[socket_number], command)

    def master(self, command: str) -> str:
        """The answer of the master CLI (2.6 wants the ``quit``); ``@!<pid> <command>`` reaches one worker."""
        return _ask(self.master_socket, f"{command}\nquit")

    def workers(self) -> list[int]:
        """Pids: the current worker, then those that reloads left alive. Raises OSError if none is up."""
        current: list[int] = []
        old: list[int] = []
        into: list[int] = []
        for line in self.master("show proc").splitlines():
            if line.startswith("#"):
                into = {"# workers": current, "# old workers": old}.get(line.strip(), [])
            elif line.split()[1:2] == ["worker"]:
                into.append(int(line.split()[0]))
        if not current:
            raise OSError("the master has no worker at this moment")
        return current + old

    def _failed_reloads(self) -> int:
        found = re.search(r"\[failed: (\d+)\]", self.master("show proc"))
        return int(found.group(1)) if found else 0

    def servers(self) -> list[dict[str, str]]:
        """Rows of ``show stat`` for all servers."""
        rows = csv.DictReader(self.command("show stat").lstrip("# ").splitlines())
        return [row for row in rows if row["svname"] not in ("FRONTEND", "BACKEND")]

    def percent(self, service: str, socket_number: int = 0) -> int:
        """The share of green that is in force at runtime."""
        answer = self.command(f"get map {self.map} {service}", socket_number)
        found = re.search(r'value="(\d+)"', answer)
        if found is None:
            raise RuntimeError(f"get map {service} answered {answer!r}")
        return int(found.group(1))


def _ask(path: Path, text: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(path))
        client.sendall(text.encode() + b"\n")
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()
