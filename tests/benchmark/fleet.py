# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight routers, half HAProxy and half nginx, as one transaction over SSH: how far apart they flip, and how fast all go back.

``fleet_skew_ms``: the time between the first and the last router's flip, as the release itself measures it; the worst of all
runs, half of them with fewer forks than routers. ``fleet_skew_client_ms``: the same as clients saw it, from the first new answer
of the first router to that of the last; it includes the pace of the clients. ``fleet_skew_plain_ms``: as clients saw it when
plain tasks switch one host after the other, as forks allow; the median.

``fleet_rollback_over_floor``: wall time of rollback.yml over that of a playbook with one no-op module task on the same hosts;
pairs right after one another, in alternating order; the median of the pairs' ratios.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "playbooks" / "collections")]

from tests.benchmark._report import merge
from tests.benchmark.rollback import NOOP, ratio, timed
from tests.support.local_router import LocalRouter
from tests.support.net import HOST, wait_until
from tests.support.site import Site
from tests.support.sshd import Sshd

ROUTERS = ("haproxy", "nginx") * 4
FEW_FORKS, MANY_FORKS = 5, 20
PACE_SECONDS = 0.02
QUICK = {"bake_seconds": 0, "verify_successes": 1}
# What release.yml does on the routers, without what takes its time on the hosts.
TRANSACTION = """\
- name: Plan the release and claim it
  hosts: routers
  gather_facts: false
  any_errors_fatal: true
  roles:
    - turnout.bluegreen.plan

- name: Move the traffic to the candidate
  hosts: routers
  gather_facts: false
  any_errors_fatal: true
  roles:
    - turnout.bluegreen.cutover
"""
PLAIN = """\
- name: One host after the other
  hosts: routers
  gather_facts: false
  tasks:
    - name: Switch the traffic of this router
      turnout.bluegreen.traffic:
        service: shop
        state: switched
        split:
          green: 100
"""


class Fleet(Site):
    """A site whose playbooks may lie anywhere, with the collection of this checkout."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections")}


class Watch(threading.Thread):
    """A client of one router, on one connection: when each colour has answered first, and how many requests were lost."""

    def __init__(self, router: LocalRouter) -> None:
        super().__init__(daemon=True)
        self.router = router
        self.first: dict[str, float] = {}
        self.requests = self.lost = 0
        self.done = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection(HOST, self.router.port, timeout=15)
        while not self.done.wait(PACE_SECONDS):
            self.requests += 1
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                self.lost += 1
                connection.close()
                continue
            if response.status != 200:
                self.lost += 1
            self.first.setdefault(response.getheader("X-Bluegreen-Colour") or "", time.monotonic())
        connection.close()


class Clients:
    """One client for each router."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.requests = self.lost = 0

    @contextmanager
    def watching(self) -> Iterator[list[float]]:
        """Put the milliseconds between the routers' first answers of green into a list, at the end of the block."""
        watches = [Watch(router) for router in self.site.routers.values()]
        skew: list[float] = []
        for watch in watches:
            watch.start()
        try:
            yield skew
            wait_until(lambda: all("green" in watch.first for watch in watches), "answers of green from every router")
        finally:
            for watch in watches:
                watch.done.set()
            for watch in watches:
                watch.join()
                self.requests += watch.requests
                self.lost += watch.lost
        seen = [watch.first["green"] for watch in watches]
        skew.append(round((max(seen) - min(seen)) * 1000, 1))


