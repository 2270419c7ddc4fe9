# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole rollback over SSH against a playbook with one no-op module task on the same host and connection.

Every pair runs both right after one another, in alternating order; the ratio is the median of the pairs' ratios.

``rollback_over_floor``: with the turnout command installed. ``rollback_over_floor_fallback``: without it.
``rollback_client_ms``: from the first answer of the stable colour to the last one of the other, as clients saw it; 0 when
none came after it. ``rollback_last_old_answer_ms``: from the start of the playbook to that last answer. Both are medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "playbooks" / "collections")]

from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _zipapp

from tests.benchmark._report import merge
from tests.support.load import LoadProcess, Profile
from tests.support.site import Site
from tests.support.sshd import Sshd
from tests.support.timeline import Summary

NOOP = """\
- name: The floor
  hosts: routers
  gather_facts: false
  tasks:
    - name: Do nothing
      ansible.builtin.ping:
"""


def timed(site: Site, playbook: str) -> float:
    """Seconds of one ``ansible-playbook``; it must succeed."""
    began = time.monotonic()
    command = ["ansible-playbook", playbook, "-i", str(site.inventory)]
    done = subprocess.run(command, cwd=ROOT, env=site.environment(), capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{playbook}: {done.stdout}{done.stderr}")
    return seconds


def to_green(site: Site) -> None:
    """Put all traffic on green, as a release would have."""
    words = [str(site.command), "switch", "shop", "green=100", "--config", str(site.folder / "etc")]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def series(site: Site, pairs: int) -> tuple[list[float], list[float], list[tuple[float, float]]]:
    """Seconds of the floor, seconds of the rollback, and when each rollback began and ended."""
    noop = site.folder / "noop.yml"
    noop.write_text(NOOP, encoding="utf-8")
    floor: list[float] = []
    back: list[float] = []
    windows: list[tuple[float, float]] = []
    for number in range(pairs + 1):  # the first pair warms caches and the connection, and does not count
        to_green(site)
        for what in ("floor", "back") if number % 2 else ("back", "floor"):
            began = time.monotonic()
            seconds = timed(site, str(noop) if what == "floor" else "playbooks/rollback.yml")
            if number:
                (floor if what == "floor" else back).append(seconds)
                if what == "back":
                    windows.append((began, time.monotonic()))
        if site.answer()[0] != "blue":
            raise RuntimeError("the rollback has not moved the traffic")
    return floor, back, windows


def as_clients_saw(summary: Summary, windows: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """For each rollback, milliseconds from the first answer of blue to the last of green (0: none came after), and from the
    start of the playbook to the last answer of green."""
    overlap, until = [], []
    for began, ended in windows:
        short = [a for a in summary.answers if began <= a.sent <= ended and a.kind in ("keepalive", "new", "post", "session")]
        first_back = min(a.done for a in short if a.colour == "blue")
        last_old = max(a.done for a in short if a.colour == "green")
        overlap.append(max(last_old - first_back, 0.0) * 1000)
        until.append((last_old - began) * 1000)
    return overlap, until


def ratio(over: list[float], under: list[float]) -> float:
    """The median of the pairs' ratios."""
    return round(statistics.median(a / b for a, b in zip(over, under)), 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    pairs = parser.parse_args().pairs
    with Sshd() as sshd, Site() as local:
        local.release("v1")
        local.release("v2")
        for playbook, extra in (
            ("bootstrap", {"bluegreen_release": "v1"}),
            ("release", {"bluegreen_release": "v2", "bake_seconds": 1}),
        ):
            done = local.play(playbook, **extra)
            if done.status:
                raise RuntimeError(done.output)
        local.connection = {"ansible_connection": "ssh", **sshd.host_vars}
        local.write_inventory()
        timed(local, "playbooks/rollback.yml")
        fast = local.folder / "bin" / _zipapp.file_name()
        if not fast.exists():
            raise RuntimeError("bootstrap has installed another version of the turnout command")
        with LoadProcess(Profile(local.port, rate=100, longest=2, kinds=("keepalive", "new", "post", "session"))) as load:
            floor, back, windows = series(local, pairs)
        kept = fast.rename(local.folder / "kept.pyz")
        local.command.unlink()
        local.command.symlink_to(kept)  # switching back to green stays possible, the fast way does not
        slow_floor, slow_back, _windows = series(local, pairs)
    overlap, until = as_clients_saw(load.summary, windows)
    numbers = {
        "rollback_over_floor": ratio(back, floor),
        "rollback_over_floor_fallback": ratio(slow_back, slow_floor),
        "rollback_floor_s": round(statistics.median(floor), 3),
        "rollback_s": round(statistics.median(back), 3),
        "rollback_client_ms": round(statistics.median(overlap), 1),
        "rollback_last_old_answer_ms": round(statistics.median(until), 1),
        "rollback_lost": load.summary.lost,
        "rollback_pairs": pairs,
    }
    merge(ROOT / "build" / "bench.json", numbers)
    print(json.dumps(numbers, indent=1))
    return int(load.summary.lost > 0)


if __name__ == "__main__":
    sys.exit(main())
