# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nginx provider: the split is a directory that each request looks into, flipped by replacing a link; journal beside it.

Order of a flip: directory made and seen by a worker -> link replaced by one rename -> workers and the public side asked.
There is nothing to tell to any process, those that a reload has left behind included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from .._clock import SYSTEM, Clock
from .._errors import JournalError, NotConfigured, NotInForce, SocketError
from .._files import locked
from .._journal import Journal
from .._journal_file import JournalFile, known_service
from .._pending_file import PendingFile
from .._router import Capabilities, Observation, Router
from .._routing import COLOURS, Capacity, Routing, Split
from .._statistics import Statistics
from . import connections, facts, health, log, processes
from .ask import Address, Answer, Endpoint, ask_all, resolve
from .facts import Facts
from .options import NginxOptions
from .running import BUCKETS, COLOUR_HEADER, Reply, Running, edges
from .split_directory import SplitDirectory, directory_name

#: A link that is replaced while it is looked at is looked at again; a third time is one too many for one change at a time.
LOOKS = 3
#: Connections for a confirmation: the kernel spreads them over the workers.
CONFIRMATIONS = 4


@dataclass(frozen=True)
class _Look:
    """What workers and servers answered at one moment."""

    durable: Split
    found: Mapping[int | str, Reply]
    public: Answer | None
    capacity: Mapping[str, Capacity]

    @property
    def agrees(self) -> bool:
        """The workers do what the link says."""
        return all(self.found[bucket].word == colour for bucket, colour in edges(self.durable).items())


