# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rolling release has to do, from the looks at all routers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

Look = Mapping[str, Any]


def server_name(host: str) -> str:
    """What the role haproxy calls the server of an inventory host."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", host)


def rolling_plan(looks: Sequence[Look], release: str, groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Which hosts get the release in which order, or why none does.

    Args:
        looks: the results of ``traffic_info`` with ``servers``, one for each router.
        release: its id.
        groups: the inventory's groups: those of the colours are needed.
    """
    if not looks or not all(isinstance(look, Mapping) and look.get("journal") and "servers" in look for look in looks):
        raise AnsibleFilterError("rolling_plan: expected the results of traffic_info with servers, one for each router")
    newest = max((look["journal"] for look in looks), key=lambda journal: int(journal["epoch"]))
    stable = newest["stable"]
    hosts = list(groups.get(stable, ()))
    problems = [_strangers(look, stable, hosts) for look in looks]
    if len(hosts) < 2:
        problems.append(f"{stable} has {len(hosts)} host: while it is out, nobody would answer; rolling needs at least two")
    problem = "; ".join(filter(None, problems))
    away = {} if problem else {host: found for host in hosts if (found := _away(looks, stable, server_name(host)))}
    return {
        "stable": stable,
        "before": newest["releases"].get(stable, ""),
        "live": not problem and all(_has(look["journal"], stable, release) for look in looks),
        "problem": problem,
        # Users do not miss them while they are worked on, and the others are taken out with these in service again.
        "hosts": [*away, *(host for host in hosts if host not in away)],
        "away": away,
    }


def _strangers(look: Look, stable: str, hosts: Sequence[str]) -> str:
    """Hosts that the router does not know, and servers that the inventory does not: they would be passed over."""
    known, wanted = set(look["servers"][stable]), {server_name(host) for host in hosts}
    texts = []
    if wanted - known:
        texts.append(f"{look['router']} does not know {', '.join(sorted(wanted - known))}")
    if known - wanted:
        texts.append(f"{', '.join(sorted(known - wanted))} on {look['router']} is not in the group {stable} of the inventory")
    return f"{'; '.join(texts)}: correct the inventory, or run bootstrap.yml" if texts else ""


def _away(looks: Sequence[Look], stable: str, name: str) -> str:
    """On which routers a server is not in service, and why; empty when it is on all."""
    found = {look["router"]: look["servers"][stable][name] for look in looks}
    return ", ".join(f"{router}: {server['state']}" for router, server in found.items() if not server["in_service"])


def _has(journal: Mapping[str, Any], stable: str, release: str) -> bool:
    """All hosts of the stable colour have the release, as far as a router knows."""
    at_rest = journal["candidate"] is None and journal["release"] is None and journal["rolling"] is None
    return bool(at_rest and journal["stable"] == stable and journal["releases"].get(stable) == release)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function of each."""
        return {"rolling_plan": rolling_plan, "server_name": server_name}
