# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router as the collection drives it: the command or the module over a running HAProxy, and what clients see."""

from __future__ import annotations

import functools
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _zipapp

from tests.support.haproxy import HAProxy
from tests.support.net import HOST, REPOSITORY, short_directory, wait_until

COLLECTIONS = REPOSITORY / "playbooks" / "collections"
MODULES = "ansible_collections.turnout.bluegreen.plugins.modules"
#: The router's Python: not that of the control node, which an unprivileged user may not be able to run.
INTERPRETER = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
SENTINEL = "turnout-answer:"
LIMIT = 60.0

Answer = dict[str, Any]
Me = TypeVar("Me", bound="AnyRouter")


@functools.lru_cache(maxsize=1)
def zipapp() -> bytes:
    """The command's bytes, as bootstrap would install them."""
    return _zipapp.build(INTERPRETER)


def as_user(uid: int, gid: int, *groups: int) -> tuple[str, ...]:
    """A prefix that runs a command as somebody else; the shell in between has no rights left but the user's."""
    rest = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
    return "setpriv", f"--reuid={uid}", f"--regid={gid}", rest, "sh", "-c", 'exec "$@"', "sh"


class AnyRouter(ABC):
    """The routers of one kind on one host, and the folders that bootstrap would make.

    :param service: the service that is meant when a call names none.
    """

    kind: str

    def __init__(self, service: str = "shop", name: str = "router1") -> None:
        self.service, self.name = service, name
        self._folder = short_directory("rt")
        self.folder = Path(self._folder.name)
        self.state_dir = self.folder / "state"
        self.config = self.folder / "etc"
        self.turnout = self.folder / _zipapp.file_name()
        for folder in (self.state_dir, self.config):
            folder.mkdir()
        self.turnout.write_bytes(zipapp())
        self.turnout.chmod(0o750)

    def __enter__(self: Me) -> Me:
        return self

    def __exit__(self, *failure: object) -> None:
        self._folder.cleanup()

    @property
    @abstractmethod
    def port(self) -> int:
        """Where the service is for clients."""

    @property
    @abstractmethod
    def options(self) -> Answer:
        """The provider's options that lead to this router."""

    @abstractmethod
    def reset(self) -> None:
        """All as it was at the start: no journal, the first split in force."""

    @abstractmethod
    def runtime(self) -> list[str]:
        """What the router's processes have in memory, or say that they do."""

    @abstractmethod
    def folders(self) -> Iterable[Path]:
        """Where the files are that a change writes."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def journal(self) -> Path:
        return self.state_dir / f"{self.service}.json"

    def empty_state(self) -> None:
        shutil.rmtree(self.state_dir)
        self.state_dir.mkdir()

    # -- the entry points

    def parameters(self, state: str, **given: Any) -> Answer:
        """The options of one task, those of the router left out."""
        return {"service": self.service, "state": state, "run": "run-1", "owner": "alice@control", **given}

    def start(
        self,
        state: str,
        *,
        check: bool = False,
        info: bool = False,
        options: Answer | None = None,
        prefix: Sequence[str] = (),
        **given: Any,
    ) -> subprocess.Popen[str]:
        """Begin one call of the command, the way the `traffic` task makes it; ``prefix`` runs it as somebody else."""
        request = {
            "kind": self.kind,
            "router": self.name,
            "info": info,
            "check_mode": check,
            "params": self.parameters(state, **given),
            "options": {**self.options, **(options or {})},
        }
        command = [*prefix, str(self.turnout), "call", json.dumps(request)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ask(self, state: str, **given: Any) -> Answer:
        """One call and its answer, whatever that is; keywords are those of :meth:`start`."""
        return result(self.start(state, **given))

    def do(self, state: str, **given: Any) -> Answer:
        """One call that must succeed."""
        answer = self.ask(state, **given)
        assert not answer.get("failed"), answer["msg"]
        return answer

    def look(self, **given: Any) -> Answer:
        """What the router knows about itself."""
        return self.do("present", info=True, **given)

    def module(self, name: str = "", *, check: bool = False, diff: bool = False, **given: Any) -> Answer:
        """The module in a process of its own, as Ansible runs it; by default the one that moves traffic."""
        flags = {"_ansible_check_mode": check, "_ansible_diff": diff}
        arguments = {"ANSIBLE_MODULE_ARGS": {"service": self.service, **self.options, **given, **flags}}
        command = [sys.executable, "-m", f"{MODULES}.{name or f'{self.kind}_traffic'}"]
        done = subprocess.run(
            command, input=json.dumps(arguments), cwd=COLLECTIONS, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        assert done.stdout, done.stderr
        answer: Answer = json.loads(done.stdout)
        assert done.returncode == (1 if answer.get("failed") else 0)
        return answer

    def by_hand(self, *words: str, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """``turnout`` as a person types it."""
        command = [*prefix, str(self.turnout), *words, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)

    def bootstrap(self, *services: str) -> None:
        """Make services known to the command."""
        for service in services or (self.service,):
            record = {"kind": self.kind, "router": self.name, "service": service, "options": self.options}
            (self.config / f"{service}.json").write_text(json.dumps(record), encoding="utf-8")

    # -- what is there

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Content and mode of every file, and where every link leads; locks say nothing."""
        return {
            str(path): (os.readlink(path).encode() if path.is_symlink() else path.read_bytes(), path.lstat().st_mode)
            for folder in self.folders()
            for path in folder.iterdir()
            if (path.is_symlink() or path.is_file()) and path.suffix not in (".lock", ".log")
        }

    def leftovers(self) -> list[str]:
        """Prepared files that nobody has put in force."""
        return [path for path in self.files() if path.endswith(".next")]

    def colours(self, count: int = 5, url: str | None = None) -> Counter[str]:
        """Which colour answers ``count`` requests on one connection."""
        with Connection(url or self.url) as connection:
            return Counter(connection.colour() for _number in range(count))

    def everything(self) -> tuple[object, ...]:
        """What a refused task may not change: files, memory, and what a client sees."""
        return self.files(), self.runtime(), set(self.colours())


