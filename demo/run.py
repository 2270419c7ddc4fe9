# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: real playbooks, a real HAProxy and four application processes on loopback, clients all the time.

Exit status 1 when a request was lost or an act did not end as it must.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo.figures import Act, compare
from tests.support.load import LoadProcess, Profile
from tests.support.net import REPOSITORY, wait_until
from tests.support.site import Done, Site

REQUESTS = 20_000
# Good when the colour is filled in by the gate, on whatever version of Ansible, and not by Ansible.
LENGTH = {"name": "colour", "source": "command", "argv": [sys.executable, "-c", "print(len('{{ colour }}'))"], "max": 5}
STEPS = [10, 50, 100]  # of the canary
RESULT = REPOSITORY / "build" / "demo.json"
SHOWN = ("PLAY [", "TASK [", "fatal:", "ERROR")


class Failed(Exception):
    """An act did not end as it must."""


@dataclass
class Demo:
    """The acts, and what they have counted."""

    site: Site
    load: LoadProcess
    verbose: bool
    releases: int = 0
    rollbacks: int = 0
    release_ms: list[float] = field(default_factory=list)
    rollback_ms: list[float] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)

    def act(self, title: str, playbook: str, version: str, *, fails: bool = False, **extra: object) -> Done:
        """Play one act, and hold what clients see against what they must see."""
        print(f"\n== {title}", flush=True)
        done = self.site.play(playbook, show=self._show, **extra)
        if (done.status != 0) != fails:
            print(done.output)
            raise Failed(f"{title}: exit status {done.status}")
        colour, answered = self.site.answer()
        if answered != version:
            print(done.output)
            raise Failed(f"{title}: clients get {answered} from {colour}, expected {version}")
        print(f"   {done.seconds:.1f} s; clients get {answered} from {colour}; {self._progress()}", flush=True)
        return done

    def _show(self, line: str) -> None:
        if self.verbose:
            print(line, flush=True)
        elif line.startswith("PLAY [") and line != "PLAY [[]] ***":
            print(f"   {line.partition('[')[2].rpartition(']')[0]}", flush=True)
        elif line.startswith("  bake "):
            print(f"   {line}", flush=True)
        elif '"msg"' in line:
            print(f"     {line.partition(': ')[2].strip(chr(34) + ',')[:300]}", flush=True)

    def _progress(self) -> str:
        progress = self.load.progress()
        return f"{progress.requests} requests, {progress.lost} lost so far"

    def note(self, kind: str, strategy: str, version: str, done: Done) -> None:
        """Remember an act that has just ended, for what clients have seen of it."""
        now = time.monotonic()
        self.acts.append(Act(kind, strategy, version, now - done.seconds, now))

    def release(self, version: str, strategy: str = "all_at_once") -> None:
        """A release that succeeds."""
        done = self.act(
            f"Release {version}, {strategy}",
            "release",
            version,
            bluegreen_release=version,
            cutover_strategy=strategy,
            cutover_canary_steps=STEPS,
        )
        self.note("good", strategy, version, done)
        if strategy == "all_at_once":
            self.release_ms.append(done.seconds * 1000)
        self.releases += 1

    def rollback(self, version: str, gone: str, strategy: str = "all_at_once") -> None:
        """A rollback by hand."""
        done = self.act(f"Roll back to {version}", "rollback", version)
        self.note("back", strategy, gone, done)
        self.rollback_ms.append(done.seconds * 1000)
        self.rollbacks += 1

    def slow(self, version: str, stays: str, strategy: str) -> None:
        """A release that turns slow under traffic."""
        done = self.act(
            f"Release {version}, {strategy}, which turns slow under traffic: it is rolled back by itself",
            "release",
            stays,
            fails=True,
            bluegreen_release=version,
            bake_seconds=30,
            cutover_strategy=strategy,
            cutover_canary_steps=STEPS,
        )
        if "was rolled back" not in done.output:
            raise Failed(f"{version} was not rolled back after the cutover")
        self.note("bad", strategy, version, done)
        self.rollbacks += 1

    def all(self) -> None:
        """The acts; the first one, the bootstrap, comes before the clients."""
        self.release("v2")
        self.rollback("v1", "v2")
        self.release("v2", "canary")
        self.rollback("v1", "v2", "canary")
        self.release("v2")
        self.act(
            "Release v3, which is broken: verify stops it, traffic is untouched",
            "release",
            "v2",
            fails=True,
            bluegreen_release="v3",
            bluegreen_end_window=True,
            verify_timeout=5,
        )
        self.slow("v4", "v2", "all_at_once")
        self.slow("v5", "v2", "canary")

    def smoke(self) -> None:
        """The short way round for `make compat`."""
        self.release("v2")
        if self.act("Release v2 once more: nothing to do", "release", "v2", bluegreen_release="v2").changed:
            raise Failed("a second run of the same release changed something")
        self.act("Show the status", "status", "v2")
        self.rollback("v1", "v2")


def bootstrap(site: Site, verbose: bool) -> None:
    """The first act: four hosts and a router from nothing, v1 on blue."""
    print("== Bootstrap v1", flush=True)
    done = site.play("bootstrap", show=print if verbose else None, bluegreen_release="v1")
    if done.status:
        print(done.output)
        raise Failed("bootstrap failed")
    print(f"   {done.seconds:.1f} s; clients get {site.answer()[1]} from {site.answer()[0]}", flush=True)


def play(options: argparse.Namespace) -> int:
    """Run the demo and print what it has measured."""
    variables = {"bake_max_latency_ms": 1000, "bake_seconds": 5, "bake_gates": [LENGTH] if options.smoke else []}
    # The smoke run is for versions of Ansible: a fleet, and both kinds of router.
    with Site(variables=variables, routers=("haproxy", "nginx") if options.smoke else ("haproxy",)) as site:
        for version in ("v1", "v2"):
            site.release(version)
        site.release("v3", behaviour="broken")
        for version in ("v4", "v5"):
            site.release(version, behaviour="degrades", degrade_after=4, degrade_ms=1500)
        bootstrap(site, options.verbose)
        with LoadProcess(Profile(site.port, rate=100 if options.smoke else options.rate, longest=4)) as load:
            demo = Demo(site, load, options.verbose)
            if options.smoke:
                demo.smoke()
            else:
                demo.all()
                wait_until(lambda: load.progress().requests >= REQUESTS, f"{REQUESTS} requests", timeout=300)
        summary = load.summary
    for loss in summary.losses:
        print(f"lost: {loss}")
    rollback = sum(demo.rollback_ms) / len(demo.rollback_ms)
    release = sum(demo.release_ms) / len(demo.release_ms)
    if not options.smoke:
        record = {"requests": summary.requests, "lost": summary.lost, "strategies": compare(demo.acts, summary)}
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"\ndemo: requests={summary.requests} lost={summary.lost} releases={demo.releases} rollbacks={demo.rollbacks}")
    print(f"demo: rollback_ms={rollback:.0f} release_ms={release:.0f}", flush=True)
    return 1 if summary.lost else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a short run: release, again, status, rollback")
    parser.add_argument("--rate", type=float, default=300.0, help="requests per second of the paced clients")
    parser.add_argument("--verbose", action="store_true", help="print all that the playbooks print")
    try:
        return play(parser.parse_args())
    except Failed as failure:
        print(f"demo: FAILED: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
