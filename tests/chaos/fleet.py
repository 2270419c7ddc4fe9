# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on a fleet of real hosts, each in the middle of a release and under load; then what a person on call would do.

After each fault the invariants are held against what is there:

I1  `lost` is 0. It counts each request that got no right answer, on every router, except those to a router that could not
    have answered: the one that was stopped, killed, rebooted, without power or isolated. Such an outage begins right before
    the command that makes it, and ends with the first good answer that the router gives after it was repaired; a request
    is excused when it was under way at some time of the outage, and only on this router. Nothing is excused while a run is
    killed or frozen, a disk is full, or a router is cut off from the control machine only. When the application itself dies
    on all hosts of the candidate, nobody can answer until the release has taken its traffic back: that is an outage of all
    routers, and too long when it takes longer than a whole release usually does.
I3  When the release has ended, all routers that the fault did not hit are on one release: the old one, unless it had
    ended well or had begun to settle. When its run was killed, each router takes back what was not confirmed to it, and
    keeps what was: so they agree, but for a run that dies between its confirmations to two routers.
I4  One playbook puts everything right: release.yml, or rollback.yml. Where the routers disagree so that release.yml refuses,
    it does with the policy that its message names.
I5  After a rollback, or when a run was refused, no request is answered by the release that lost, whatever the older run
    still does: it is woken, or left to end, and waited for.
I6  On each router traffic, disk and journal agree, and nothing is pending, interrupted, in doubt or held by anybody. At
    the end all routers are rebooted, and nothing changes.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from tests.chaos.cases import Case, draw
from tests.chaos.faults import HOST_FAULTS
from tests.chaos.moments import Moment
from tests.chaos.processes import kill_tree, signal_tree, stop_tree
from tests.chaos.total import Total, say
from tests.hosts import hosts
from tests.support.fleet import Fleet, FleetLoad, Outage, Run, excused
from tests.support.load import Profile
from tests.support.net import REPOSITORY, wait_until
from tests.support.site import Done
from tests.support.timeline import Answer, Loss

STATE = REPOSITORY / "build" / "hosts" / "chaos"
LOGS = REPOSITORY / "build" / "chaos"
VARIABLES = {
    "bake_seconds": 1,
    "bake_interval": 0.3,
    "bake_max_latency_ms": 5000,
    "verify_interval": 0.1,
    "cutover_confirm_within": 60,
    "bluegreen_end_window": True,
}
LEAST_PATIENCE = 8  # seconds
SLOW = 25.0  # seconds that a release takes on a machine that is busy with other things
CONFIRMED = ("switched", "baked", "settled")
ENOUGH = 10  # answers of each router that show where it sends its clients


class Wrong(Exception):
    """Something is not as it must be."""


@dataclass
class Verdict:
    """What came of one fault."""

    case: Case
    hit: bool = False
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lost: list[tuple[str, Loss]] = field(default_factory=list)
    excused: int = 0
    outage: float = 0.0
    seconds: float = 0.0
    outputs: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        words = [*self.notes]
        if self.outage:
            words.append(f"outage {self.outage:.1f} s with {self.excused} requests")
        words.append(f"lost {len(self.lost)}")
        end = "; ".join(self.wrong).splitlines()[0] if self.wrong else "ok"
        return f"{self.case}{'' if self.hit else ' (too late)'}: {', '.join(words)}; {self.seconds:.1f} s: {end}"


