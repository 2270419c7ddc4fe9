from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.limits import Limits, problems, ratio


def figures(p95: float | None = 10.0, lost: int = 0, not_started: int = 0, good: int = 200) -> dict:
    return {
        "planned": 200,
        "requests": 200 - not_started,
        "not_started": not_started,
        "lost": lost,
        "lost_reasons": {"status 503": lost} if lost else {},
        "error_percent": lost / 2,
        "good_answers": good,
        "latency_ms": {"p50": p95, "p95": p95, "p99": p95},
    }


def found(limits: Limits, green: dict, blue: dict | None = None) -> list[str]:
    return list(problems(limits, "green", {"green": green, **({"blue": blue} if blue else {})}))


@pytest.mark.parametrize(
    ("limits", "green", "blue"),
    [
        (Limits(), figures(5000), None),
        (Limits(), figures(lost=2), None),
        (Limits(max_p95=10), figures(10), None),
        (Limits(max_ratio=1.3), figures(13), figures(10)),
        (Limits(max_ratio=1.3), figures(4.9), figures(0.0)),
        (Limits(max_ratio=1.3), figures(9), figures(10, lost=10)),
    ],
)
def test_within_the_limits(limits, green, blue):
    assert found(limits, green, blue) == []


@pytest.mark.parametrize(
    ("limits", "green", "blue", "told"),
    [
        (Limits(), figures(lost=3), None, "green: 3 lost (status 503: 3) of 200 requests, limit 2 of 200"),
        (Limits(max_error_percent=0), figures(lost=1), None, "green: 1 lost (status 503: 1) of 200 requests, limit 0 of 200"),
        (Limits(), figures(not_started=3), None, "green: 3 of 200 requests could not start: it or this host is too slow"),
        (Limits(max_p95=10), figures(10.1), None, "p95 of green is 10.1 ms, limit 10 ms"),
        (Limits(max_ratio=1.3), figures(20), figures(10), "p95 of green is 2 times that of blue, limit 1.3"),
        (Limits(max_ratio=1.3), figures(20), figures(0.0), "p95 of green is 2000 times that of blue, limit 1.3"),
        (Limits(max_p95=10), figures(1, good=99), None, "too few good answers for a p95, 100 are needed: green gave 99"),
        (
            Limits(max_ratio=2),
            figures(10),
            figures(None, good=0),
            "too few good answers for a p95, 100 are needed: blue gave 0",
        ),
        (
            Limits(),
            figures(),
            figures(lost=11),
            "blue: 11 lost (status 503: 11) of 200 requests, it is live, so the test was stopped",
        ),
    ],
)
def test_over_a_limit(limits, green, blue, told):
    assert found(limits, green, blue) == [told]


def test_a_ratio_needs_both():
    assert ratio({"green": figures(10)}, "green") is None
    assert ratio({"green": figures(10), "blue": figures(None)}, "green") is None
    assert ratio({"green": figures(10), "blue": figures(4)}, "green") == 2.5
