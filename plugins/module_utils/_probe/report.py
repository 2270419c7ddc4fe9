# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules say about figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._health.stats import percentiles
from .tally import ColourWindow, ProbeWindow


def lost(reasons: Mapping[str, int]) -> str:
    """``12 lost (connection refused: 10, status 503: 2)``."""
    told = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
    return f"{sum(reasons.values())} lost" + (f" ({told})" if told else "")


def colour(window: ColourWindow, total: int) -> dict[str, Any]:
    """The figures of one colour; ``total`` is the number of answers that name a colour."""
    return {
        "answers": window.answers,
        "refused": window.refused,
        "percent": round(100 * window.answers / total, 2) if total else None,
        "first_at": window.first_at,
        "last_at": window.last_at,
        "latency_ms": percentiles(window.latencies),
    }


def latency(windows: Iterable[ColourWindow]) -> dict[str, float | None]:
    """Percentiles over several colours, in milliseconds."""
    return percentiles(sample for window in windows for sample in window.latencies)


def counts(window: ProbeWindow) -> dict[str, Any]:
    """The figures that do not depend on colours. Their names are none that Ansible gives a meaning to, such as ``skipped``."""
    return {
        "requests": window.requests,
        "not_started": window.not_started,
        "retried": window.retried,
        "lost": sum(window.lost.values()),
        "lost_reasons": dict(window.lost),
        "unknown": window.unknown.answers,
        "seconds": round(window.ended - window.began, 3),
    }
