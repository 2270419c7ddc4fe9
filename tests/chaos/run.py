# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill release.yml with SIGKILL at points spread over its length, under load; then release again, or roll back.

After each: clients get what they must, split and disk and journal agree, and no request was lost (I1, I4, I6).
Every other kill takes the processes on the hosts with it; the others leave them to finish on their own.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass

from tests.chaos.processes import kill_tree
from tests.chaos.total import Total, say
from tests.support.load import LoadProcess, Profile
from tests.support.site import Done, Site

VERSIONS = ("v1", "v2")
OPTIONS = {"bake_seconds": 2, "bake_max_latency_ms": 5000, "verify_interval": 0.1}


@dataclass
class Kill:
    """One kill and what came after it."""

    number: int
    at: float
    whole_group: bool
    recovery: str
    phase: str = ""
    wrong: str = ""


def kill(site: Site, release: str, case: Kill) -> None:
    """Start the release, let it run for ``case.at`` seconds, and kill it."""
    process = site.popen("release", bluegreen_release=release, bluegreen_end_window=True)
    try:
        process.wait(timeout=case.at)  # the point of the kill is a time; nothing is waited for
    except subprocess.TimeoutExpired:
        if case.whole_group:
            kill_tree(process.pid)
        else:
            process.kill()
    process.communicate()


def recover(site: Site, release: str, case: Kill) -> None:
    """Run the other playbook, and hold the end state against what it must be."""
    journal = site.journal
    case.phase = journal["phase"]
    if case.recovery == "release":
        done = site.play("release", bluegreen_release=release, bluegreen_end_window=True)
        expected = release
    else:
        done = site.play("rollback")
        if not case.whole_group:
            # What was left running may have claimed or settled in between: the journal says where to it went back.
            journal = {**site.journal, "candidate": None, "rollback_to": None}
        back = journal["stable"] if journal["candidate"] else journal["rollback_to"] or journal["stable"]
        expected = journal["releases"][back]
    case.wrong = judge(site, done, expected)


def judge(site: Site, done: Done, expected: str) -> str:
    """Empty when all is as it must be."""
    if done.status:
        return f"exit status {done.status}:\n{done.output[-3000:]}"
    version = site.answer()[1]
    if version != expected:
        return f"clients get {version}, expected {expected}"
    looked = json.loads(
        subprocess.run(
            [site.command, "status", "shop", "--json", "--config", site.folder / "etc"], capture_output=True, check=False
        ).stdout
    )["shop"]
    journal = looked["journal"]
    if looked["doubts"] or looked["interrupted"]:
        return f"doubts: {looked['doubts']}, interrupted: {looked['interrupted']}"
    if journal["candidate"] or journal["lease"] or journal["releases"].get(journal["stable"]) != expected:
        return f"journal: {journal}"
    return ""


def run(kills: int, seconds: float, rate: float = 100.0) -> Total:
    """Kill ``kills`` times, at most for ``seconds``.

    Args:
        rate: requests per second of the paced clients.
    """
    cases = []
    with Site(variables=OPTIONS) as site:
        for version in VERSIONS:
            site.release(version)
        for playbook in ("bootstrap", "release"):
            began = site.play(playbook, bluegreen_release="v1" if playbook == "bootstrap" else "v2")
            if began.status:
                raise RuntimeError(f"{playbook}.yml failed:\n{began.output}")
        length = began.seconds
        deadline = time.monotonic() + seconds
        with LoadProcess(Profile(site.port, rate=rate, seconds=seconds + 600, longest=3)) as load:
            for number in range(kills):
                if time.monotonic() > deadline:
                    say(f"the time is over after {number} of {kills} kills on one router")
                    break
                case = Kill(
                    number,
                    at=length * (number + 0.5) / kills,
                    whole_group=number % 2 == 0,
                    recovery="release" if number // 2 % 2 else "rollback",
                )
                release = next(version for version in VERSIONS if version != site.answer()[1])
                kill(site, release, case)
                recover(site, release, case)
                cases.append(case)
                say(
                    f"one router {number + 1}/{kills} at {case.at:.1f} s, phase {case.phase}, {case.recovery}: "
                    f"{case.wrong or 'ok'}; lost {load.progress().lost} of {load.progress().requests}"
                )
        summary = load.summary
    for loss in summary.losses:
        say(f"  lost: {loss}")
    return Total(len(cases), sum(1 for case in cases if case.wrong), summary.requests, summary.lost)
