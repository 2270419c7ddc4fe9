# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router in memory that keeps the contract, and that can fail or lose its caller at every single step."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from ansible_collections.turnout.bluegreen.plugins.module_utils._clock import Clock
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import Busy, Fenced, JournalError, NotInForce
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Journal
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal_file import decode, encode
from ansible_collections.turnout.bluegreen.plugins.module_utils._pending import Pending, PendingStore
from ansible_collections.turnout.bluegreen.plugins.module_utils._router import Capabilities, Observation, Router
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import COLOURS, Capacity, Routing, Split, other
from ansible_collections.turnout.bluegreen.plugins.module_utils._servers import Server

NOON = 1_800_000_000.0
HEALTHY = Capacity(2, 2)


class Died(BaseException):
    """The run was killed: no handler of the code under test may catch this."""


def all_blue() -> Routing:
    """Where every world begins."""
    return Routing(Split.all_on("blue"))


@dataclass
class World:
    """What outlives a run: processes, files and the clock of one router.

    Args:
        processes: what each process of the router does with traffic.
        durable: what a process would do that starts now.
        journal: the record's text.
        next_routing: prepared and not published.
        next_journal: prepared and not published, its text.
        pending: a flip that waits for its instant, or for its run.
        capacity: for each colour.
        in_flight: for each colour.
        now: seconds since the Unix epoch.
        busy: somebody holds the lock.
        cuts: colours, or servers, whose sessions were ended.
        servers: those of each colour; none unless a test has some.
        events: what happens at a time, whoever looks.
    """

    processes: list[Routing] = field(default_factory=lambda: [all_blue(), all_blue()])
    durable: Routing = field(default_factory=all_blue)
    journal: str | None = None
    next_routing: Routing | None = None
    next_journal: str | None = None
    pending: Pending | None = None
    capacity: dict[str, Capacity] = field(default_factory=lambda: dict.fromkeys(COLOURS, HEALTHY))
    in_flight: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COLOURS, 0))
    now: float = NOON
    busy: bool = False
    cuts: list[str] = field(default_factory=list)
    servers: dict[str, list[Server]] = field(default_factory=lambda: {colour: [] for colour in COLOURS})
    events: list[tuple[float, Callable[[World], object]]] = field(default_factory=list)

    def copy(self) -> World:
        """A world of its own, for what-if questions."""
        return copy.deepcopy(self)

    def facts(self) -> tuple[Any, ...]:
        """What a request may change: traffic now, traffic after a restart, the record."""
        return tuple(self.processes), self.durable, self.journal

    def record(self) -> Journal:
        """The journal, which must be there."""
        assert self.journal is not None
        return decode(self.journal)

    @property
    def in_force(self) -> Routing | None:
        """What all processes do, or None when they disagree."""
        return self.processes[0] if len(set(self.processes)) == 1 else None

    def sleep(self, seconds: float) -> None:
        """Time passes, and with it what was to happen."""
        self.now += max(seconds, 1e-6)
        due = [event for at, event in self.events if at <= self.now]
        self.events = [(at, event) for at, event in self.events if at > self.now]
        for event in due:
            event(self)

    def change_servers(self, colour: str, names: Sequence[str], **change: Any) -> None:
        """Some servers of a colour become different."""
        self.servers[colour] = [replace(one, **change) if one.name in names else one for one in self.servers[colour]]

    def after(self, seconds: float, event: Callable[[World], object]) -> None:
        """Let something happen in that many seconds."""
        self.events.append((self.now + seconds, event))

    @property
    def clock(self) -> Clock:
        """A clock that jumps."""
        return Clock(now=lambda: self.now, monotonic=lambda: self.now, sleep=self.sleep)


class MemoryPending(PendingStore):
    """The pending flip of a :class:`World`."""

    def __init__(self, world: World, step: Callable[[str], None]) -> None:
        self._world, self._step = world, step

    def load(self) -> Pending | None:
        return self._world.pending

    def store(self, pending: Pending, urgent: bool = False) -> None:
        self._step("pending")
        self._world.pending = pending

    def remove(self) -> None:
        self._world.pending = None


