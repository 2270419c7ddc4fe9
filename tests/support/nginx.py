# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real nginx in a private folder, with the configuration that the role's templates describe."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.split_directory import ENDS, SplitDirectory
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Split

from tests.support.haproxy import COLOURS, Service
from tests.support.net import HOST, REPOSITORY, end, free_port, short_directory, wait_until
from tests.support.router import Answer, AnyRouter

ROLE = REPOSITORY / "roles" / "nginx"
PROBE_HOST = "turnout.invalid"
BUCKETS = 100

Lines = Sequence[str]


def templates() -> jinja2.Environment:
    """The role's templates, with what they use of Ansible's filters and tests."""
    loader = jinja2.FileSystemLoader(ROLE / "templates")
    environment = jinja2.Environment(
        loader=loader, trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined, autoescape=False
    )
    environment.filters.update(
        regex_replace=lambda text, pattern, new: re.sub(pattern, new, text),
        regex_escape=re.escape,
        split=str.split,
        hash=lambda text, name: hashlib.new(name, text.encode()).hexdigest(),
        flatten=lambda lists: [item for items in lists for item in items],
        to_nice_json=lambda value, indent: json.dumps(value, indent=indent, sort_keys=True),
    )
    environment.tests.update(
        match=lambda text, pattern: bool(re.match(pattern, text)), search=lambda text, pattern: bool(re.search(pattern, text))
    )
    return environment


def service_defaults() -> dict[str, Any]:
    """What the role takes for a service when the user says nothing."""
    text = (ROLE / "vars" / "main.yml").read_text(encoding="utf-8")
    defaults: dict[str, Any] = yaml.safe_load(text)["__nginx_service_defaults"]
    return defaults


