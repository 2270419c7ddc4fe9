# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HAProxy provider: split in a map file, flipped through the runtime sockets, journal beside it.

Order of a flip (each step measured to lose nothing): new map file written and synced -> rename -> ``set map`` on every
process -> ``get map`` from every process. The file comes first, so that a worker that starts in between reads the new value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from .._clock import SYSTEM, Clock
from .._errors import JournalError, NotConfigured, NotInForce, SocketError
from .._files import PreparedFile, locked, read_text
from .._journal import Journal
from .._journal_file import JournalFile
from .._pending_file import PendingFile
from .._router import Capabilities, Observation, Router
from .._routing import COLOURS, Capacity, Routing
from .._servers import Server
from .._statistics import Statistics
from . import mapfile, servers, stats
from .options import HAProxyOptions
from .processes import Fleet, find, identity
from .runtime import Process, WorkerGone


@dataclass(frozen=True)
class _Look:
    """What one process answered; routing is None when it serves the service with a configuration of its own."""

    process: Process
    routing: Routing | None
    in_flight: Mapping[str, int]
    capacity: Mapping[str, Capacity]


class HAProxyRouter(Router):
    """One service on the HAProxy processes of one host.

    Args:
        name: inventory name of the host.
        service: whose split.
        options: where HAProxy is.
        clock: the host's clock.
    """

    def __init__(self, name: str, service: str, options: HAProxyOptions, clock: Clock = SYSTEM) -> None:
        self.name = name
        self._service = service
        self._options = options
        self._clock = clock
        self.pending: PendingFile = PendingFile(options.state_dir, service)
        self._journal = JournalFile(options.state_dir, service)
        self._map = PreparedFile(options.map_file)

    def capabilities(self) -> Capabilities:
        """HAProxy can do all of it."""
        return Capabilities(cuts=True, servers=True)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Lock the service, then the map that all services share: always in this order."""
        sleep = self._clock.sleep
        with locked(self._journal.lock, sleep=sleep), locked(self._options.map_file + ".lock", sleep=sleep):
            yield

    def observe(self) -> Observation:
        """One exchange with each process, and two files read."""
        fleet = self._fleet()
        current = [self._look(process) for process in fleet.current]
        former, doubts = self._look_at_former(fleet.former)
        looks = current + former
        routings = {str(look.process): look.routing for look in looks if look.routing}
        agreed = set(routings.values())
        if len(agreed) > 1:
            doubts += ("processes disagree: " + ", ".join(f"{name} has {r}" for name, r in sorted(routings.items())),)
        journal, journal_error = self._load_journal()
        return Observation(
            in_force=agreed.pop() if len(agreed) == 1 else None,
            durable=self._durable(),
            capacity={colour: _least(look.capacity[colour] for look in current) for colour in COLOURS},
            in_flight={colour: sum(look.in_flight[colour] for look in looks) for colour in COLOURS},
            clock=self._clock.now(),
            journal=journal,
            journal_error=journal_error,
            interrupted=self._journal.interrupted,
            pending=self.pending.load(),
            doubts=fleet.doubts + doubts,
        )

    def stage(self, routing: Routing | None, journal: Journal, urgent: bool = False) -> None:
        """Prove the sockets' level, write map and journal beside those in force."""
        if routing is not None:
            for process in self._fleet().current:
                process.require_admin()
            text = self._map_text()
            known = mapfile.parse(text)
            mapfile.decode(self._service, known, self._options.map_file)
            values = mapfile.encode(self._service, routing, known, self._options.map_file)
            self._map.write(mapfile.replace(text, values), urgent)
        elif self._map.exists():
            self._map.discard()  # of a change that was interrupted; whoever holds the lock is the only one at work
        self._journal.prepare(journal, urgent)

    def discard(self) -> None:
        """Remove the prepared files."""
        self._map.discard()
        self._journal.discard()

    def commit(self, routing: Routing) -> None:
        """Rename the map file, then set the value in every process, until no process is left that was not told."""
        self._map.rename()
        known = mapfile.parse(self._map_text())
        values = mapfile.encode(self._service, routing, known, self._options.map_file)
        told: set[Process] = set()
        while True:
            fleet = self._fleet()
            untold = [process for process in fleet.all if process not in told]
            if not untold:
                self._map.sync()  # last: what a power failure could lose until then is the whole flip, not a part of it
                return
            for process in untold:
                self._tell(process, values)
                told.add(process)

    def confirm(self, routing: Routing) -> None:
        """Ask every process and read the file again."""
        fleet = self._fleet()
        for process in fleet.all:
            try:
                found = self._routing_of(process)
            except WorkerGone:
                continue
            if found is not None and found != routing:
                raise NotInForce(f"{process} has {found}, expected {routing}")
        durable = self._durable()
        if durable != routing:
            raise NotInForce(f"{self._options.map_file} has {durable}, expected {routing}")

    def store(self, journal: Journal, expected_epoch: int) -> None:
        """Publish what :meth:`stage` prepared."""
        self._journal.publish(expected_epoch)

    def in_flight(self, colour: str) -> int:
        """Sessions and queue of the colour's backend, over all processes."""
        total = 0
        for process in self._fleet().all:
            try:
                total += stats.in_flight(self._rows(process, colour))
            except WorkerGone:
                continue
        return total

    def cut(self, colour: str) -> None:
        """``shutdown sessions server`` for every server of the colour in every process."""
        backend = self._options.backends[colour]
        for process in self._fleet().all:
            try:
                names = [row["svname"] for row in self._rows(process, colour) if row["svname"] != "BACKEND"]
                process.do([f"shutdown sessions server {backend}/{name}" for name in names])
            except WorkerGone:
                continue

    def statistics(self, cursor: str) -> Statistics:
        """The counters of all processes, each of which counts from its own start."""
        now: dict[str, dict[str, stats.Counters]] = {}
        for process in self._fleet().all:
            with suppress(WorkerGone, NotConfigured):
                counters = {colour: stats.counters(self._rows(process, colour)) for colour in COLOURS}
                now["-".join(identity(process))] = counters
        return stats.since(cursor, now)

    def servers(self, colour: str) -> tuple[Server, ...]:
        """``show stat`` and ``show servers state`` of all processes."""
        return servers.look(self._fleet(), self._options.backends[colour])

    def take_out(self, colour: str, names: Sequence[str]) -> None:
        """``set server ... state drain`` in every process."""
        servers.set_state(self._fleet, self._options.backends[colour], names, servers.OUT)

    def bring_back(self, colour: str, names: Sequence[str]) -> None:
        """``set server ... state ready`` in every process."""
        servers.set_state(self._fleet, self._options.backends[colour], names, servers.BACK)

    def cut_servers(self, colour: str, names: Sequence[str]) -> None:
        """``shutdown sessions server`` in every process."""
        servers.cut(self._fleet(), self._options.backends[colour], names)

    def _fleet(self) -> Fleet:
        options = self._options
        return find(options.sockets, options.master_sockets, options.socket_timeout, self._clock.sleep)

    def _look(self, process: Process) -> _Look:
        keys = mapfile.keys(self._service)
        questions = [f"get map {self._options.map_file} {key}" for key in keys]
        questions += [stats.COMMAND.format(backend=self._options.backends[colour]) for colour in COLOURS]
        *values, blue, green = process.ask(questions)
        found = {key: process.map_value(self._options.map_file, key, reply) for key, reply in zip(keys, values)}
        rows = {
            colour: stats.rows(reply, self._options.backends[colour], str(process))
            for colour, reply in zip(COLOURS, (blue, green))
        }
        return _Look(
            process=process,
            routing=mapfile.decode(self._service, found, f"{process}: map {self._options.map_file}"),
            in_flight={colour: stats.in_flight(rows[colour]) for colour in COLOURS},
            capacity={colour: stats.capacity(rows[colour]) for colour in COLOURS},
        )

    def _look_at_former(self, former: Sequence[Process]) -> tuple[list[_Look], tuple[str, ...]]:
        looks, doubts = [], []
        for process in former:
            try:
                looks.append(self._look(process))
            except WorkerGone:
                continue
            except NotConfigured as error:
                # A worker from before the service was set up ends with its last connection.
                doubts.append(f"left behind by a reload, with an older configuration: {error.message}")
        return looks, tuple(doubts)

    def _routing_of(self, process: Process) -> Routing | None:
        keys = mapfile.keys(self._service)
        try:
            values = process.values(self._options.map_file, keys)
        except NotConfigured:
            if process.worker:
                return None
            raise
        return mapfile.decode(self._service, dict(zip(keys, values)), str(process))

    def _tell(self, process: Process, values: Mapping[str, str]) -> None:
        map_file, cohort = self._options.map_file, mapfile.keys(self._service)[-1]
        try:
            # A worker from before the cohort was set up has no such key, and needs none to send everybody back.
            known = values.get(cohort) != "0" or process.values(map_file, [cohort]) != [None]
            process.do([f"set map {map_file} {key} {value}" for key, value in values.items() if known or key != cohort])
        except WorkerGone:
            return
        except SocketError:
            if not process.worker or self._routing_of(process) is not None:
                raise

    def _rows(self, process: Process, colour: str) -> list[dict[str, str]]:
        backend = self._options.backends[colour]
        return stats.rows(process.ask([stats.COMMAND.format(backend=backend)])[0], backend, str(process))

    def _map_text(self) -> str:
        text = read_text(self._options.map_file)
        if text is None:
            raise NotConfigured(f"map file {self._options.map_file} does not exist", "run bootstrap.yml for this router")
        return text

    def _durable(self) -> Routing:
        return mapfile.decode(self._service, mapfile.parse(self._map_text()), f"map file {self._options.map_file}")

    def _load_journal(self) -> tuple[Journal | None, JournalError | None]:
        try:
            return self._journal.load(), None
        except JournalError as error:
            return None, error


def _least(capacities: Iterator[Capacity]) -> Capacity:
    """Several HAProxies on one host: a colour can take what the worst of them would send it."""
    return min(capacities, key=lambda capacity: (capacity.healthy, -len(capacity.sick)))