class MemoryRouter(Router):
    """One run's way to a :class:`World`.

    Args:
        world: what it works on.
        fault: raised at the step with the number ``at``: a ``TurnoutError``, or :class:`Died`.
        at: counted from 0 over every step that a real router could fail or be killed at.
        at_step: raise at this step by its name, instead of by its number.
        can: what this router says that it can do.
    """

    name = "memory"

    def __init__(
        self,
        world: World,
        fault: BaseException | None = None,
        at: int | None = None,
        at_step: str | None = None,
        can: Capabilities | None = None,
    ) -> None:
        self._world = world
        self._fault, self._at, self._at_step = fault, at, at_step
        self._can = can or Capabilities(cuts=True, servers=True)
        self.pending = MemoryPending(world, self._step)
        self.struck = False
        self.steps: list[str] = []

    def _step(self, name: str) -> None:
        number = len(self.steps)
        self.steps.append(name)
        if self._fault is not None and (number == self._at or name == self._at_step):
            fault, self._fault, self.struck = self._fault, None, True
            raise fault

    def capabilities(self) -> Capabilities:
        return self._can

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        self._step("lock")
        if self._world.busy:
            raise Busy("held", "wait")
        self._world.busy = True
        try:
            yield
        finally:
            self._world.busy = False  # the kernel's lock ends with its holder

    def observe(self) -> Observation:
        self._step("observe")
        world = self._world
        journal, journal_error = None, None
        if world.journal is not None:
            try:
                journal = decode(world.journal)
            except JournalError as error:
                journal_error = error
        in_force = world.in_force
        return Observation(
            in_force=in_force,
            durable=world.durable,
            capacity=dict(world.capacity),
            in_flight=dict(world.in_flight),
            clock=world.now,
            journal=journal,
            journal_error=journal_error,
            interrupted=world.next_journal is not None,
            pending=world.pending,
            doubts=() if in_force else ("processes disagree",),
        )

    def stage(self, routing: Routing | None, journal: Journal, urgent: bool = False) -> None:
        self._step("stage urgently" if urgent else "stage")
        if routing is not None:
            self._world.next_routing = routing
            self._step("stage routing")
        self._world.next_journal = encode(journal)
        self._step("staged")

    def discard(self) -> None:
        self._step("discard")
        self._world.next_routing = None
        self._world.next_journal = None

    def commit(self, routing: Routing) -> None:
        self._step("commit")
        assert self._world.next_routing == routing, "only what was staged may be committed"
        self._world.durable, self._world.next_routing = routing, None
        for number in range(len(self._world.processes)):
            self._step(f"commit process {number}")
            self._world.processes[number] = routing
        self._step("committed")

    def confirm(self, routing: Routing) -> None:
        self._step("confirm")
        if not set(self._world.processes) == {self._world.durable} == {routing}:
            raise NotInForce(f"expected {routing}")

    def store(self, journal: Journal, expected_epoch: int) -> None:
        self._step("store")
        try:
            epoch = decode(self._world.journal).epoch if self._world.journal is not None else -1
        except JournalError:
            epoch = -1
        if epoch != expected_epoch:
            raise Fenced(f"epoch {epoch}, expected {expected_epoch}")
        assert self._world.next_journal == encode(journal), "only what was staged may be stored"
        self._world.journal, self._world.next_journal = self._world.next_journal, None
        self._step("stored")

    def in_flight(self, colour: str) -> int:
        self._step("in flight")
        return self._world.in_flight[colour]

    def cut(self, colour: str) -> None:
        self._step("cut")
        self._world.cuts.append(colour)
        self._world.in_flight[colour] = 0

    def servers(self, colour: str) -> tuple[Server, ...]:
        self._step("servers")
        if not self._can.servers:
            return super().servers(colour)
        return tuple(self._world.servers[colour])

    def take_out(self, colour: str, names: Sequence[str]) -> None:
        self._step("take out")
        self._world.change_servers(colour, names, drained=True, in_service=False, state="DRAIN")

    def bring_back(self, colour: str, names: Sequence[str]) -> None:
        self._step("bring back")
        self._world.change_servers(colour, names, drained=False, in_service=True, state="UP")

    def cut_servers(self, colour: str, names: Sequence[str]) -> None:
        self._step("cut servers")
        self._world.cuts += names
        self._world.change_servers(colour, names, in_flight=0)


def world_with(
    stable: str = "blue",
    split: Mapping[str, Any] | None = None,
    **record: Any,
) -> World:
    """A world whose journal, processes and file agree.

    Args:
        stable: the stable colour.
        split: weights in force; all on the stable colour when left out.
        record: further fields of the journal.
    """
    routing = Routing(Split.parse(split) if split else Split.all_on(stable), record.pop("sticky", "none"))
    journal = Journal("shop", stable, routing, **{"releases": {stable: "v1"}, **record})
    return World(processes=[routing, routing], durable=routing, journal=encode(journal))


def releasing(stable: str = "blue", split: Mapping[str, Any] | None = None, **record: Any) -> World:
    """A world in the middle of release v2, with epoch 1."""
    release = {"epoch": 1, "candidate": other(stable), "release": "v2", "phase": "claimed"}
    return world_with(stable, split, **{**release, **record})
