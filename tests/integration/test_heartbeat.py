# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease is as long as the run that holds it lives and acts: on a site with two routers, with real releases."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.net import wait_until
from tests.support.ready import call, set_up
from tests.support.site import Site, flat
from tests.support.sshd import Sshd

LEASE_SECONDS = 8
QUICK = {"bake_seconds": 1, "bake_interval": 0.5, "verify_interval": 0.1, "bluegreen_end_window": True}
# Longer than the lease, and as long as the test wants.
WAIT = """\
- name: Wait for the word
  ansible.builtin.wait_for:
    path: "{{ site_go }}"
    timeout: 300
    sleep: 1
"""


class Release:
    """A release in the background that waits in the middle of its deployment; what is left of it ends with the block.

    Args:
        site: where.
        terminal: it writes to a terminal, and not to a pipe.
        extra: extra variables.
    """

    def __init__(self, site: Site, terminal: bool = False, **extra: Any) -> None:
        self.site, self.go = site, site.folder / "go"
        self.go.unlink(missing_ok=True)
        waits = site.folder / "wait.yml"
        waits.write_text(WAIT, encoding="utf-8")
        self.version = "v2" if site.answer()[1] == "v1" else "v1"
        extra = {"deploy_before_tasks": str(waits), "site_go": str(self.go), "bluegreen_release": self.version, **extra}
        self._ours, theirs = pty.openpty() if terminal else os.pipe()
        self.process = site.popen("release", output=theirs, plan_lease_seconds=LEASE_SECONDS, **extra)
        os.close(theirs)
        self.output = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with open(self._ours, "rb", buffering=0) as stream:
            while True:
                try:
                    part = stream.read(65536)
                except OSError:  # how a terminal ends: EIO
                    return
                if not part:
                    return
                self.output += part.decode(errors="replace")

    def has_ended_its_output(self) -> bool:
        return not self._reader.is_alive()

    def leases(self) -> dict[str, Any]:
        """The lease on each router, or None."""
        return {name: router.journal["lease"] for name, router in self.site.routers.items()}

    def until(self) -> float:
        """The end of the lease that ends first; it fails when there is one that has not been taken or is over."""
        leases = self.leases()
        assert None not in leases.values(), self.output
        now = time.time()
        first = min(lease["until"] for lease in leases.values())
        assert first > now, (leases, now, self.output)
        return float(first)

    def started(self) -> None:
        """Wait until it deploys, and has a process for each router that gives signs of life."""
        try:
            wait_until(lambda: "Wait for the word" in self.output, "the release deploys", timeout=300)
        except TimeoutError:
            pytest.fail(self.output)
        assert len(self.heartbeats()) == len(self.site.routers)

    def heartbeats(self) -> list[int]:
        """Processes that give signs of life: the run's, and nobody's child any more."""
        mine = processes(str(self.site.inventory))
        return [pid for pid, parent in mine.items() if parent not in mine and pid != self.process.pid]

    def silent(self) -> None:
        """Wait until no process of the run is left."""
        wait_until(lambda: not processes(str(self.site.inventory)), "the end of all processes of the run", timeout=30)

    def __enter__(self) -> Release:
        try:
            self.started()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_failure: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.go.touch()  # the workers have outlived it
        self._reader.join()
        self.silent()


