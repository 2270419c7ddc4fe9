# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One flip on a HAProxy with 200 services of 10 servers each against the same on one with a single service.

``flip_200_over_flip_1``: time of a whole switch (observe, stage, commit, confirm, journal), median of the pairs' ratios.
``flip_200_commit_ms``: the commit alone, on the large one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "playbooks" / "collections")]

from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.provider import make_router
from ansible_collections.turnout.bluegreen.plugins.module_utils._router import Router
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.engine import run
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import Request

from tests.benchmark._report import merge
from tests.support.apps import Apps
from tests.support.haproxy import HAProxy, Service


def router(haproxy: HAProxy) -> Router:
    """The service ``shop`` of that HAProxy, with a journal."""
    state = haproxy.folder / "state"
    state.mkdir()
    made = make_router(
        "router1",
        "shop",
        {
            "sockets": [str(path) for path in haproxy.sockets],
            "master_sockets": [str(haproxy.master_socket)],
            "map_file": str(haproxy.map),
            "state_dir": str(state),
        },
    )
    run(Request.parse({"service": "shop", "state": "present"}), made)
    return made


def flip(target: Router, green: int) -> tuple[float, float]:
    """Seconds of a whole switch, and milliseconds of its commit."""
    began = time.perf_counter()
    outcome = run(Request.parse({"service": "shop", "state": "switched", "split": {"green": green}, "min_healthy": 0}), target)
    seconds = time.perf_counter() - began
    if not outcome.changed or outcome.flip_ms is None:
        raise RuntimeError("the flip has changed nothing")
    return seconds, outcome.flip_ms


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--services", type=int, default=200)
    options = parser.parse_args()
    with ExitStack() as stack:
        apps = stack.enter_context(Apps())
        ports = {colour: apps.ports(colour) for colour in ("blue", "green")}
        many = {colour: [ports[colour][n % 2] for n in range(5)] for colour in ports}
        shop = Service.on_free_ports("shop", ports["blue"], ports["green"])
        large = [Service.on_free_ports("shop", many["blue"], many["green"])]
        large += [Service.on_free_ports(f"s{n}", many["blue"], many["green"]) for n in range(1, options.services)]
        targets = []
        for services in ([shop], large):
            # Two thousand servers are four processes on this machine: at the usual interval their checks would be measured.
            haproxy = stack.enter_context(HAProxy(services, check_interval="10s"))
            haproxy.wait_checked()
            targets.append(router(haproxy))
        rows: list[tuple[tuple[float, float], tuple[float, float]]] = []
        for number in range(options.pairs + 2):
            green = 100 if number % 2 == 0 else 0
            order = targets if number // 2 % 2 else targets[::-1]
            measured = {id(target): flip(target, green) for target in order}
            if number > 1:
                rows.append((measured[id(targets[0])], measured[id(targets[1])]))
    numbers = {
        "flip_200_over_flip_1": round(statistics.median(big[0] / small[0] for small, big in rows), 3),
        "flip_1_ms": round(statistics.median(small[0] for small, _big in rows) * 1000, 2),
        "flip_200_ms": round(statistics.median(big[0] for _small, big in rows) * 1000, 2),
        "flip_200_commit_ms": round(statistics.median(big[1] for _small, big in rows), 2),
    }
    merge(ROOT / "build" / "bench.json", numbers)
    print(json.dumps(numbers, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