@dataclass
class Chaos:
    """The fleet under load, and what was found on it so far.

    Args:
        lengths: seconds that each good release has taken.
    """

    fleet: Fleet
    load: FleetLoad
    lengths: list[float]
    outages: list[Outage] = field(default_factory=list)

    @property
    def usual(self) -> float:
        """Seconds that a release takes on this machine."""
        return statistics.median(self.lengths)

    @property
    def patience(self) -> int:
        """Seconds that a router waits for a confirmation, and a release for its candidate's health: less than a release takes."""
        return max(LEAST_PATIENCE, round(self.usual / 2))

    def run(self, case: Case) -> Verdict:
        """Make one fault, recover, and judge."""
        verdict, began = Verdict(case), time.monotonic()
        try:
            self._run(case, verdict)
        except (Wrong, TimeoutError, RuntimeError) as error:
            verdict.wrong.append(str(error))
        self.count_lost(verdict)
        verdict.seconds = time.monotonic() - began
        return verdict

    def _run(self, case: Case, verdict: Verdict) -> None:
        (old,) = set(self._answers(self.fleet.routers).values())
        run = self._release(case)
        verdict.hit = case.moment.wait(self.fleet, run, case.release, self.usual)
        if not verdict.hit:
            self._check_missed(case, verdict, run)
        if case.kind in HOST_FAULTS:
            self._hit_host(case, verdict, run, old)
        elif case.kind == "freeze":
            self._freeze(verdict, run)
        elif case.kind == "race-rollback":
            self._race_rollback(verdict, run)
        elif case.kind == "race-release":
            self._race_release(case, verdict, run)
        else:
            self._kill(case, verdict, run, old)

    def _check_missed(self, case: Case, verdict: Verdict, run: Run) -> None:
        """A release that nothing has disturbed ends well, and not before it was where the fault waits for it."""
        done = self._ended(verdict, run)
        if done.status:
            raise Wrong(f"before there was any fault, the release ended with {done.status}")
        if case.moment.name not in ("random", "settled"):
            raise Wrong("the release was never there")

    def _release(self, case: Case) -> Run:
        return self.fleet.popen("release", bluegreen_release=case.release, **self._pace())

    def _pace(self) -> dict[str, Any]:
        """What a release waits for. One that takes this long shares the machine with others, and none of its estimates holds."""
        lead = self.usual / 3 if self.usual > SLOW else 0
        return {"cutover_confirm_within": self.patience, "verify_timeout": self.patience, "cutover_lead": lead}

    # -- what happens to the run

    def _kill(self, case: Case, verdict: Verdict, run: Run, old: str) -> None:
        if case.kind == "kill":
            kill_tree(run.process.pid)
        elif case.kind == "kill-main":
            run.process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(run.process.pid, signal.SIGTERM)
        run.process.wait()
        if case.recovery == "wait":
            self._ended(verdict, run)
            self._taken_back(verdict, old)
        self._recover(case, verdict, run)

    def _freeze(self, verdict: Verdict, run: Run) -> None:
        """The control machine sleeps; a rollback comes from another one; then it wakes up."""
        tree = stop_tree(run.process.pid)
        try:
            expected = self._roll_back(verdict, machine="other")
            since = time.monotonic()
        finally:
            signal_tree(tree, signal.SIGCONT)
        done = self._ended(verdict, run)
        if done.status == 0 and verdict.hit:
            raise Wrong("the release that woke up after a rollback says that all is well")
        self._judge(expected, since)

    def _race_rollback(self, verdict: Verdict, run: Run) -> None:
        expected = self._roll_back(verdict, machine="other")
        since = time.monotonic()
        done = self._ended(verdict, run)
        if done.status == 0 and verdict.hit:
            raise Wrong("the release that was rolled back meanwhile says that all is well")
        self._judge(expected, since)

    def _race_release(self, case: Case, verdict: Verdict, run: Run) -> None:
        """Two releases: the one that has the lease on every router is not disturbed; of two that share them, none may win."""
        second = f"{case.release}b"
        rival = self.fleet.popen("release", machine="other", bluegreen_release=second)
        statuses = self._ended(verdict, run).status, self._ended(verdict, rival).status
        since = time.monotonic()
        verdict.notes.append(f"exits {statuses[0]} and {statuses[1]}")
        if verdict.hit and statuses[0] and case.moment.name != "random" and not case.moment.first:
            raise Wrong("a release that held every router was disturbed by a second one")
        if 0 in statuses:
            self._judge({second if statuses[1] == 0 else case.release}, since)
        else:
            self._recover(case, verdict, run)

    # -- what happens to a host

    def _hit_host(self, case: Case, verdict: Verdict, run: Run, old: str) -> None:
        fault = HOST_FAULTS[case.kind](self.fleet, case.router, self.usual)
        try:
            fault.begin()
            done = self._ended(verdict, run)
            verdict.notes.append("the release is done" if done.status == 0 else "the release failed")
            self._agree(done, fault.unhit, old, case.release)
        finally:
            fault.end()
            for outage in fault.outages:
                outage.end = min(outage.end, time.monotonic())
            self.outages += fault.outages
        verdict.outage = sum(outage.end - outage.begin for outage in fault.outages)
        self._recover(case, verdict, run)

    def _agree(self, done: Done, names: Sequence[str], old: str, new: str) -> None:
        """The routers that can be reached are all on one release (I3)."""
        versions = self._answers(names)
        if len(set(versions.values())) > 1:
            raise Wrong(f"when the release has ended, clients get {versions}")
        got = versions[names[0]]
        if done.status == 0 and got != new:
            raise Wrong(f"the release says that all is well, and clients get {got}")
        # Behind the last bake there is nothing that would bring traffic back: the release waits for its end.
        if done.status and got != old and not {self.fleet.look(name).phase for name in names} <= {"baked", "settled"}:
            raise Wrong(f"the release failed, and clients get {got}, not {old}")

    def _taken_back(self, verdict: Verdict, old: str) -> None:
        """Each router has taken back what a dead run had not confirmed to it, and nothing else."""
        names = tuple(self.fleet.routers)
        wait_until(lambda: not any(self.fleet.look(name).pending for name in names), "no flip is pending", 2 * self.patience + 20)
        confirmed = {name: self.fleet.look(name).phase in CONFIRMED for name in names}
        wrong = [name for name, version in self._answers(names).items() if (version != old) != confirmed[name]]
        if wrong:
            raise Wrong(f"no run lives, and {', '.join(wrong)} did not take the flip back, or took back what was confirmed")
        if len(set(confirmed.values())) > 1:
            verdict.notes.append("the routers disagree")

    # -- what the person on call does

    def _recover(self, case: Case, verdict: Verdict, run: Run) -> None:
        expected = self._release_again(case, verdict) if case.recovery == "release" else self._roll_back(verdict)
        since = time.monotonic()
        self._ended(verdict, run)
        self._judge(expected, since)

    def _release_again(self, case: Case, verdict: Verdict) -> set[str]:
        done = self._play(verdict, "release", bluegreen_release=case.release, **self._pace())
        if done.status and "bluegreen_drift=overwrite" in done.output:
            verdict.notes.append("drift")
            done = self._play(verdict, "release", bluegreen_release=case.release, bluegreen_drift="overwrite", **self._pace())
        if done.status:
            raise Wrong(f"release.yml ends with {done.status}")
        return {case.release}

    def _roll_back(self, verdict: Verdict, machine: str = "control") -> set[str]:
        """Roll back; the releases to one of which that may lead."""
        before = self._ways_back()
        done = self._play(verdict, "rollback", machine=machine)
        if done.status:
            raise Wrong(f"rollback.yml ends with {done.status}")
        return before | self._ways_back()

    def _ways_back(self) -> set[str]:
        looks = [self.fleet.look(name) for name in self.fleet.routers]
        return {look.journal["releases"].get(look.way_back, "nothing") for look in looks if look.journal}

    def _play(self, verdict: Verdict, playbook: str, machine: str = "control", **extra: object) -> Done:
        done = self.fleet.play(playbook, machine=machine, **extra)
        if playbook == "release" and done.status == 0:
            self.lengths.append(done.seconds)
        verdict.outputs.append(f"=== {playbook} on {machine}: {done.status} after {done.seconds:.1f} s\n{done.output}")
        return done

    def _ended(self, verdict: Verdict, run: Run) -> Done:
        """The end of a run and of all that it has left behind."""
        done = run.wait()
        if done.status == 0:
            self.lengths.append(done.seconds)
        verdict.outputs.append(f"=== the run: {done.status} after {done.seconds:.1f} s\n{done.output}")
        return done

    # -- what must be

    def _answers(self, names: Iterable[str]) -> dict[str, str]:
        """The release that a client gets from each router now."""
        return {name: self.fleet.answer(name)[1] for name in names}

    def _judge(self, expected: set[str], since: float) -> None:
        """All routers on one release, and at rest; since then no client got another one."""
        versions = self._answers(self.fleet.routers)
        if len(set(versions.values())) > 1 or not set(versions.values()) <= expected:
            raise Wrong(f"clients get {versions}, expected one of {sorted(expected)}")
        (version,) = set(versions.values())
        self._at_rest(version)
        for name in self.fleet.routers:
            strays = [answer for answer in self._load_since(name, since) if answer.version != version]
            if strays:
                raise Wrong(f"{name}: {len(strays)} requests were answered by another release, the first one {strays[0]}")

    def _load_since(self, name: str, since: float) -> Sequence[Answer]:
        """Enough answers of a router to requests that were sent later."""
        wait_until(lambda: len(self.load.answers(name, since)) >= ENOUGH, f"{ENOUGH} answers of {name}")
        return self.load.answers(name, since)

    def _at_rest(self, version: str) -> None:
        wrong = []
        for name, said in self.fleet.status(list(self.fleet.routers)).items():
            journal, look = said["journal"], self.fleet.look(name)
            if said["doubts"] or said["interrupted"] or look.pending:
                wrong.append(f"{name}: doubts {said['doubts']}, interrupted {said['interrupted']}, pending {look.pending}")
            if journal["candidate"] or journal["lease"] or journal["releases"].get(journal["stable"]) != version:
                wrong.append(f"{name}: the journal is {journal}")
        if wrong:
            raise Wrong("; ".join(wrong))

    def count_lost(self, verdict: Verdict) -> None:
        _answers, losses = self.load.take()
        for name, of_router in losses.items():
            for loss in of_router:
                if excused(name, loss, self.outages):
                    verdict.excused += 1
                else:
                    verdict.lost.append((name, loss))

    # -- between the faults

    def repair(self) -> None:
        """Bring everything to one release by force, so that the next fault finds a sound fleet. Raises RuntimeError."""
        done = self.fleet.play("rollback", bluegreen_force=True)
        versions = self._answers(self.fleet.routers)
        if done.status or len(set(versions.values())) > 1:
            raise RuntimeError(f"the fleet can not be repaired: clients get {versions}\n{done.output}")

    def reboot_all(self) -> str:
        """All routers restart, and clients get what they got before; what is wrong, or an empty text."""
        before = self._answers(self.fleet.routers)
        for name in self.fleet.routers:
            hosts.reboot(self.fleet.state, name)
            self.fleet.learn_pids(name)
            self.fleet.wait_serving(name)
        after = self._answers(self.fleet.routers)
        return "" if after == before else f"after a reboot clients get {after}, before it {before}"


