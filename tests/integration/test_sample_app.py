# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample application: its tarball, its control script, its behaviours, and its manners at a stop."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from demo.app.build_release import build
from tests.support.apps import App, Apps
from tests.support.net import HOST, accepts, free_port, wait_until


def get(port: int, path: str) -> tuple[str, float]:
    """The body and the seconds it took. Raises OSError for any failure."""
    began = time.monotonic()
    with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=10) as answer:
        return answer.read().decode(), time.monotonic() - began


class Host:
    """A folder like that of a host without systemd: `current` points to an unpacked release."""

    def __init__(self, root: Path) -> None:
        self.root, self.port = root, free_port()

    def unpack(self, version: str) -> None:
        tarball = build(self.root, version)
        folder = self.root / "releases" / version
        with tarfile.open(tarball.path) as archive:
            archive.extractall(folder)
        link = self.root / "link"
        link.symlink_to(folder)
        link.replace(self.root / "current")

    def control(self, action: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.root / "current" / "appctl"), action, "--root", str(self.root), "--name", "shop"]
        command += ["--port", str(self.port)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    @property
    def record(self) -> Path:
        return self.root / "shop.pid"

    def version(self) -> str:
        return str(json.loads(get(self.port, "/")[0])["version"])


def test_a_tarball_is_reproducible(tmp_path: Path) -> None:
    first, again = build(tmp_path / "a", "v1"), build(tmp_path / "b", "v1")
    assert first.sha256 == again.sha256
    assert first.path.name == "shop-v1.tar.gz"
    assert build(tmp_path / "c", "v2").sha256 != first.sha256


def test_appctl_starts_restarts_and_stops_what_is_current(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.unpack("v1")
    try:
        assert host.control("status").returncode == 3
        assert host.control("start").returncode == 0
        pid = json.loads(host.record.read_text())["pid"]
        assert host.control("start").returncode == 0
        assert json.loads(host.record.read_text())["pid"] == pid
        assert host.version() == "v1"
        host.unpack("v2")
        assert host.version() == "v1"
        assert host.control("restart").returncode == 0
        assert host.version() == "v2"
        assert "running" in host.control("status").stdout
    finally:
        assert host.control("stop").returncode == 0
    assert not accepts(host.port)
    assert not host.record.exists()


def test_appctl_never_ends_a_process_that_it_did_not_start(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.unpack("v1")
    host.record.write_text(json.dumps({"pid": os.getpid(), "started": 1}))
    assert host.control("status").returncode == 3
    assert host.control("stop").returncode == 0  # we are still here


def test_appctl_says_why_the_application_does_not_start(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.unpack("v1")
    (tmp_path / "current" / "release.json").write_text("{")
    failed = host.control("start")
    assert failed.returncode == 1
    assert "JSONDecodeError" in failed.stderr


def test_a_stop_finishes_what_is_in_flight() -> None:
    with Apps(blue=1, green=0) as apps:
        (app,) = apps.apps
        answers: list[str] = []
        thread = threading.Thread(target=lambda: answers.append(get(app.port, "/stream?chunks=10&ms=100")[0]))
        thread.start()
        wait_until(lambda: get_connections(app) > 0, "the stream has begun")
        app.stop()
        thread.join()
        assert answers[0].endswith("end-of-stream\n")
        assert not accepts(app.port)


def get_connections(app: App) -> int:
    """Established connections to the port of the application, from proc(5) net/tcp."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    wanted = f":{app.port:04X}"
    return sum(row.split()[1].endswith(wanted) and row.split()[3] == "01" for row in rows)


def test_a_broken_release_listens_and_is_not_healthy() -> None:
    with Apps(blue=1, green=0) as apps:
        apps.release("blue", "v3", "broken")
        assert apps.apps[0].health() == 503
        assert json.loads(get(apps.apps[0].port, "/")[0])["version"] == "v3"


def test_a_release_degrades_only_by_real_traffic() -> None:
    with Apps(blue=1, green=0) as apps:
        apps.release("blue", "v4", "degrades", degrade_after=0.3, degrade_ms=300)
        port = apps.apps[0].port
        preview = urllib.request.Request(f"http://{HOST}:{port}/", headers={"X-Bluegreen-Preview": "blue"})
        urllib.request.urlopen(preview, timeout=5).close()
        previewed = time.monotonic()
        wait_until(lambda: time.monotonic() - previewed > 0.4, "longer than degrade_after")
        assert get(port, "/")[1] < 0.2  # only now its clock begins to run
        wait_until(lambda: get(port, "/")[1] >= 0.3, "answers that are slow")
        assert get(port, "/health")[1] < 0.2


def test_a_release_can_be_slow_for_a_while_only() -> None:
    with Apps(blue=1, green=0) as apps:
        apps.release("blue", "v4", "degrades", degrade_after=0.3, degrade_seconds=0.5, degrade_ms=300)
        port = apps.apps[0].port
        wait_until(lambda: get(port, "/")[1] >= 0.3, "an answer that is slow")
        wait_until(lambda: get(port, "/")[1] < 0.2, "answers that are fast again")


def test_a_session_is_known_to_the_other_colour(apps: Apps) -> None:
    blue, green = (apps.ports(colour)[0] for colour in ("blue", "green"))
    with urllib.request.urlopen(f"http://{HOST}:{blue}/login?user=ada", timeout=5) as answer:
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
    request = urllib.request.Request(f"http://{HOST}:{green}/me", headers={"Cookie": cookie})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.load(answer) == {"user": "ada"}
    request = urllib.request.Request(f"http://{HOST}:{green}/me", headers={"Cookie": "session=ada.forged"})
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=5)
