# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mechanism costs a request: the routers as the roles configure them beside plain ones (see ``_routers``).

Both of a pair run at the same time on the same core, which is theirs and the backend's; wrk asks each of them from another
core. So whatever else the machine does hits both alike: run one after the other, the same router differs by half from itself
on a busy machine. The backend has precedence over both, and so never is what they wait for. The order in which they start
alternates, each pair has new processes, and a ratio is the median of the pairs' ratios. Neither writes a log, which would make
the difference look smaller.

``<kind>_rps_ratio``: how many requests the role's router makes of a second of its core, divided by what the plain one makes of
it, which is their ratio of requests per second once the core is all they wait for. It is the lower of the medians with all
traffic on blue and with all on green, ``..._blue`` and ``..._green``. ``<kind>_cpu_us``, ``<kind>_cpu_us_plain``: microseconds
of CPU of the router's process for a request, user and system, median; the first with the colour that costs more.

``<kind>_wall_ratio``: the ratio of the rates that wrk has seen, median. It says the same when ``<kind>_saturation`` is close to
1, the share of the time in which the routers were running or waiting for the core; below, wrk was the bottleneck now and then,
and that makes it look better.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "playbooks" / "collections")]

from tests.benchmark._report import merge
from tests.benchmark._routers import PlainHAProxy, PlainNginx, RoleHAProxy, RoleNginx
from tests.support.haproxy import HAProxy, Service
from tests.support.net import HOST, accepts, end, free_port, short_directory, wait_until
from tests.support.nginx import Nginx

KINDS = {"haproxy": (RoleHAProxy, PlainHAProxy), "nginx": (RoleNginx, PlainNginx)}
GREEN = {"blue": 0, "green": 100}
CORES = sorted(os.sched_getaffinity(0))
LATER = 5  # niceness of the routers
BACKEND = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    {temporary}
    server {{
        {listen}
        return 200 "ok\\n";
    }}
}}
"""

Running = Union[HAProxy, Nginx]


@dataclass(frozen=True)
class Load:
    """What wrk does to each router."""

    seconds: int
    connections: int


@dataclass(frozen=True)
class Side:
    """One router of a pair, after a run."""

    rps: float
    cpu_us: float
    saturation: float


@contextmanager
def backend() -> Iterator[Service]:
    """An nginx that answers at once, for both colours."""
    with short_directory("cost") as name:
        service = Service.on_free_ports("shop", [free_port()], [free_port()])
        listen = "\n        ".join(f"listen {HOST}:{port};" for port in (*service.blue, *service.green))
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n    ".join(f"{kind}_temp_path {name}/{kind};" for kind in kinds)
        config = Path(name, "nginx.conf")
        config.write_text(BACKEND.format(folder=name, listen=listen, temporary=temporary), encoding="utf-8")
        command = ["taskset", "-c", str(CORES[0]), "nginx", "-p", name, "-e", f"{name}/error.log", "-c", str(config)]
        process = subprocess.Popen(command)
        try:
            wait_until(lambda: accepts(service.green[0]), "the backend listens")
            yield service
        finally:
            end(process)


@contextmanager
def on_one_core(router: Running) -> Iterator[Running]:
    """The router with one worker on the first core, behind the backend in the queue."""
    os.sched_setaffinity(0, CORES[:1])
    try:
        router.start()
        os.setpriority(os.PRIO_PROCESS, router.workers()[0], LATER)
    finally:
        os.sched_setaffinity(0, CORES)
    try:
        yield router
    finally:
        router.__exit__()


def times(pid: int) -> tuple[float, float]:
    """Seconds that a process of one thread has run, and has waited for the core (proc_pid_schedstat(5))."""
    run, waited, _slices = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
    return int(run) / 1e9, int(waited) / 1e9


def wrk(router: Running, load: Load) -> subprocess.Popen[str]:
    (service,) = router.services.values()
    command = ["taskset", "-c", str(CORES[-1]), "wrk", "-t1", f"-c{load.connections}", f"-d{load.seconds}s"]
    return subprocess.Popen([*command, "--timeout", "30s", service.url], stdout=subprocess.PIPE, text=True)


def requests(process: subprocess.Popen[str]) -> tuple[int, float]:
    """How many requests wrk has made, and per second. Raises RuntimeError if one failed."""
    output, _errors = process.communicate()
    count = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec: +([\d.]+)", output)
    if process.returncode or not count or not rate or "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"wrk: {output}")
    return int(count.group(1)), float(rate.group(1))


def run(routers: list[Running], load: Load) -> dict[int, Side]:
    """All routers under load at the same time, started in this order; the sides by the id of the router."""
    pids = [router.workers()[0] for router in routers]
    before, began = [times(pid) for pid in pids], time.monotonic()
    done = [requests(process) for process in [wrk(router, load) for router in routers]]
    seconds = time.monotonic() - began
    sides = {}
    for router, pid, (ran, waited), (count, rps) in zip(routers, pids, before, done):
        ran, waited = times(pid)[0] - ran, times(pid)[1] - waited
        sides[id(router)] = Side(rps, ran / count * 1e6, (ran + waited) / seconds)
    return sides


def turn(router: Running, colour: str) -> None:
    """Put all traffic on one colour; nobody is asking at that moment."""
    if isinstance(router, (PlainHAProxy, PlainNginx)):
        return
    if isinstance(router, HAProxy):
        answer = router.command(f"set map {router.map} shop {GREEN[colour]}")
        if answer.strip():
            raise RuntimeError(answer)
    else:
        router.make_split("shop", GREEN[colour])


def make(maker: Any, service: Service) -> Running:
    """A router on ports of its own."""
    own = Service.on_free_ports(service.name, service.blue, service.green)
    router: Running = maker([own]) if issubclass(maker, HAProxy) else maker([own], workers=1)
    return router


def pairs(makers: tuple[Any, Any], service: Service, count: int, load: Load) -> dict[str, list[tuple[Side, Side]]]:
    """For each colour that all traffic is on, the sides of the role's router and of the plain one."""
    found: dict[str, list[tuple[Side, Side]]] = {colour: [] for colour in GREEN}
    for number in range(count):
        with on_one_core(make(makers[0], service)) as role, on_one_core(make(makers[1], service)) as plain:
            for place, colour in enumerate(GREEN):
                turn(role, colour)
                sides = run([role, plain] if (number + place) % 2 else [plain, role], load)
                found[colour].append((sides[id(role)], sides[id(plain)]))
    return found


