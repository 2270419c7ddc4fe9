"""What INFO means for sessions."""

from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._session.resp import Address
from ansible_collections.turnout.bluegreen.plugins.module_utils._session.store import Limits, figures, judge, parse_info

LIMITS = Limits(50.0, 90.0)
INFO = (
    "# Server\r\nredis_version:7.0.15\r\n\r\n# Memory\r\nused_memory:{used}\r\nmaxmemory:{most}\r\nmaxmemory_policy:{policy}\r\n"
)


def info(used=50, most=100, policy="noeviction", evicted=0, role="master"):
    return parse_info(INFO.format(used=used, most=most, policy=policy) + f"evicted_keys:{evicted}\r\nrole:{role}\r\n")


def judged(before, after=None, latencies=(1.0, 2.0, 3.0)):
    return {finding.check: finding.severity for finding in judge("h:6379/0", before, after or before, latencies, LIMITS)}


@pytest.mark.parametrize(
    ("used", "most", "policy", "severity"),
    [
        (99, 0, "allkeys-lru", "pass"),
        (50, 100, "noeviction", "pass"),
        (90, 100, "noeviction", "warn"),
        (98, 100, "noeviction", "warn"),
        (99, 100, "noeviction", "fail"),
        (50, 100, "allkeys-lru", "warn"),
        (89, 100, "allkeys-random", "warn"),
        (90, 100, "allkeys-lfu", "fail"),
        (89, 100, "volatile-lru", "pass"),
        (90, 100, "volatile-ttl", "fail"),
        ("", 100, "noeviction", "warn"),
        (50, 100, "", "warn"),
    ],
)
def test_memory(used, most, policy, severity):
    assert judged(info(used, most, policy))["store_memory"] == severity


@pytest.mark.parametrize(
    ("latencies", "severity"),
    [([1.0] * 20, "pass"), ([1.0] * 19 + [51.0], "warn"), ([51.0] * 20, "fail"), ([50.0] * 20, "pass")],
)
def test_latency(latencies, severity):
    assert judged(info(), latencies=latencies)["store_latency"] == severity


@pytest.mark.parametrize(("before", "after", "severity"), [(0, 0, "pass"), (7, 7, "warn"), (7, 8, "fail"), ("x", 8, "warn")])
def test_evictions(before, after, severity):
    assert judged(info(evicted=before), info(evicted=after))["store_evictions"] == severity


def test_a_replica_takes_no_sessions():
    assert judged(info(role="slave"))["store"] == "fail"
    assert judged(info())["store"] == "pass"


def test_what_is_not_told_is_null():
    assert figures({}, [1.0]) == {
        "version": None,
        "role": None,
        "ping_ms": {"p50": 1.0, "max": 1.0},
        "used_memory": None,
        "maxmemory": None,
        "maxmemory_policy": None,
        "evicted_keys": None,
    }


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", Address("cache", 6379, False, "", "", 0)),
        ("rediss://ann:p%40ss%2F@[::1]:7000/3", Address("::1", 7000, True, "ann", "p@ss/", 3)),
        ("redis://:pass@cache/", Address("cache", 6379, False, "", "pass", 0)),
    ],
)
def test_urls(url, address):
    assert Address.parse(url) == address
    assert "pass" not in address.place


@pytest.mark.parametrize("url", ["http://:secret@x", "redis://", "redis://:secret@x:port", "redis://:secret@x/db", "cache:6379"])
def test_what_is_no_url_is_not_repeated(url):
    with pytest.raises(BadInput, match="redis_url") as error:
        Address.parse(url)
    assert "secret" not in str(error.value)
