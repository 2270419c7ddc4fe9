# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of the checklist that follow from what modules and commands have answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Proof
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist.lines import FAIL, PASS, WARN, Line

DAY = 86400
#: Exit status of coreutils' timeout when the command took too long.
_TOO_LATE = 124


def way_back(host: str, look: Mapping[str, Any], plan: Mapping[str, Any], check_mode: bool, max_proof_days: float) -> list[Line]:
    """Whether a rollback would work on a router, and how well.

    Args:
        host: the router.
        look: the result of ``traffic_info`` there, after the claim.
        plan: ``plan_now`` of the router: ``stable`` and ``epoch``.
        check_mode: nothing was written.
        max_proof_days: how long a proven rollback counts.
    """
    return [
        _stable(host, look, str(plan["stable"])),
        _journal(host, look, int(plan["epoch"]), check_mode),
        _fast_way(host, look),
        _proven(host, look, max_proof_days),
    ]


def _stable(host: str, look: Mapping[str, Any], stable: str) -> Line:
    seen = look["capacity"][stable]
    healthy, total = int(seen["healthy"]), int(seen["total"])
    split = look.get("split")
    share = f"{split[stable]}% of the traffic" if split else "a share of the traffic that is in doubt"
    sick = f" ({'; '.join(seen['sick'])})" if seen["sick"] else ""
    found = f"{stable} has {healthy} of {total} healthy servers{sick}, and {share}"
    if healthy == 0:
        return Line(
            "stable_healthy", "rollback", host, FAIL, f"a rollback would not work: {found}", f"bring {stable} back to health"
        )
    if healthy < total:
        return Line("stable_healthy", "rollback", host, WARN, found, f"bring all of {stable} back to health")
    return Line("stable_healthy", "rollback", host, PASS, found)


def _journal(host: str, look: Mapping[str, Any], epoch: int, check_mode: bool) -> Line:
    journal = look.get("journal")
    there = journal["epoch"] if journal else None
    if there == epoch:
        return Line("journal", "rollback", host, PASS, f"writable: epoch {epoch} was claimed in it by this run")
    if check_mode:
        return Line("journal", "rollback", host, PASS, f"readable, with epoch {there}; check mode writes nothing")
    found = look.get("journal_error") or f"the journal has epoch {there}, expected {epoch}"
    return Line("journal", "rollback", host, FAIL, str(found), "another run may have taken over: look at status.yml")


def _fast_way(host: str, look: Mapping[str, Any]) -> Line:
    if look["via"] == "zipapp":
        return Line("fast_way", "rollback", host, PASS, "the turnout command answers, in this version")
    return Line(
        "fast_way",
        "rollback",
        host,
        WARN,
        "the turnout command is absent or of another version, so that a rollback takes longer",
        "run bootstrap.yml",
    )


def _proven(host: str, look: Mapping[str, Any], max_days: float) -> Line:
    kept = (look.get("journal") or {}).get("rollback_proven")
    remedy = "run drill.yml after this release"
    if not kept:
        return Line("rollback_proven", "rollback", host, WARN, "no rollback was ever tried out here", remedy)
    proof = Proof.from_dict(kept)
    days = max(0.0, (float(look["clock"]) - proof.at) / DAY)
    when = f"{days:.0f} days ago" if days >= 2 else f"{days * 24:.0f} hours ago"
    found = f"a rollback was tried out {when}: {proof.ms:.0f} ms, {proof.lost} requests lost"
    if proof.lost:
        return Line("rollback_proven", "rollback", host, WARN, found, "find out why, then run drill.yml again")
    if days > max_days:
        return Line("rollback_proven", "rollback", host, WARN, f"{found}; expected within {max_days:g} days", remedy)
    return Line("rollback_proven", "rollback", host, PASS, found)


def router_room(host: str, limits: Sequence[Mapping[str, Any]], min_free_percent: float) -> list[Line]:
    """Room for connections on a router, for each of its processes.

    Args:
        host: the router.
        limits: the ``limits`` of ``haproxy_process_info`` or ``nginx_process_info``, one for each process that listens.
        min_free_percent: how many of the connections must be free.
    """
    if not limits:
        words = "no process was asked about its limits"
        return [Line("router_connections", "infrastructure", host, WARN, words, "look at them on the router")]
    return [line for one in limits for line in _process(host, one, min_free_percent)]