def processes(word: str) -> dict[int, int]:
    """The living processes of Ansible with that word in their command line, with their parents."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace")
            if folder.name.isdigit() and "ansible-playbook" in words and word in words:
                state, parent = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    found[int(folder.name)] = int(parent)
        except OSError:  # not a process, or not any more
            continue
    return found


@pytest.fixture(scope="module")
def _site() -> Iterator[Site]:
    with Site(routers=("haproxy", "haproxy"), variables=QUICK, forks=10) as site:
        set_up(site, "v1")
        site.release("v2")
        yield site


@pytest.fixture
def site(_site: Site) -> Iterator[Site]:
    """No release is under way, and nobody holds the service."""
    for router in _site.routers.values():
        if router.journal["candidate"]:
            subprocess.run([router.command, "rollback", "shop", "--config", router.config], check=True)
    yield _site
    for router in _site.routers.values():
        router.overrides.clear()
    _site.write_inventory()


@pytest.mark.parametrize("way", ["command over SSH", "module"])
def test_a_step_that_takes_longer_than_the_lease_does_not_lose_it(site: Site, sshd: Sshd, way: str) -> None:
    extra: dict[str, Any] = {"bluegreen_turnout_directory": "/nonexistent"} if way == "module" else {}
    if way == "command over SSH":
        for router in site.routers.values():
            router.overrides.update(sshd.host_vars)
        site.write_inventory()
    with Release(site, **extra) as release:
        claimed = site.journal
        first = release.until()
        wait_until(lambda: release.until() > first + LEASE_SECONDS, "every lease is renewed", timeout=60)
        now = site.journal
        assert {name for name in now if now[name] != claimed[name]} == {"lease"}
        assert now["lease"]["run"] == claimed["lease"]["run"]


def test_a_stopped_run_loses_the_lease_and_another_one_goes_on(site: Site) -> None:
    with Release(site) as stopped:
        run = stopped.leases()["router1"]["run"]
        stopped.process.send_signal(signal.SIGSTOP)
        try:
            assert call(site.first, "claimed", release=stopped.version, run="another")["holder"] == run
            ends = stopped.until()
            wait_until(lambda: time.time() > ends + 1, "the end of the lease", timeout=2 * LEASE_SECONDS)
            assert max(lease["until"] for lease in stopped.leases().values()) < time.time()
            done = site.play("release", bluegreen_release=stopped.version)
            assert done.status == 0, done.output
            assert "is dead: taking over" not in done.output
        finally:
            stopped.process.send_signal(signal.SIGCONT)
        before = site.journal
        stopped.go.touch()
        assert stopped.process.wait() != 0
        assert "this run must not act any more" in flat(stopped.output), stopped.output
        wait_until(stopped.has_ended_its_output, "the end of the output", timeout=1)
    assert site.journal == before
    assert set(stopped.leases().values()) == {None}
    assert site.answer()[1] == stopped.version


@pytest.mark.parametrize("terminal", [False, True])
def test_a_killed_run_leaves_no_process_behind_and_nobody_waits_for_one(site: Site, terminal: bool) -> None:
    """Whoever reads the output sees its end even while the processes that give signs of life are still there."""
    with Release(site, terminal) as release:
        beating = release.heartbeats()
        for pid in beating:
            os.kill(pid, signal.SIGSTOP)
        release.process.kill()
        release.process.wait()
        release.go.touch()  # on core 2.18 a worker keeps the output open for as long as its module runs
        try:
            wait_until(lambda: set(processes(str(site.inventory))) == set(beating), "the end of the workers", timeout=30)
            wait_until(release.has_ended_its_output, "the end of the output", timeout=1)
        finally:
            for pid in beating:
                os.kill(pid, signal.SIGCONT)
        release.silent()
        leases = release.leases()
        ends = max(lease["until"] for lease in leases.values())
        assert ends <= time.time() + LEASE_SECONDS
        wait_until(lambda: time.time() > ends, "the end of the lease", timeout=2 * LEASE_SECONDS)
        assert release.leases() == leases


def test_a_fenced_run_gives_no_more_signs_of_life(site: Site) -> None:
    with Release(site) as release:
        for router in site.routers.values():
            subprocess.run([router.command, "rollback", "shop", "--config", router.config], check=True)
        before = [router.journal for router in site.routers.values()]
        wait_until(lambda: not release.heartbeats(), "no more signs of life", timeout=2 * LEASE_SECONDS)
        assert release.process.poll() is None
        assert [router.journal for router in site.routers.values()] == before