class NginxRouter(Router):
    """One service on the nginx of one host.

    Args:
        name: inventory name of the host.
        service: whose split.
        options: where nginx is.
        clock: the host's clock.
    """

    def __init__(self, name: str, service: str, options: NginxOptions, clock: Clock = SYSTEM) -> None:
        self.name = name
        self._service = known_service(service)
        self._options = options
        self._clock = clock
        self.pending: PendingFile = PendingFile(options.state_dir, service)
        self._journal = JournalFile(options.state_dir, service)
        self._split = SplitDirectory(os.path.join(options.directory, service))
        self._resolved: dict[Address, tuple[Endpoint, ...]] = {}

    def capabilities(self) -> Capabilities:
        """All but ending what is in flight: nginx can not be told to."""
        return Capabilities()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Lock the service: no two services share a file."""
        with locked(self._journal.lock, sleep=self._clock.sleep):
            yield

    def observe(self) -> Observation:
        """Ask workers, the public side and all servers at the same time; read link, journal and the table of connections."""
        known = self._facts()
        running = Running(self._service, self._options, known)
        look = self._look(known, running)
        found = processes.find(self._options.pid_file)
        in_force, doubts = self._in_force(look, running)
        doubts += _about_processes(found)
        doubts += self._about_configuration(known, running, look)
        journal, journal_error = self._load_journal(known.sticky)
        return Observation(
            in_force=None if in_force is None else Routing(in_force, known.sticky),
            durable=Routing(look.durable, known.sticky),
            capacity=look.capacity,
            in_flight=connections.count(self._endpoints(known), found.users),
            clock=self._clock.now(),
            journal=journal,
            journal_error=journal_error,
            interrupted=self._journal.interrupted or self._split.interrupted,
            pending=self.pending.load(),
            doubts=doubts,
        )

    def stage(self, routing: Routing | None, journal: Journal, urgent: bool = False) -> None:
        """Make and prove the directory of the split, prepare link and journal; the workers must see what they shall follow."""
        if routing is None:
            self._split.discard()  # of a change that was interrupted; whoever holds the lock is the only one at work
        else:
            known = self._facts()
            if not urgent:
                self._same_stickiness(known, routing)
                self._knows_cohort(known, routing)
            self._split.stage(routing.split, urgent)
            self._prove(known, routing.split, urgent)
        self._journal.prepare(journal, urgent)

    def discard(self) -> None:
        """Remove the prepared link, and the directory when it was made for it."""
        self._split.discard()
        self._journal.discard()

    def commit(self, routing: Routing) -> None:
        """Replace the link: from this moment on, every request of every worker goes by it."""
        self._split.commit()

    def confirm(self, routing: Routing) -> None:
        """Read the link again, ask workers on several connections, and ask on the public side."""
        durable = self._split.durable()
        if durable != routing.split:
            raise NotInForce(f"{self._split.link} has {durable}, expected {routing.split}")
        running = Running(self._service, self._options, self._facts())
        sides = list(edges(durable).items()) * CONFIRMATIONS
        public = running.public()
        further = [public] * (2 if public else 0)
        answers = ask_all([running.bucket(bucket) for bucket, _colour in sides] + [q for q in further if q])
        try:
            for (bucket, colour), answer in zip(sides, answers):
                reply = running.reply(answer)
                if reply.word != colour:
                    who = "the cohort" if bucket in COLOURS else f"bucket {bucket}"
                    raise NotInForce(f"worker {reply.pid} sends {who} to {reply.word}, expected {colour}")
            for answer in answers[len(sides) :]:
                reply = running.public_reply(answer)
                if not durable.percent(reply.word):
                    raise NotInForce(f"worker {reply.pid} sends a client to {reply.word}, expected {durable}")
        except (SocketError, NotConfigured) as error:
            raise NotInForce(f"{error.message}; expected {durable}", error.remedy) from error

    def store(self, journal: Journal, expected_epoch: int) -> None:
        """Publish what :meth:`stage` prepared."""
        self._journal.publish(expected_epoch)

    def in_flight(self, colour: str) -> int:
        """Established connections to the colour's servers; idle ones are closed after the service's keepalive_timeout."""
        users = processes.find(self._options.pid_file).users
        return connections.count({colour: self._endpoints(self._facts())[colour]}, users)[colour]

    def statistics(self, cursor: str) -> Statistics:
        """The lines that nginx has written to the service's log."""
        return log.since(self._facts().statistics_log, cursor)

    def _facts(self) -> Facts:
        return facts.load(self._options.directory, self._service)

    def _resolve(self, known: Facts) -> Mapping[Address, tuple[Endpoint, ...]]:
        """Once for each router object: nginx itself looks names up only when it reads its configuration."""
        wanted = [server.address for servers in known.servers.values() for server in servers]
        missing = [address for address in wanted if address not in self._resolved]
        if missing:
            self._resolved.update(resolve(missing, self._options.health_timeout))
        return self._resolved

    def _endpoints(self, known: Facts) -> dict[str, list[Endpoint]]:
        resolved = self._resolve(known)
        return {
            colour: [endpoint for server in servers for endpoint in resolved[server.address]]
            for colour, servers in known.servers.items()
        }

    def _look(self, known: Facts, running: Running) -> _Look:
        checks = health.checks(known, self._resolve(known), self._options.health_timeout)
        public = running.public()
        further = [check.question for check in checks] + ([public] if public else [])
        looks = LOOKS
        while True:
            durable = self._split.durable()
            sides = list(edges(durable))
            answers = ask_all([running.bucket(bucket) for bucket in sides] + further)
            of_workers, rest = answers[: len(sides)], answers[len(sides) :]
            look = _Look(
                durable=durable,
                found={bucket: running.reply(answer) for bucket, answer in zip(sides, of_workers)},
                public=rest[-1] if public else None,
                capacity=health.capacity(known, checks, rest),
            )
            looks -= 1
            if look.agrees or looks == 0 or self._split.durable() == durable:
                return look

    def _in_force(self, look: _Look, running: Running) -> tuple[Split | None, tuple[str, ...]]:
        """What the workers do, when it is a split at all, and why it is not the one on disk."""
        trouble = self._split.trouble(look.durable)
        if look.agrees and not trouble:
            return look.durable, ()
        replies = [running.reply(answer) for answer in ask_all([running.bucket(bucket) for bucket in range(BUCKETS)])]
        green = [reply.word == "green" for reply in replies]
        count = sum(green)
        trouble = trouble or f"the workers can not see {directory_name(look.durable)}"
        doubt = f"{self._split.link} stands for {look.durable}, but {trouble}"
        if all(green[:count]):
            return Split(count), (doubt,)
        return None, (f"{doubt}; {count} of {BUCKETS} buckets go to green, and not the first ones",)

    def _about_configuration(self, known: Facts, running: Running, look: _Look) -> tuple[str, ...]:
        """What is odd about the configuration that runs.

        Raises:
            NotConfigured: the public side does not have the service's lines.
        """
        doubts = []
        replies = list(look.found.values())
        if look.public is not None:
            try:
                reply = running.public_reply(look.public)
                replies.append(reply)
                if not reply.says_colour:
                    doubts.append(
                        f"answers at {known.public} lack the header {COLOUR_HEADER}: the server or location has add_header lines "
                        f"of its own; write 'add_header {COLOUR_HEADER} $bluegreen_colour always;' beside them"
                    )
            except SocketError as error:
                doubts.append(f"the public side gives no answer: {error.message}")
        other = sorted({reply.digest for reply in replies} - {known.digest})
        if other:
            doubts.append(_not_taken(known, other))
        return tuple(doubts)

    def _same_stickiness(self, known: Facts, routing: Routing) -> None:
        if routing.sticky != known.sticky:
            raise NotConfigured(
                f"{self._service} can not be sticky by {routing.sticky!r}: nginx is configured for {known.sticky!r}",
                f"leave sticky out; or set sticky: {routing.sticky} for the service in nginx_services and run bootstrap.yml",
            )

    def _knows_cohort(self, known: Facts, routing: Routing) -> None:
        if routing.split.cohort and not known.cohort:
            raise NotConfigured(
                f"nginx does not know who belongs to the cohort of {self._service}",
                "set cohort (a header or a cookie) for the service in nginx_services and run bootstrap.yml",
            )

    def _prove(self, known: Facts, split: Split, urgent: bool) -> None:
        """The workers have the configuration on disk, and see the directory as we do.

        A way back does not hang on the first: whatever configuration runs, it follows the link or it does not.
        """
        running = Running(self._service, self._options, known)
        sides = edges(split)
        public = running.public()
        questions = [running.directory(split)] + [running.bucket(bucket, split) for bucket in sides]
        answers = ask_all(questions + ([public] if public else []))
        replies = [running.reply(answer) for answer in answers[: len(questions)]]
        seen = [reply.word for reply in replies] == ["seen", *sides.values()]
        if not seen:
            raise self._unseen(split)
        if urgent:
            return
        if public:
            replies.append(running.public_reply(answers[-1]))
        other = sorted({reply.digest for reply in replies} - {known.digest})
        if other:
            raise NotConfigured(_not_taken(known, other), "read nginx's error log, cure what it says, and reload nginx")

    def _unseen(self, split: Split) -> NotConfigured:
        told = f"{self._split.path}/{directory_name(split)} can not be seen by nginx's workers"
        closed = self._split.closed(split)
        if closed:
            return NotConfigured(
                f"{told}: {closed} is closed to them", f"let the workers' user enter it (chmod o+x {closed}), then run again"
            )
        return NotConfigured(
            told,
            "look at the modes on that path, and at what hides directories from nginx (its unit's sandbox, AppArmor, SELinux)",
        )

    def _load_journal(self, sticky: str) -> tuple[Journal | None, JournalError | None]:
        """The journal; what it says about stickiness is history, because bootstrap may have configured another one since."""
        try:
            journal = self._journal.load()
        except JournalError as error:
            return None, error
        return journal and replace(journal, routing=replace(journal.routing, sticky=sticky)), None


def _not_taken(known: Facts, other: Sequence[str]) -> str:
    running = ", ".join(digest[:12] for digest in other)
    return (
        f"the running nginx has another configuration of the service ({running}) than there is on disk ({known.digest[:12]}): "
        "it was not reloaded, or did not take the reload"
    )


def _about_processes(found: processes.Processes) -> tuple[str, ...]:
    if not found.leaving:
        return ()
    pids = ", ".join(map(str, found.leaving))
    return (
        f"a reload of nginx is under way: workers {pids} finish what they have; they follow the split as well, "
        "unless their configuration is from before the service was set up",
    )
