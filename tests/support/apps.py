# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sample applications as processes on free loopback ports."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo.app.build_release import release_json
from tests.support.net import HOST, REPOSITORY, end, free_port, short_directory, wait_until

SOURCE = REPOSITORY / "demo" / "app" / "shop.py"


@dataclass
class App:
    """One process of the sample application. ``release`` is the path of its ``release.json``."""

    name: str
    colour: str
    release: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, str(SOURCE), "--host", HOST, "--port", str(self.port), "--name", self.name]
        command += ["--colour", self.colour, "--release-file", str(self.release)]
        with self.release.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def health(self) -> int:
        """The status of ``GET /health``, asked directly. Raises OSError while nothing listens."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        finally:
            connection.close()

    def wait(self) -> None:
        """Until the process answers; a broken release answers too."""
        wait_until(self.health, f"{self.name} answers on port {self.port}")

    def stop(self) -> None:
        """SIGTERM: requests in flight are finished."""
        if self.process is not None:
            end(self.process)

    def kill(self) -> None:
        """SIGKILL: requests in flight are lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Apps:
    """Applications of both colours; a context manager that leaves nothing running.

    >>> with Apps(blue=2, green=2) as apps:
    ...     apps.ports("blue")
    """

    def __init__(self, blue: int = 2, green: int = 2, versions: tuple[str, str] = ("v1", "v2")) -> None:
        self._folder = short_directory("apps")
        self.versions = {"blue": versions[0], "green": versions[1]}
        self.apps: list[App] = []
        for colour, count in (("blue", blue), ("green", green)):
            for number in range(count):
                self.apps.append(self._make(f"{colour}-{number + 1}", colour, self.versions[colour]))

    def _make(self, name: str, colour: str, version: str) -> App:
        release = Path(self._folder.name) / f"{name}.json"
        release.write_bytes(release_json(version))
        return App(name, colour, release)

    def of(self, colour: str) -> Sequence[App]:
        return [app for app in self.apps if app.colour == colour]

    def ports(self, colour: str) -> list[int]:
        return [app.port for app in self.of(colour)]

    def start(self, apps: Sequence[App] | None = None) -> None:
        chosen = self.apps if apps is None else apps
        for app in chosen:
            app.start()
        for app in chosen:
            app.wait()

    def release(self, colour: str, version: str, behaviour: str = "good", **settings: float) -> None:
        """Restart one colour with another version and behaviour, on the same ports."""
        for app in self.of(colour):
            app.stop()
            app.release.write_bytes(release_json(version, behaviour, **settings))
        self.start(self.of(colour))

    def restore(self) -> None:
        """Bring back what a test has stopped, killed or released anew."""
        for app in self.apps:
            first = release_json(self.versions[app.colour])
            if app.process is None or app.process.poll() is not None or app.release.read_bytes() != first:
                app.stop()
                app.release.write_bytes(first)
                app.start()
                app.wait()

    def stop(self) -> None:
        for app in self.apps:
            if app.process is not None and app.process.poll() is None:
                app.process.terminate()
        for app in self.apps:
            app.stop()
        self._folder.cleanup()

    def __enter__(self) -> Apps:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()
