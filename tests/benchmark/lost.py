# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that a switch loses: HAProxy and nginx switched by the ``turnout`` command, and nginx by the usual reload.

All three get the same mixed load (keep-alive, new connections, POST, sessions, slow requests, streams, WebSockets, HTTP/2)
over the same applications, one after the other. The load client never repeats a request, but for those that the HTTP/2
server itself says it has not processed (``_refused``; see ``tests.support.http2``).

``<name>_lost`` of ``<name>_requests`` in ``<name>_flips`` switches at ``<name>_rps``; ``<name>_stray`` counts the answers of
the old colour to requests that were sent after the switch had returned, ``<name>_switch_ms`` is the median time of a switch,
confirmation included. The reload is the best case of its kind: a switch returns when no old worker takes connections any
more. The exit status is 1 when one of ours lost a request or had a stray answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "playbooks" / "collections")]

from tests.benchmark._report import merge
from tests.benchmark._routers import PlainNginx, RoleHAProxy, RoleNginx
from tests.support.apps import Apps
from tests.support.haproxy import Service
from tests.support.load import LoadProcess, Profile
from tests.support.net import wait_until
from tests.support.nginx import NginxRouter
from tests.support.router import AnyRouter, Router

OTHER = {"blue": "green", "green": "blue"}
OURS = ("haproxy", "nginx")


@dataclass(frozen=True)
class Plan:
    """How much of it: paced requests per second, how many in all, and the flips among them."""

    rate: float
    requests: int
    flips: int


@dataclass(frozen=True)
class Flip:
    """One switch: the colour it goes to, and when it began and returned (monotonic seconds)."""

    colour: str
    began: float
    returned: float


def under_load(name: str, ports: tuple[int, int], switch: Callable[[str], object], plan: Plan) -> dict[str, Any]:
    """Flip back and forth, evenly over the requests; the numbers of the report."""
    flips: list[Flip] = []
    limit = 60 + 4 * plan.requests / plan.rate
    with LoadProcess(Profile(ports[0], h2_port=ports[1], rate=plan.rate, seconds=limit)) as load:

        def wait_for(requests: int) -> None:
            wait_until(lambda: load.progress().requests >= requests, f"{requests} requests to {name}", limit)

        loaded = time.monotonic()
        for number in range(1, plan.flips + 1):
            wait_for(plan.requests * number // (plan.flips + 1))
            colour = "green" if number % 2 else "blue"
            began = time.monotonic()
            switch(colour)
            flips.append(Flip(colour, began, time.monotonic()))
        wait_for(plan.requests)
        unloaded = time.monotonic()
    summary = load.summary
    ends = [flip.began for flip in flips[1:]] + [unloaded]
    strays = [summary.strays(OTHER[flip.colour], flip.returned, end) for flip, end in zip(flips, ends)]
    for loss in summary.losses:
        print(f"{name}: lost {loss}", flush=True)
    if {answer.kind for answer in summary.answers} != set(load.profile.kinds):
        raise RuntimeError(f"{name}: not every kind of request was answered")
    return {
        f"{name}_lost": summary.lost,
        f"{name}_requests": summary.requests,
        f"{name}_flips": len(flips),
        f"{name}_stray": sum(map(len, strays)),
        f"{name}_refused": summary.refused,
        f"{name}_rps": round(sum(1 for _answer in summary.between(loaded, unloaded)) / (unloaded - loaded)),
        f"{name}_switch_ms": round(statistics.median(flip.returned - flip.began for flip in flips) * 1000, 1),
        f"{name}_lost_by_kind": summary.lost_by_kind,
    }


def by_turnout(router: AnyRouter) -> Callable[[str], object]:
    """Switches as a release makes them."""
    router.do("present")
    return lambda colour: router.do("switched", split={colour: 100}, confirm_url=router.url)


def measure(service: Service, plan: Plan) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    with RoleHAProxy([service]) as haproxy, Router([haproxy]) as router:
        numbers |= under_load("haproxy", (service.port, service.port), by_turnout(router), plan)
    with RoleNginx([service]) as nginx, NginxRouter(nginx) as nginx_router:
        ports = (service.port, nginx.h2_ports[service.name])
        numbers |= under_load("nginx", ports, by_turnout(nginx_router), plan)
    plain = PlainNginx([service], named=True)
    with plain:
        ports = (service.port, plain.h2_ports[service.name])
        numbers |= under_load("nginx_reload", ports, plain.switch, plan)
    return numbers


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=1500, help="paced requests per second")
    parser.add_argument("--seconds", type=float, default=75, help="of load for each router, at that rate")
    parser.add_argument("--flips", type=int, default=24)
    options = parser.parse_args()
    plan = Plan(options.rate, round(options.rate * options.seconds), options.flips)
    with Apps(blue=2, green=2) as apps:
        numbers = measure(Service.on_free_ports("shop", apps.ports("blue"), apps.ports("green")), plan)
    merge(ROOT / "build" / "bench.json", numbers)
    print(json.dumps(numbers, indent=1))
    return int(any(numbers[f"{name}_lost"] or numbers[f"{name}_stray"] for name in OURS))


if __name__ == "__main__":
    sys.exit(main())
