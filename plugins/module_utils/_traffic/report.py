# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of a service for people: a pure function of what was seen."""

from __future__ import annotations

import time
from typing import Any

from .._routing import Routing, Split


def report(service: str, result: dict[str, Any]) -> str:
    """The status of a service for people; from the plain values of :func:`outcome.describe`."""
    journal = result["journal"]
    lines = [f"{service} on {result['router']}: {_traffic(result)}"]
    for colour, capacity in result["capacity"].items():
        release = (journal or {}).get("releases", {}).get(colour, "release not known")
        sick = f" ({'; '.join(capacity['sick'])})" if capacity["sick"] else ""
        lines.append(
            f"  {colour:5} {release}: {capacity['healthy']} of {capacity['total']} healthy{sick}, "
            f"{result['in_flight'][colour]} in flight"
        )
    if journal:
        lines += _journal_lines(journal, result)
    elif result["journal_error"]:
        lines.append(f"  journal: {result['journal_error']}")
    else:
        lines.append("  journal: none (run bootstrap.yml)")
    lines += [f"  ATTENTION: {doubt}" for doubt in result["doubts"]]
    return "\n".join(lines)


def _traffic(result: dict[str, Any]) -> str:
    if result["split"] is None:
        return "traffic in doubt"
    return str(Routing(Split.parse(result["split"]), result["sticky"]))


def _journal_lines(journal: dict[str, Any], result: dict[str, Any]) -> list[str]:
    lines = [f"  stable {journal['stable']}, phase {journal['phase']}, epoch {journal['epoch']}"]
    if journal["drill"] is not None:
        lines.append(
            f"  drill: {journal['candidate']} with {journal['release']} gets traffic and gives it back; rollback ends it"
        )
    elif journal["candidate"]:
        lines.append(f"  releasing {journal['release']} to {journal['candidate']}")
    if journal.get("rolling"):
        former = journal["releases"].get(journal["stable"], "the release before")
        what = f"{journal['rolling']} goes through the hosts of {journal['stable']}"
        lines.append(f"  {what}, some may have {former}: rolling.yml finishes it")
    if journal["candidate"] and journal["hold"]:
        lines.append(f"  {_held(journal, journal['hold'], result['clock'])}")
    lease = journal["lease"]
    left = lease["until"] - result["clock"] if lease else 0
    if lease and left > 0:
        alive = max(lease["seconds"] - left, 0)
        lines.append(f"  held by {lease['owner']} for {left:.0f} s more, last sign of life {alive:.0f} s ago")
    else:
        lines.append(f"  held by nobody; the lease of {lease['owner']} is over" if lease else "  held by nobody")
    if journal["forced"]:
        lines.append(f"  the last change was forced by {journal['changed_by']}: {journal['forced']}")
    lines.append(f"  way back: {way_back(journal, result)}")
    if journal["rollback_proven"]:
        lines.append(f"  {_proven(journal['rollback_proven'])}")
    return lines


def _held(journal: dict[str, Any], hold: dict[str, Any], now: float) -> str:
    step = f"{hold['step']}% {journal['candidate']}" if hold["step"] else "the cutover"
    step = f"the cohort on {journal['candidate']}" if "cohort" in journal["routing"] else step
    if hold["answer"]:
        return f"{step}: {hold['by']} has answered {hold['answer']} {now - hold['answered_at']:.0f} s ago"
    since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(hold["since"]))
    left = hold["until"] - now
    after = {"rollback": "then it goes back", "go": "then it goes on"}[hold["on_timeout"]]
    rest = f"{left:.0f} s left, {after}" if left > 0 else f"over for {-left:.0f} s"
    return f"waits for approval of {step} since {since} ({rest}): promote.yml, or turnout promote {journal['service']}"


def _proven(proof: dict[str, Any]) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime(proof["at"]))
    if proof["lost"]:
        return f"rollback last tried {day}, {proof['ms']:g} ms, and {proof['lost']} requests were LOST"
    return f"rollback last proven {day}, {proof['ms']:g} ms"


def way_back(journal: dict[str, Any], result: dict[str, Any]) -> str:
    """Whether a rollback would work now, and what it would do."""
    at_rest = result["durable"] == journal["routing"] == {**(result["split"] or {}), "sticky": result["sticky"]}
    at_rest = at_rest and journal["routing"][journal["stable"]] == 100
    colour = journal["stable"] if journal["candidate"] else journal["rollback_to"] or (None if at_rest else journal["stable"])
    if colour is None:
        return "none: the stable colour has no earlier release to go back to"
    if not result["capacity"][colour]["healthy"]:
        return f"{colour}, but no server of it is healthy"
    release = journal["releases"].get(colour, "release not known")
    return f"{colour} ({release}), at once: turnout rollback {journal['service']}"
