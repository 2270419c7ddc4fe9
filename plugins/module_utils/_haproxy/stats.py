# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ``show stat`` (HAProxy management guide, 9.1: CSV format)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .._errors import BadInput, NotConfigured, SocketError
from .._routing import COLOURS, Capacity
from .._statistics import Answered, Statistics, mean

# By proxy name; 2 = backend, 4 = server, -1 = all: a full 'show stat' of 400 backends takes 38 ms, one backend 0.1 ms.
COMMAND = "show stat {backend} 6 -1"


def rows(reply: str, backend: str, where: str) -> list[dict[str, str]]:
    """The lines of one backend as dictionaries by column name."""
    if reply.startswith("No such proxy") or ("\n" not in reply and reply.startswith("# pxname")):
        raise NotConfigured(
            f"{where}: HAProxy has no backend {backend}",
            "run bootstrap.yml, or name the backends in bluegreen_router_options.backends",
        )
    if not reply.startswith("# pxname,svname,"):
        raise SocketError(f"{where}: 'show stat {backend}' was answered with {reply[:200]!r}, not understood")
    found = [row for row in csv.DictReader(reply[2:].splitlines()) if row["pxname"] == backend]
    if not any(row["svname"] == "BACKEND" for row in found):
        raise NotConfigured(f"{where}: {backend} is not a backend")
    return found


def in_flight(backend_rows: Iterable[dict[str, str]]) -> int:
    """Sessions and queued requests of a backend: what a drain waits for."""
    for row in backend_rows:
        if row["svname"] == "BACKEND":
            return int(row["scur"] or 0) + int(row["qcur"] or 0)
    return 0


def capacity(backend_rows: Iterable[dict[str, str]]) -> Capacity:
    """Healthy servers as HAProxy sees them; a server without a health check is not known to be healthy."""
    servers = [row for row in backend_rows if row["svname"] != "BACKEND"]
    sick = tuple(_why(row) for row in servers if not _serves(row))
    return Capacity(healthy=len(servers) - len(sick), total=len(servers), sick=sick)


def _serves(row: dict[str, str]) -> bool:
    # "UP 1/3" is on its way down and still gets traffic; weight 0 and DRAIN get none.
    return row["status"].startswith("UP") and row["weight"] != "0"


def _why(row: dict[str, str]) -> str:
    if row["status"] == "no check":
        return f"{row['svname']}: has no health check"
    detail = " ".join(row.get(name) or "" for name in ("check_status", "check_code", "last_chk")).split()
    weight = ["weight 0"] if row["weight"] == "0" else []
    return f"{row['svname']}: {' '.join([row['status'], *weight, *detail])}"


@dataclass(frozen=True)
class Counters:
    """What the backend of one process has done since the process started.

    Args:
        requests: all that it has answered to their end.
        errors: answers with a status of 500 or more, and answers that a server has cut off.
        average_ms: queue, connection and first byte of the last 1024 requests, in milliseconds on average.
    """

    requests: int
    errors: int
    average_ms: float


def counters(backend_rows: Iterable[dict[str, str]]) -> Counters:
    """The counters of a backend (management guide, 9.1: req_tot, hrsp_5xx, srv_abrt, qtime, ctime, rtime)."""
    (row,) = (row for row in backend_rows if row["svname"] == "BACKEND")
    of = {name: int(row.get(name) or 0) for name in ("req_tot", "hrsp_5xx", "srv_abrt", "qtime", "ctime", "rtime")}
    return Counters(of["req_tot"], of["hrsp_5xx"] + of["srv_abrt"], float(of["qtime"] + of["ctime"] + of["rtime"]))


def since(cursor: str, now: Mapping[str, Mapping[str, Counters]]) -> Statistics:
    """What was answered since an earlier look.

    Args:
        cursor: of that look; empty when there was none, and nothing counts yet.
        now: the counters of each process that lives, by colour.
    """
    try:
        then = {name: {colour: (int(row[colour][0]), int(row[colour][1])) for colour in COLOURS} for name, row in _rows(cursor)}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise BadInput(f"the cursor {cursor[:200]!r} is not one of a HAProxy's statistics: {error}") from error
    answered = {}
    for colour in COLOURS:
        found = [(counters[colour], then.get(name, {}).get(colour, (0, 0))) for name, counters in now.items()]
        parts = [(count, max(count.requests - before[0], 0), max(count.errors - before[1], 0)) for count, before in found]
        answered[colour] = Answered(
            requests=sum(requests for _count, requests, _errors in parts) if cursor else 0,
            errors=sum(errors for _count, _requests, errors in parts) if cursor else 0,
            average_ms=mean((count.average_ms, requests) for count, requests, _errors in parts) if cursor else None,
        )
    gone = sorted(set(then) - set(now))
    doubts = tuple(f"HAProxy's process {name} has ended: its last requests are not counted" for name in gone)
    kept = {name: {colour: (row[colour].requests, row[colour].errors) for colour in COLOURS} for name, row in now.items()}
    return Statistics(json.dumps(kept), answered, doubts)


def _rows(cursor: str) -> Iterable[tuple[str, Mapping[str, list[int]]]]:
    return json.loads(cursor).items() if cursor else ()