def written(site: Site, name: str, text: str) -> str:
    """The path of a playbook with that text."""
    path = site.folder / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def run(site: Site, playbook: str) -> str:
    """Run a playbook that must succeed; its output."""
    command = ["ansible-playbook", playbook, "-i", str(site.inventory), "-e", "bluegreen_release=v2"]
    done = subprocess.run(command, cwd=ROOT, env=site.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{playbook}: {done.stdout}{done.stderr}")
    return done.stdout


def by_hand(site: Site, *words: str) -> None:
    """Run the turnout command on all routers at once."""
    commands = [[str(router.command), *words, "--config", str(router.config)] for router in site.routers.values()]
    started = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    statuses = [process.wait() for process in started]
    if any(statuses):
        raise RuntimeError(f"turnout {' '.join(words)} has failed")


def transactions(site: Site, clients: Clients, runs: int) -> tuple[list[float], list[float]]:
    """The skew of each release, in ms: as it says itself, and as clients saw it."""
    playbook = written(site, "transaction", TRANSACTION)
    measured, seen = [], []
    for _run in range(runs):
        with clients.watching() as skew:
            output = run(site, playbook)
        found = re.search(r"(\d+)\s+routers within ([\d.]+) ms", output)
        if found is None or int(found[1]) != len(site.routers):
            raise RuntimeError(f"the release does not say how far apart the routers have flipped: {output}")
        measured.append(float(found[2]))
        seen += skew
        by_hand(site, "rollback", "shop", "--to", "blue")
    return measured, seen


def plain(site: Site, clients: Clients, runs: int) -> list[float]:
    """The skew of plain tasks in ms, as clients saw it."""
    playbook = written(site, "plain", PLAIN)
    seen = []
    for _run in range(runs):
        with clients.watching() as skew:
            run(site, playbook)
        seen += skew
        by_hand(site, "rollback", "shop", "--to", "blue")
    return seen


def rollbacks(site: Site, pairs: int) -> tuple[list[float], list[float]]:
    """Seconds of the floor, and seconds of the rollback."""
    noop = written(site, "noop", NOOP)
    floor: list[float] = []
    back: list[float] = []
    for number in range(pairs + 1):  # the first pair warms caches and connections, and does not count
        by_hand(site, "switch", "shop", "green=100")
        for what in ("floor", "back") if number % 2 else ("back", "floor"):
            seconds = timed(site, noop if what == "floor" else "playbooks/rollback.yml")
            if number:
                (floor if what == "floor" else back).append(seconds)
        if {router.answer()[0] for router in site.routers.values()} != {"blue"}:
            raise RuntimeError("the rollback has not moved the traffic of all routers")
    return floor, back


def over_ssh(site: Site, sshd: Sshd) -> None:
    """Reach each router at an address of its own."""
    for router, address in zip(site.routers.values(), sshd.addresses):
        router.overrides.update(sshd.host_vars_of(address))
    site.write_inventory()


Skews = Mapping[int, tuple[list[float], list[float]]]


def numbers(skews: Skews, plainly: list[float], floor: list[float], back: list[float]) -> dict[str, float]:
    """What goes into the report."""
    measured = [ms for own, _seen in skews.values() for ms in own]
    seen = [ms for _own, clients in skews.values() for ms in clients]
    return {
        "fleet_routers": len(ROUTERS),
        "fleet_skew_ms": max(measured),
        "fleet_skew_median_ms": statistics.median(measured),
        "fleet_skew_few_forks_ms": max(skews[FEW_FORKS][0]),
        "fleet_skew_many_forks_ms": max(skews[MANY_FORKS][0]),
        "fleet_skew_client_ms": max(seen),
        "fleet_skew_client_median_ms": statistics.median(seen),
        "fleet_skew_plain_ms": round(statistics.median(plainly), 1),
        "fleet_skew_runs": len(measured),
        "fleet_rollback_over_floor": ratio(back, floor),
        "fleet_rollback_s": round(statistics.median(back), 3),
        "fleet_rollback_floor_s": round(statistics.median(floor), 3),
        "fleet_rollback_pairs": len(back),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--runs", type=int, default=4, help="releases with few forks, and as many with many")
    options = parser.parse_args()
    addresses = [f"127.0.0.{number}" for number in range(1, len(ROUTERS) + 1)]
    with Sshd(addresses) as sshd, Fleet(routers=ROUTERS, variables=QUICK, forks=MANY_FORKS) as site:
        for version in ("v1", "v2"):
            site.release(version)
        for playbook, version in (("bootstrap", "v1"), ("release", "v2")):
            done = site.play(playbook, bluegreen_release=version)
            if done.status:
                raise RuntimeError(done.output)
        by_hand(site, "rollback", "shop")
        over_ssh(site, sshd)
        clients = Clients(site)
        skews = {}
        for site.forks in (MANY_FORKS, FEW_FORKS):
            skews[site.forks] = transactions(site, clients, options.runs)
        plainly = plain(site, clients, options.runs)
        floor, back = rollbacks(site, options.pairs)
    report = {**numbers(skews, plainly, floor, back), "fleet_requests": clients.requests, "fleet_lost": clients.lost}
    merge(ROOT / "build" / "bench.json", report)
    print(json.dumps(report, indent=1))
    return int(clients.lost > 0)


if __name__ == "__main__":
    sys.exit(main())
