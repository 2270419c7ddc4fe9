# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task has done, and what is known about a router, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._pending import Pending
from .._router import Observation, Router
from .._servers import Server
from .drift import drifted, was_interrupted


@dataclass(frozen=True)
class Outcome:
    """What a task did, or would do in check mode.

    Args:
        seen: the router afterwards.
        changed: something was changed, or would be.
        note: one sentence for people.
        diff: before and after, when the task may change something.
        left: what is still in flight, for ``drained``.
        done: False when a wait ended with its time and that was to be reported only.
        flip_ms: how long the commit took, milliseconds.
        flipped_at: when it was in force, seconds since the Unix epoch by the router's clock.
        servers: the servers that the task was about, afterwards.
        was_out: before they were brought back, none of them had new requests.
    """

    seen: Observation
    changed: bool = False
    note: str = ""
    diff: dict[str, Any] | None = None
    left: int | None = None
    done: bool = True
    flip_ms: float | None = None
    flipped_at: float | None = None
    servers: tuple[Server, ...] | None = None
    was_out: bool | None = None

    def as_result(self, router: Router) -> dict[str, Any]:
        """The module's return values, the same for every kind of router."""
        result: dict[str, Any] = {"changed": self.changed, "done": self.done, **describe(router, self.seen)}
        result["msg"] = f"{router.name}: {self.note}" if self.note else f"{router.name}: traffic is {self.seen.where()}"
        for name in ("diff", "left", "flip_ms", "flipped_at", "was_out"):
            if getattr(self, name) is not None:
                result[name] = getattr(self, name)
        if self.servers is not None:
            result["servers"] = {server.name: server.as_dict() for server in self.servers}
        return result


def describe(router: Router, seen: Observation) -> dict[str, Any]:
    """What is known about a router, as plain values: the result of the ``_info`` modules."""
    journal = seen.journal
    return {
        "router": router.name,
        "split": seen.in_force.split.as_dict() if seen.in_force else None,
        "sticky": seen.in_force.sticky if seen.in_force else None,
        "durable": seen.durable.as_dict() if seen.durable else None,
        "capacity": {colour: capacity.as_dict() for colour, capacity in seen.capacity.items()},
        "in_flight": dict(seen.in_flight),
        "journal": journal.as_dict() if journal else None,
        "journal_error": str(seen.journal_error) if seen.journal_error else None,
        "epoch": journal.epoch if journal else None,
        "interrupted": seen.interrupted,
        "pending": seen.pending.as_dict() if seen.pending else None,
        "drift": drifted(seen),
        "doubts": list(_doubts(seen)),
        "clock": seen.clock,
    }


def _doubts(seen: Observation) -> tuple[str, ...]:
    doubts = seen.doubts
    if seen.in_force != seen.durable:
        doubts += (f"traffic is {seen.where()}, but after a restart it would be {seen.durable}",)
    if seen.pending is not None:
        return (*doubts, _waiting(seen, seen.pending))
    if seen.journal is not None and seen.in_force is not None and seen.journal.routing != seen.in_force:
        cause = "a change was interrupted" if was_interrupted(seen) else "changed by hand, or a change was interrupted"
        doubts += (f"traffic is {seen.in_force}, the journal says {seen.journal.routing}: {cause}",)
    return doubts


def _waiting(seen: Observation, pending: Pending) -> str:
    if pending.error:
        return f"the flip to {pending.target} failed: {pending.error}"
    if pending.flipped_at is None:
        return f"a flip to {pending.target} is due in {pending.at - seen.clock:.1f} s"
    left = pending.revert_at - seen.clock
    return f"the flip to {pending.target} waits for its run, and is taken back in {left:.0f} s if that does not confirm it"