def _process(host: str, one: Mapping[str, Any], least: float) -> list[Line]:
    name, used, most = one["name"], one["connections"], int(one["max_connections"])
    if used is None:
        words = f"{name} may have {most} connections; those it has can not be counted"
        room = Line("router_connections", "infrastructure", host, WARN, words, "run as root, or as the user of the workers")
    else:
        free = 100 * (most - int(used)) / most if most else 0.0
        words = f"{name} has {used} of {most} connections, {free:.0f}% are free, expected at least {least:g}%"
        remedy = f"raise {one['setting']}, or wait until it is less busy"
        room = _room("router_connections", host, PASS if free >= least else FAIL, words, remedy)
    allowed, needed = int(one["open_files"]), int(one["open_files_needed"])
    words = f"a process of {name} may open {allowed} files, and needs {needed} for all its connections"
    remedy = f"raise its limit of open files, or lower {one['setting']}"
    return [room, _room("router_open_files", host, PASS if allowed >= needed else WARN, words, remedy)]


def _room(check: str, host: str, status: str, words: str, remedy: str) -> Line:
    return Line(check, "infrastructure", host, status, words, "" if status == PASS else remedy)


def database_room(host: str, database: Mapping[str, Any], fleets: Mapping[str, Any]) -> Line:
    """Whether the database can take the connections of both fleets at once, as they are during a release.

    Args:
        host: what to call it in the line.
        database: ``max_connections``, ``pool`` (the most that one host opens), and optionally ``reserved`` (for
            administration) and ``others`` (the most that everything else opens). Empty: nothing is known.
        fleets: number of hosts by colour; a text is as good, because Jinja may make one of it.

    Raises:
        BadInput: a number is missing or can not be meant.
    """
    check = "database_connections"
    if not database:
        remedy = "set preflight_database; or preflight_policy: {database_connections: ignore} when there is none"
        return _room(check, host, WARN, "not checked: preflight_database is not set", remedy)
    most, pool, reserved, others = (
        _count(database, name, default)
        for name, default in (("max_connections", None), ("pool", None), ("reserved", 0), ("others", 0))
    )
    needed, room = sum(map(int, fleets.values())) * pool + others, most - reserved
    hosts = " + ".join(f"{count} {colour}" for colour, count in fleets.items())
    sum_of_both = f"({hosts} hosts) x {pool} + {others} others"
    found = f"both fleets need {needed} connections ({sum_of_both}) of {room} ({most} - {reserved} reserved)"
    remedy = "make the pools smaller, or raise max_connections, or put a pooler in between"
    return _room(check, host, PASS if needed <= room else FAIL, found, remedy)


def _count(database: Mapping[str, Any], name: str, default: int | None) -> int:
    value = database.get(name, default)
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if number < 0:
        raise BadInput(f"preflight_database: {name} is {value!r}", "expected a whole number of connections")
    return number


def own(host: str, check: Mapping[str, Any], result: Mapping[str, Any]) -> Line:
    """What a command of the user means: exit status 0 is a pass, 1 a warning, any other a failure.

    Args:
        host: where it ran.
        check: ``name``, and optionally ``group`` and ``remedy``.
        result: of ``ansible.builtin.command`` under coreutils' ``timeout``.
    """
    status = result.get("rc")
    said = str(result.get("stdout") or result.get("stderr") or "").strip()
    if status == _TOO_LATE:
        said = f"it did not end within {check.get('timeout', 30)} s. {said}".strip()
    word = {0: PASS, 1: WARN}.get(status if isinstance(status, int) else -1, FAIL)
    return Line.parse(
        {
            "check": str(check["name"]),
            "group": str(check.get("group") or "own"),
            "host": host,
            "status": word,
            "evidence": said or str(result.get("msg") or f"exit status {status}, and it said nothing"),
            "remedy": "" if word == PASS else str(check.get("remedy") or f"look at {' '.join(map(str, check['command']))}"),
        }
    )
