# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single servers of a backend: what each does, and taking one out of load balancing (management guide, 9.3: set server).

``drain`` and not ``maint``: in drain the health checks go on, so that HAProxy knows whether the server may come back. One that
leaves maint counts as healthy before it was checked. Both are kept in memory only: a reload forgets them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable

from .._errors import NotConfigured, SocketError
from .._servers import Server
from . import stats
from .processes import Fleet
from .runtime import NOT_UNDERSTOOD, Process, WorkerGone

COMMAND = "show servers state {backend}"
OUT, BACK = "drain", "ready"
# Management guide, "show servers state": srv_op_state 1 and 2 pass their checks, 0 and 3 do not; srv_admin_state is a mask.
_RUNNING = ("1", "2")
_DRAIN = 0x08 | 0x10
_MAINT = 0x01 | 0x02 | 0x04 | 0x20


@dataclass(frozen=True)
class Seen:
    """One server in one process; the fields are those of :class:`Server`."""

    healthy: bool
    drained: bool
    in_service: bool
    in_flight: int
    state: str


def parse(stat_rows: Sequence[Mapping[str, str]], reply: str, where: str) -> dict[str, Seen]:
    """The servers of a backend in one process.

    Args:
        stat_rows: its lines of ``show stat``.
        reply: the answer to ``show servers state``.
        where: the process, for messages.
    """
    states = _states(reply, where)
    found = {}
    for row in stat_rows:
        name = row["svname"]
        if name == "BACKEND":
            continue
        state = states.get(name)
        if state is None or not state["srv_admin_state"].isdigit():
            raise SocketError(f"{where}: 'show servers state' says nothing about {name}: {reply[:200]!r}", NOT_UNDERSTOOD)
        admin = int(state["srv_admin_state"])
        healthy = state["srv_op_state"] in _RUNNING and not admin & _MAINT
        drained = bool(admin & _DRAIN)
        # A server in slow start has a part of its weight only.
        whole = row["weight"] != "0" and row.get("throttle") in (None, "", "100")
        found[name] = Seen(
            healthy=healthy,
            drained=drained,
            in_service=healthy and not drained and whole and row["status"].startswith("UP"),
            in_flight=int(row["scur"] or 0) + int(row["qcur"] or 0),
            state=" ".join(filter(None, [row["status"], row.get("check_status"), "(drained)" if drained else ""])),
        )
    return found


def _states(reply: str, where: str) -> dict[str, dict[str, str]]:
    lines = reply.splitlines()
    head = lines[1].lstrip("# ").split() if len(lines) > 1 else []
    if lines[:1] != ["1"] or not {"srv_name", "srv_op_state", "srv_admin_state"} <= set(head):
        raise SocketError(f"{where}: 'show servers state' was answered with {reply[:200]!r}, not understood", NOT_UNDERSTOOD)
    rows = [dict(zip(head, line.split())) for line in lines[2:] if line]
    return {row["srv_name"]: row for row in rows}


def merge(current: Sequence[Mapping[str, Seen]], former: Sequence[Mapping[str, Seen]]) -> tuple[Server, ...]:
    """All processes together: the ones that take new connections decide about health, all of them about drain and in flight."""
    servers = []
    for name, first in current[0].items():
        now = [seen[name] for seen in current if name in seen]
        everywhere = now + [seen[name] for seen in former if name in seen]
        worst = next((seen for seen in now if not seen.in_service), first)
        servers.append(
            Server(
                name=name,
                healthy=len(now) == len(current) and all(seen.healthy for seen in now),
                drained=all(seen.drained for seen in everywhere),
                in_service=len(now) == len(current) and all(seen.in_service for seen in now),
                in_flight=sum(seen.in_flight for seen in everywhere),
                state=worst.state,
            )
        )
    return tuple(servers)


def look(fleet: Fleet, backend: str) -> tuple[Server, ...]:
    """All servers of a backend, over all processes."""
    former = []
    for process in fleet.former:
        try:
            former.append(_ask(process, backend))
        except (WorkerGone, NotConfigured):
            continue  # it has ended, or is from before the service was set up
    return merge([_ask(process, backend) for process in fleet.current], former)


def _ask(process: Process, backend: str) -> dict[str, Seen]:
    stat, state = process.ask([stats.COMMAND.format(backend=backend), COMMAND.format(backend=backend)])
    return parse(stats.rows(stat, backend, str(process)), state, str(process))


def set_state(find: Callable[[], Fleet], backend: str, names: Sequence[str], state: str) -> None:
    """Set servers to ``drain`` or ``ready`` in every process, until no process is left that was not told."""
    commands = [f"set server {backend}/{name} state {state}" for name in names]
    told: set[Process] = set()
    while True:
        fleet = find()
        untold = [process for process in fleet.all if process not in told]
        if not untold:
            return
        for process in untold:
            _tell(process, commands, former=process in fleet.former)
            told.add(process)


def cut(fleet: Fleet, backend: str, names: Sequence[str]) -> None:
    """End the sessions of servers in every process."""
    for process in fleet.all:
        _tell(process, [f"shutdown sessions server {backend}/{name}" for name in names], former=process in fleet.former)


def _tell(process: Process, commands: Sequence[str], former: bool) -> None:
    try:
        replies = process.ask(commands)
    except WorkerGone:
        return
    for command, reply in zip(commands, replies):
        # A worker that a reload has left behind may have another configuration.
        if reply and not (former and reply.startswith("No such")):
            raise SocketError(f"{process}: '{command}' was answered with {reply!r}, expected a blank line", NOT_UNDERSTOOD)
