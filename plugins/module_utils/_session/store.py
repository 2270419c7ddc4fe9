# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the Redis that holds the sessions reachable, quick, and not about to throw sessions away?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from .._errors import BadInput
from .._health.targets import Tls
from .errors import StoreError
from .findings import FAIL, PASS, WARN, Finding
from .resp import Address, Redis

STORE_OPTIONS: dict[str, dict[str, Any]] = {
    "redis_url": {"type": "str", "no_log": True},
    "redis_max_latency_ms": {"type": "float", "default": 50.0},
    "redis_max_memory_percent": {"type": "float", "default": 90.0},
}
PINGS = 20
#: Percent of ``maxmemory``. A command that was refused has freed its own memory by the time that INFO is asked.
_FULL = 99.0


@dataclass(frozen=True)
class Limits:
    """Latency in milliseconds, and the used part of ``maxmemory`` in percent from which it counts as nearly full."""

    latency_ms: float
    memory_percent: float


@dataclass(frozen=True)
class Store:
    """A Redis and what is expected of it."""

    address: Address
    tls: Tls
    timeout: float
    limits: Limits

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Store:
        """From the options of the module.

        Raises:
            BadInput: an option that can not be meant.
        """
        latency, memory = params["redis_max_latency_ms"], params["redis_max_memory_percent"]
        if not latency > 0:
            raise BadInput(f"redis_max_latency_ms is {latency:g}: expected more than 0")
        if not 0 < memory <= 100:
            raise BadInput(f"redis_max_memory_percent is {memory:g}: expected more than 0 and at most 100")
        tls = Tls(params["validate_certs"], params["ca_path"])
        return cls(Address.parse(params["redis_url"]), tls, params["timeout"], Limits(latency, memory))

    @property
    def place(self) -> str:
        """Host, port and database."""
        return self.address.place

    def look(self, clock: Callable[[], float] = time.perf_counter) -> tuple[list[Finding], dict[str, Any] | None]:
        """The findings, and the figures behind them (None when it can not be asked).

        Args:
            clock: seconds, only ever forward.
        """
        try:
            with Redis(self.address, self.tls, self.timeout) as redis:
                before = parse_info(redis.command("INFO"))
                latencies = [_ping_ms(redis, clock) for _number in range(PINGS)]
                after = parse_info(redis.command("INFO"))
        except StoreError as error:
            return [Finding("store", FAIL, error.message)], None
        return judge(self.place, before, after, latencies, self.limits), figures(after, latencies)


def parse_info(text: str) -> dict[str, str]:
    """What ``INFO`` says (https://redis.io/docs/latest/commands/info/): lines ``name:value``, headings with a ``#``."""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value.strip() for name, colon, value in pairs if colon}


def figures(info: Mapping[str, str], latencies: Sequence[float]) -> dict[str, Any]:
    """The numbers for the result; null for what this server does not tell."""
    ordered = sorted(latencies)
    return {
        "version": info.get("redis_version"),
        "role": info.get("role"),
        "ping_ms": {"p50": round(ordered[len(ordered) // 2], 3), "max": round(ordered[-1], 3)},
        "used_memory": _number(info, "used_memory"),
        "maxmemory": _number(info, "maxmemory"),
        "maxmemory_policy": info.get("maxmemory_policy"),
        "evicted_keys": _number(info, "evicted_keys"),
    }


def judge(
    place: str, before: Mapping[str, str], after: Mapping[str, str], latencies: Sequence[float], limits: Limits
) -> list[Finding]:
    """From two looks at ``INFO`` and some latencies in milliseconds to findings."""
    return [
        _reachable(place, after),
        _latency(figures(after, latencies)["ping_ms"], limits.latency_ms),
        _memory(after, limits.memory_percent),
        _evictions(before, after),
    ]


def _reachable(place: str, info: Mapping[str, str]) -> Finding:
    role = info.get("role", "unknown")
    told = f"{place} answers, Redis {info.get('redis_version', 'of unknown version')}, role {role}"
    if role == "slave":
        return Finding("store", FAIL, f"{told}: a replica takes no new sessions; give the address of its master")
    return Finding("store", PASS, told)


def _latency(ping: Mapping[str, float], limit: float) -> Finding:
    told = f"{PINGS} pings, p50 {ping['p50']:.1f} ms, max {ping['max']:.1f} ms, limit {limit:g} ms"
    severity = FAIL if ping["p50"] > limit else WARN if ping["max"] > limit else PASS
    return Finding("store_latency", severity, told)


def _memory(info: Mapping[str, str], near: float) -> Finding:
    """What becomes of sessions when memory is full (https://redis.io/docs/latest/develop/reference/eviction/)."""
    used, most, policy = _number(info, "used_memory"), _number(info, "maxmemory"), info.get("maxmemory_policy", "")
    if used is None or most is None or not policy:
        return Finding("store_memory", WARN, "it does not tell used_memory, maxmemory and maxmemory_policy")
    if most == 0:
        return Finding("store_memory", PASS, f"{_mb(used)} used, no maxmemory, so nothing is thrown away")
    percent = 100 * used / most
    told = f"{_mb(used)} of maxmemory {_mb(most)} used ({percent:.0f} %), maxmemory-policy {policy}"
    full = percent >= near
    if policy == "noeviction":
        severity = FAIL if percent >= _FULL else WARN if full else PASS
        return Finding("store_memory", severity, told + (": full, it refuses new sessions" if full else ""))
    if full:
        return Finding("store_memory", FAIL, f"{told}: full, it throws sessions away, and their users are logged out")
    if policy.startswith("allkeys-"):
        return Finding("store_memory", WARN, f"{told}: when it is full, it throws sessions away; noeviction does not")
    return Finding("store_memory", PASS, told)


def _evictions(before: Mapping[str, str], after: Mapping[str, str]) -> Finding:
    first, last = _number(before, "evicted_keys"), _number(after, "evicted_keys")
    if first is None or last is None:
        return Finding("store_evictions", WARN, "it does not tell evicted_keys")
    if last > first:
        return Finding("store_evictions", FAIL, f"it threw {last - first} keys away during the {PINGS} pings")
    if last:
        return Finding("store_evictions", WARN, f"it has thrown {last} keys away since its start or the last CONFIG RESETSTAT")
    return Finding("store_evictions", PASS, "it has thrown no key away")


def _ping_ms(redis: Redis, clock: Callable[[], float]) -> float:
    began = clock()
    redis.command("PING")
    return (clock() - began) * 1000


def _number(info: Mapping[str, str], name: str) -> int | None:
    value = info.get(name, "")
    return int(value) if value.isascii() and value.isdigit() else None


def _mb(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"