class Router(AnyRouter):
    """The HAProxies of one host.

    :param haproxies: what runs there; all read the map file of the first.
    """

    kind = "haproxy"

    def __init__(self, haproxies: Sequence[HAProxy], service: str = "shop", name: str = "router1") -> None:
        super().__init__(service, name)
        self.haproxies = list(haproxies)
        self.map = self.haproxies[0].map
        self._first_map = self.map.read_bytes()

    @property
    def haproxy(self) -> HAProxy:
        return self.haproxies[0]

    @property
    def port(self) -> int:
        return self.haproxy.services[self.service].port

    @property
    def options(self) -> Answer:
        return {
            "sockets": [str(path) for haproxy in self.haproxies for path in haproxy.sockets],
            "master_sockets": [str(haproxy.master_socket) for haproxy in self.haproxies],
            "map_file": str(self.map),
            "state_dir": str(self.state_dir),
        }

    def reset(self) -> None:
        self.empty_state()
        self.map.write_bytes(self._first_map)
        self.map.with_name(self.map.name + ".next").unlink(missing_ok=True)
        for haproxy in self.haproxies:
            for line in self._first_map.decode().splitlines():
                assert haproxy.command(f"set map {self.map} {line}") == "\n"

    def runtime(self) -> list[str]:
        """The map in the memory of every HAProxy, without the addresses of its entries."""
        answers = [haproxy.command(f"show map {self.map}") for haproxy in self.haproxies]
        return ["\n".join(line.partition(" ")[2] for line in answer.splitlines()) for answer in answers]

    def folders(self) -> Iterable[Path]:
        return sorted({self.state_dir, self.map.parent})

    def wait_health(self, colour: str, healthy: int, service: str | None = None) -> None:
        """Until HAProxy sees that many healthy servers."""
        backend = f"{service or self.service}_{colour}"

        def agreed() -> bool:
            rows = [row for haproxy in self.haproxies for row in haproxy.servers() if row["pxname"] == backend]
            return sum(row["status"].startswith("UP") for row in rows) == healthy * len(self.haproxies)

        wait_until(agreed, f"{healthy} healthy servers in {backend}")


def result(process: subprocess.Popen[str]) -> Answer:
    """The answer of a call that was begun."""
    output, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, errors
    assert errors == ""
    (line,) = output.splitlines()
    answer: Answer = json.loads(line.removeprefix(SENTINEL))
    return answer


def results(processes: Iterable[subprocess.Popen[str]]) -> list[Answer]:
    """The answers of calls that run side by side."""
    return [result(process) for process in processes]


class Connection:
    """One keep-alive connection of one client; it never opens a second one behind the test's back."""

    def __init__(self, url: str, source: str = HOST) -> None:
        address = url.removeprefix("http://")
        self._http = http.client.HTTPConnection(address, timeout=LIMIT, source_address=(source, 0))
        self._http.connect()
        self._http.auto_open = 0
        self.closing = False

    def send(self, path: str = "/", **headers: str) -> None:
        self._http.request("GET", path, headers=headers)

    def receive(self) -> str:
        """The colour that answers; an error when it is not a 200 with a whole body."""
        answer = self._http.getresponse()
        answer.read()
        assert answer.status == 200
        self.closing = answer.will_close
        return str(answer.headers["X-Bluegreen-Colour"])

    def colour(self, path: str = "/", **headers: str) -> str:
        self.send(path, **headers)
        return self.receive()

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


class WebSocket:
    """A conversation that lasts until one side ends it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=LIMIT)
        self._socket.sendall(
            b"GET /ws HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._socket.recv(1)
        assert head.startswith(b"HTTP/1.1 101 "), head

    def alive(self) -> bool:
        """The server echoes one more message; False when the connection was ended."""
        mask, text = b"\1\2\3\4", b"ping"
        try:
            masked = bytes(byte ^ key for byte, key in zip(text, mask))
            self._socket.sendall(bytes((0x81, 0x80 | len(text))) + mask + masked)
            answer = b""
            while len(answer) < 2 + len(text):
                part = self._socket.recv(64)
                if not part:
                    return False
                answer += part
        except ConnectionError:
            return False
        return answer == bytes((0x81, len(text))) + text

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