class Nginx:
    """One nginx master with its workers, on free ports.

    :param services: what it routes; their ``preview_port`` is not used, see :attr:`preview_port`.
    :param percent: the share of green at the start.
    :param sticky: none, cookie or source.
    :param workers: how many worker processes.
    :param http_extra: further lines of the section ``http``.
    :param preview_networks: as the role's option.
    :param main: text of ``nginx.conf`` in place of the role's, as of a site that includes the two files itself.
        ``{folder}``, ``{directory}``, ``{pid_file}`` and ``{temporary}`` are filled in.
    :param directory: of the included files and of the splits; by default in the private folder.
    :param settings: options of the services, as the role has them.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        percent: int = 0,
        sticky: str = "none",
        cookie: str = "session",
        workers: int = 2,
        http_extra: Lines = (),
        preview_networks: Lines = (),
        main: str = "",
        directory: Path | None = None,
        binary: str = "nginx",
        **settings: Any,
    ) -> None:
        self.services: Mapping[str, Service] = {service.name: service for service in services}
        self.sticky, self.cookie, self.worker_count = sticky, cookie, workers
        self.http_extra, self.preview_networks, self.main = http_extra, preview_networks, main
        self.binary, self.settings = binary, settings
        self.preview_port = free_port()
        self.h2_ports = {name: free_port() for name in self.services}
        self._folder = short_directory("ngx")
        self.folder = Path(self._folder.name)
        self.folder.chmod(0o755)  # root's workers are somebody else
        self.directory = directory or self.folder / "bluegreen"
        self.config, self.error_log, self.pid_file, self.access_log = (
            self.folder / name for name in ("nginx.conf", "error.log", "nginx.pid", "access.log")
        )
        self.digest = ""
        self.process: subprocess.Popen[bytes] | None = None
        for name in self.services:
            self.make_split(name, percent)
        self.write_config()

    # -- configuration

    @property
    def preview(self) -> str:
        """Where previews and the provider's questions go."""
        return f"{HOST}:{self.preview_port}"

    def make_split(self, service: str, percent: int) -> None:
        """The files of a service as bootstrap makes them, and the link to one of the directories."""
        folder = self.directory / service
        folder.mkdir(parents=True, exist_ok=True)
        split = SplitDirectory(str(folder))
        for known in ENDS:
            split.provide(known)
        split.stage(Split(percent))
        split.commit()

    def variables(self, digest: str) -> dict[str, Any]:
        """What the role's templates see."""
        return {
            "nginx_directory": str(self.directory),
            "nginx_preview_bind": self.preview,
            "nginx_preview_networks": list(self.preview_networks),
            "nginx_user": "",
            "nginx_worker_processes": self.worker_count,
            "nginx_worker_connections": 2048,
            "nginx_pid_file": str(self.pid_file),
            "nginx_error_log": str(self.error_log),
            "nginx_access_log": f"{self.access_log}",
            "nginx_log_directory": str(self.folder),
            "nginx_statistics": True,
            "nginx_http_extra": [*self.temporary(), *self.http_extra],
            "__nginx_digest": digest,
            "__nginx_full_services": [self._described(service) for service in self.services.values()],
            "groups": {
                f"{service.name}_{colour}": [f"{colour}{number}" for number, _port in enumerate(getattr(service, colour), 1)]
                for service in self.services.values()
                for colour in COLOURS
            },
            "hostvars": self._hosts(),
        }

    def _described(self, service: Service) -> dict[str, Any]:
        return {
            **service_defaults(),
            "name": service.name,
            "listen": [f"{HOST}:{service.port}", f"{HOST}:{self.h2_ports[service.name]} http2"],
            "blue_group": f"{service.name}_blue",
            "green_group": f"{service.name}_green",
            "sticky": self.sticky,
            "sticky_cookie": self.cookie,
            **self.settings,
        }

    def _hosts(self) -> dict[str, Any]:
        # All services of a test have the same applications behind them.
        return {
            f"{colour}{number}": {"ansible_host": HOST, "bluegreen_port": port}
            for service in self.services.values()
            for colour in COLOURS
            for number, port in enumerate(getattr(service, colour), 1)
        }

    def temporary(self) -> list[str]:
        """Where nginx may write without root."""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return [f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds]

    def render(self, digest: str = "") -> dict[Path, str]:
        """All files of the configuration."""
        environment, variables = templates(), self.variables(digest)

        def text(name: str, **further: Any) -> str:
            return environment.get_template(name).render(**variables, **further)

        files = {self.config: self._main() or text("nginx.conf.j2"), self.directory / "http.conf": text("http.conf.j2")}
        for service in variables["__nginx_full_services"]:
            files[self.directory / f"{service['name']}.conf"] = text("service.conf.j2", service=service)
            files[self.directory / f"{service['name']}.json"] = text("facts.json.j2", service=service)
        return files

    def _main(self) -> str:
        places = {"folder": self.folder, "directory": self.directory, "pid_file": self.pid_file}
        text = self.main
        for name, value in {**places, "temporary": "\n".join(self.temporary())}.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def write_config(self) -> None:
        """Write all files, known by the digest over them."""
        self.digest = hashlib.sha1("".join(self.render().values()).encode()).hexdigest()
        for path, text in self.render(self.digest).items():
            path.write_text(text, encoding="utf-8")

    def _command(self) -> list[str]:
        # The error log is named before the file is read: the default one may not be ours to write.
        return [self.binary, "-p", str(self.folder), "-e", str(self.error_log), "-c", str(self.config)]

    def check(self) -> subprocess.CompletedProcess[str]:
        """``nginx -t``: validate the files without touching what runs."""
        return subprocess.run([*self._command(), "-t"], capture_output=True, text=True, check=False)

    # -- life

    def start(self) -> None:
        """Start, and return when the workers answer."""
        command = [*self._command(), "-g", "daemon off;"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_running(self.digest)

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
        wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers), "end of the workers")
        self.pid_file.unlink(missing_ok=True)
        self.process = None

    def restart(self) -> None:
        """A full stop and start: in force is then what the files say."""
        self.stop()
        self.start()

    def reload(self, timeout: float = 15.0) -> None:
        """SIGHUP to the master, and return when new workers answer. Raises RuntimeError if the configuration is refused."""
        self.replace_workers(timeout)
        self.wait_running(self.digest)

    def replace_workers(self, timeout: float = 15.0) -> None:
        """A reload of a configuration that need not be able to answer."""
        before, refused = set(self.workers()), self._refusals()
        self._running().send_signal(signal.SIGHUP)

        def replaced() -> bool:
            if self._refusals() > refused:
                raise RuntimeError(f"reload of {self.config} refused: {self.log_tail()}")
            new = set(self.current_workers())
            return len(new) == self.worker_count and not new & before

        wait_until(replaced, "new workers of nginx", timeout)

    def wait_running(self, digest: str) -> None:
        """Until a worker answers with the configuration of that digest."""

        def answers() -> bool:
            self._running()
            return self.ask("/digest").split()[1:2] == [digest]

        wait_until(answers, f"nginx in {self.folder} runs configuration {digest}")

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"nginx in {self.folder} does not run: {self.log_tail()}")
        return self.process

    def _refusals(self) -> int:
        return self.error_log.read_text(encoding="utf-8", errors="replace").count("[emerg]")

    def log_tail(self) -> str:
        return self.error_log.read_text(encoding="utf-8", errors="replace")[-2000:] if self.error_log.exists() else ""

    def __enter__(self) -> Nginx:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
        self._folder.cleanup()

    # -- what is there

    def workers(self) -> list[int]:
        """Pids: the current workers, then those that reloads left alive."""
        current = self.current_workers()
        return current + [pid for pid in self._children() if pid not in current]

    def current_workers(self) -> list[int]:
        return [pid for pid in self._children() if b"shutting down" not in _title(pid)]

    def _children(self) -> list[int]:
        master = self._running().pid
        listed = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split()
        return [pid for pid in map(int, listed) if b"worker process" in _title(pid)]

    def ask(self, path: str) -> str:
        """A worker's answer to one of the provider's questions."""
        connection = http.client.HTTPConnection(HOST, self.preview_port, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": PROBE_HOST})
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def percent(self, service: str) -> int:
        """The share of green that the workers go by now."""
        return sum(self.ask(f"/bucket/{service}/current/{bucket}").startswith("green") for bucket in range(BUCKETS))


def _title(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


class NginxRouter(AnyRouter):
    """One nginx on one host."""

    kind = "nginx"

    def __init__(self, nginx: Nginx, service: str = "shop", name: str = "router1") -> None:
        super().__init__(service, name)
        self.nginx = nginx
        self._first = {service: os.readlink(nginx.directory / service / "current") for service in nginx.services}

    @property
    def port(self) -> int:
        return self.nginx.services[self.service].port

    @property
    def options(self) -> Answer:
        return {
            "directory": str(self.nginx.directory),
            "state_dir": str(self.state_dir),
            "preview": self.nginx.preview,
            "pid_file": str(self.nginx.pid_file),
        }

    @property
    def link(self) -> Path:
        """What a flip replaces."""
        return self.nginx.directory / self.service / "current"

    def reset(self) -> None:
        self.empty_state()
        for service, first in self._first.items():
            folder = self.nginx.directory / service
            shutil.rmtree(folder)
            self.nginx.make_split(service, int(first.removeprefix("w")))

    def runtime(self) -> list[str]:
        """What a worker answers about the edges of the split and its configuration, without its pid."""
        edges = range(0, BUCKETS, 9)
        answers = [self.nginx.ask(f"/bucket/{service}/current/{edge}") for service in self.nginx.services for edge in edges]
        return [answer.rpartition(" ")[0] for answer in answers]

    def folders(self) -> Iterable[Path]:
        yield self.state_dir
        for service in self.nginx.services:
            yield self.nginx.directory / service
            yield from sorted(path for path in (self.nginx.directory / service).iterdir() if path.is_dir())

    def leftovers(self) -> list[str]:
        """What was prepared and not put in force."""
        unfinished = [str(path) for path in self.folders() if path.suffix == ".next"]
        return [*super().leftovers(), *unfinished]
