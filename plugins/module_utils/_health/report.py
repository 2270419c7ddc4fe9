# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module says about a finished poll. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .poller import Record, Verdict
from .stats import percentiles
from .targets import Target

_REASONS = 20
_NEXT = (
    "Send no traffic to them. Look at their own logs for the reasons above and poll again; "
    "when they only need more time, raise deadline (or max_failures)"
)


def result(records: Sequence[Record], duration: float) -> dict[str, Any]:
    """The return values, without ``changed``. ``duration`` is in seconds."""
    unhealthy = [record for record in records if record.verdict is not Verdict.HEALTHY]
    return {
        "msg": _message(records, unhealthy, duration),
        "targets": [_row(record) for record in records],
        "unhealthy": [record.target.name for record in unhealthy],
        "summary": {
            "total": len(records),
            "healthy": len(records) - len(unhealthy),
            "unhealthy": len(unhealthy),
            "tries": sum(record.tries for record in records),
            "duration_s": round(duration, 3),
            "latency_ms": percentiles(sample for record in records for sample in record.latencies.samples()),
        },
    }


def invocation(params: Mapping[str, Any], targets: Sequence[Target]) -> dict[str, Any]:
    """The options as they may be shown: no request header, no user or password of a URL."""
    shown = {**params, "targets": [target.url for target in targets]}
    # Greedy, because a password may have a slash in it that makes the URL unusable and is no less secret.
    shown["base_url"] = re.sub(r"//.*@", "//", params.get("base_url") or "") or None
    shown["headers"] = dict.fromkeys(params["headers"] or {}, "********")
    return {"module_args": shown}


def _row(record: Record) -> dict[str, Any]:
    return {
        "name": record.target.name,
        "url": record.target.url,
        "healthy": record.verdict is Verdict.HEALTHY,
        "tries": record.tries,
        "successes": record.successes,
        "last_error": record.last_error,
        "latency_ms": percentiles(record.latencies.samples()),
    }


def _message(records: Sequence[Record], unhealthy: Sequence[Record], duration: float) -> str:
    if not unhealthy:
        return f"All {len(records)} targets are healthy after {duration:.1f} s"
    groups: dict[str, list[str]] = {}
    for record in unhealthy:
        groups.setdefault(record.reason, []).append(record.target.name)
    ranked = sorted(groups.items(), key=lambda group: -len(group[1]))
    rest = [name for _reason, names in ranked[_REASONS:] for name in names]
    if rest:
        ranked = [*ranked[:_REASONS], ("other reasons, see targets", rest)]
    told = "; ".join(f"{reason} ({len(names)}): {', '.join(names)}" for reason, names in ranked)
    return f"{len(unhealthy)} of {len(records)} targets are not healthy after {duration:.1f} s. {told}. {_NEXT}."