def report(kind: str, found: dict[str, list[tuple[Side, Side]]]) -> dict[str, float]:
    def median(values: Iterator[float], digits: int) -> float:
        return round(statistics.median(values), digits)

    ratios = {colour: median((plain.cpu_us / role.cpu_us for role, plain in rows), 3) for colour, rows in found.items()}
    costs = {colour: median((role.cpu_us for role, _plain in rows), 2) for colour, rows in found.items()}
    rows = [row for colour in found.values() for row in colour]
    numbers: dict[str, float] = {
        f"{kind}_rps_ratio": min(ratios.values()),
        **{f"{kind}_rps_ratio_{colour}": ratio for colour, ratio in ratios.items()},
        f"{kind}_cpu_us": max(costs.values()),
        **{f"{kind}_cpu_us_{colour}": cost for colour, cost in costs.items()},
        f"{kind}_cpu_us_plain": median((plain.cpu_us for _role, plain in rows), 2),
        f"{kind}_wall_ratio": median((role.rps / plain.rps for role, plain in rows), 3),
        f"{kind}_saturation": median((side.saturation for row in rows for side in row), 3),
        f"{kind}_pairs": len(rows),
    }
    return numbers


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15, help="for each router and colour")
    parser.add_argument("--seconds", type=int, default=3, help="of load for each pair")
    parser.add_argument("--connections", type=int, default=32, help="to each router")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--control", action="store_true", help="compare the plain routers with themselves; nothing is recorded")
    options = parser.parse_args()
    numbers: dict[str, float] = {}
    with backend() as service:
        for kind in options.kinds:
            role, plain = KINDS[kind]
            makers = (plain, plain) if options.control else (role, plain)
            found = pairs(makers, service, options.pairs, Load(options.seconds, options.connections))
            numbers |= report(kind, found)
    if not options.control:
        merge(ROOT / "build" / "bench.json", numbers)
    print(json.dumps(numbers, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