def run(faults: int, seconds: float, seed: int, only: Sequence[str] = (), rate: float = 15.0) -> Total:
    """Make faults, for ``seconds`` at most.

    Args:
        faults: how many.
        seed: of the list of faults.
        only: kinds of faults; all when empty.
        rate: requests per second of the paced clients of each router.
    """
    verdicts: list[Verdict] = []
    with Fleet(STATE, variables=VARIABLES) as fleet:
        first = fleet.play("release", bluegreen_release="first")
        if first.status:
            raise RuntimeError(f"the first release failed:\n{first.output}")
        profiles = {name: Profile(80, host=fleet.addresses[name], rate=rate, longest=1.2) for name in fleet.routers}
        deadline = time.monotonic() + seconds
        with FleetLoad(profiles) as load:
            chaos = Chaos(fleet, load, [first.seconds])
            say(f"a release on the fleet takes {chaos.usual:.1f} s")
            for case in islice(draw(seed, list(fleet.routers), only), faults):
                if time.monotonic() > deadline:
                    say(f"the time is over after {len(verdicts)} of {faults} faults on the fleet")
                    break
                verdicts.append(chaos.run(case))
                tell(verdicts[-1], faults)
                if verdicts[-1].wrong:
                    chaos.repair()
        rest = Verdict(Case(0, "the end of the load", Moment("random"), "", ""))
        chaos.count_lost(rest)
        tell_lost(rest)
        wrong = chaos.reboot_all()
        say(f"all routers of the fleet were rebooted: {wrong or 'ok'}")
        requests = load.count()
    lost = sum(len(verdict.lost) for verdict in (*verdicts, rest))
    return Total(len(verdicts), sum(1 for verdict in verdicts if verdict.wrong) + bool(wrong), requests, lost)


def tell(verdict: Verdict, faults: int) -> None:
    """One line about a fault; what its playbooks have said goes into a file."""
    say(f"fleet {verdict.case.number}/{faults} {verdict.line}")
    tell_lost(verdict)
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"fleet-{verdict.case.number}.log"
    log.write_text("\n".join([verdict.line, *verdict.wrong, *verdict.outputs]), encoding="utf-8")
    if verdict.wrong or verdict.lost:
        say(f"  see {log}")


def tell_lost(verdict: Verdict) -> None:
    for name, loss in verdict.lost[:10]:
        say(f"  lost by {name}: {loss}")
