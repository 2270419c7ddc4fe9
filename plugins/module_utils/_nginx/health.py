# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the servers can serve, asked from this host: nginx's open source edition has no health checks of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._routing import COLOURS, Capacity
from .ask import Address, Answer, Endpoint, Question
from .facts import Facts, Server


@dataclass(frozen=True)
class Check:
    """One question to one numeric address of a server; a server whose name has several is healthy when all of them are."""

    colour: str
    server: Server
    question: Question


def checks(facts: Facts, endpoints: Mapping[Address, Sequence[Endpoint]], timeout: float) -> list[Check]:
    """What is to be asked.

    Args:
        facts: the servers and how they are asked.
        endpoints: numeric addresses; a name without any could not be resolved.
        timeout: seconds for each answer.
    """
    health = facts.health
    return [
        Check(colour, server, Question(endpoint, health.host, health.path, timeout=timeout))
        for colour in COLOURS
        for server in facts.servers[colour]
        for endpoint in endpoints[server.address]
    ]


def capacity(facts: Facts, asked: Sequence[Check], answers: Sequence[Answer]) -> dict[str, Capacity]:
    """How much of each colour can serve, from the answers to :func:`checks`."""
    found: dict[Server, str] = {}
    for check, answer in zip(asked, answers):
        found[check.server] = found.get(check.server) or _trouble(facts, answer)
    capacities = {}
    for colour in COLOURS:
        servers = facts.servers[colour]
        told = [(server, found.get(server, "its name can not be resolved")) for server in servers]
        sick = tuple(f"{server}: {trouble}" for server, trouble in told if trouble)
        capacities[colour] = Capacity(len(servers) - len(sick), len(servers), sick)
    return capacities


def _trouble(facts: Facts, answer: Answer) -> str:
    if answer.failure:
        return answer.why
    if facts.health.expects(answer.status):
        return ""
    return f"{facts.health.path} was answered with {answer.status}, expected {facts.health}"
