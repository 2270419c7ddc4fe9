# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from the looks at all routers of a fleet, for the roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

Look = Mapping[str, Any]


def fleet(looks: Sequence[Look]) -> dict[str, Any]:
    """The epoch that a release claims on all routers, their newest journal, why no release can begin, and where traffic is.

    Args:
        looks: the results of ``traffic_info``, one for each router.
    """
    if not looks or not all(isinstance(look, Mapping) and "journal" in look for look in looks):
        raise AnsibleFilterError("fleet: expected the results of traffic_info, one for each router")
    missing = [look for look in looks if look["journal"] is None]
    if missing:
        texts = [f"{look['router']}: {look.get('journal_error') or 'there is no journal'}" for look in missing]
        problem = f"{'; '.join(texts)}: run bootstrap.yml for every router"
        return {"epoch": 0, "reference": None, "problem": problem, "summary": _summary(looks)}
    journals = {look["router"]: look["journal"] for look in looks}
    newest = max(journal["epoch"] for journal in journals.values())
    leading = {name: journal for name, journal in journals.items() if journal["epoch"] == newest}
    return {
        "epoch": newest + 1,
        "reference": next(iter(leading.values())),
        "problem": _disagreement(leading),
        "summary": _summary(looks),
    }


def _summary(looks: Sequence[Look]) -> str:
    """Where all of them send the traffic, or which of them sends it where."""
    places: dict[str, list[str]] = {}
    for look in looks:
        split = look["split"]
        place = ", ".join(f"{percent}% {colour}" for colour, percent in split.items() if percent) if split else "in doubt"
        places.setdefault(place, []).append(look["router"])
    if len(places) == 1:
        return f"traffic is {next(iter(places))}" + (f" on all {len(looks)} routers" if len(looks) > 1 else "")
    return "the routers do not agree: traffic is " + "; ".join(
        f"{place} on {', '.join(names)}" for place, names in places.items()
    )


def _disagreement(leading: Mapping[str, Look]) -> str:
    """Routers of one epoch lead to one colour: a release that was interrupted between two of them still does."""
    for field, among in (
        ("candidate", [journal for journal in leading.values() if journal["candidate"]]),
        ("stable", [journal for journal in leading.values() if not journal["candidate"]]),
    ):
        if len({journal[field] for journal in among}) > 1:
            where = ", ".join(f"{name} has {journal[field]}" for name, journal in leading.items() if journal in among)
            return f"the routers do not agree about the {field} colour: {where}: run rollback.yml to bring all to one"
    return ""


def skew_ms(flipped_at: Sequence[float], clock_offsets: Sequence[float]) -> float:
    """Milliseconds between the first and the last flip of a fleet, on one clock.

    Args:
        flipped_at: when each router flipped, seconds since the Unix epoch by its own clock.
        clock_offsets: seconds that each router's clock is ahead of the control node's, in the same order.
    """
    if not flipped_at or len(flipped_at) != len(clock_offsets):
        raise AnsibleFilterError("skew_ms: expected as many clock offsets as flips, and at least one")
    moments = [float(at) - float(offset) for at, offset in zip(flipped_at, clock_offsets)]
    return round((max(moments) - min(moments)) * 1000, 1)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function of each."""
        return {"fleet": fleet, "skew_ms": skew_ms}
