from __future__ import annotations

from ansible_collections.turnout.bluegreen.plugins.module_utils._health.expectations import (
    Expectation,
    Outcome,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.poller import Record
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.report import invocation, result
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.targets import Policy, Target


def record(name: str, *outcomes: Outcome) -> Record:
    made = Record(Target(name, f"http://{name}/", name, 80, Policy(), Expectation()))
    for outcome in outcomes:
        made.add(outcome)
    return made


def test_a_healthy_poll():
    told = result([record("a", Outcome(0.2, "odd"), Outcome(0.1))], 1.26)
    assert told["msg"] == "All 1 targets are healthy after 1.3 s"
    assert told["unhealthy"] == []
    assert told["targets"] == [
        {
            "name": "a",
            "url": "http://a/",
            "healthy": True,
            "tries": 2,
            "successes": 1,
            "last_error": "odd",
            "latency_ms": {"p50": 100.0, "p95": 200.0, "p99": 200.0},
        }
    ]
    assert told["summary"] == {
        "total": 1,
        "healthy": 1,
        "unhealthy": 0,
        "tries": 2,
        "duration_s": 1.26,
        "latency_ms": {"p50": 100.0, "p95": 200.0, "p99": 200.0},
    }


def test_every_unhealthy_target_is_named_under_its_reason_the_largest_group_first():
    refused, down = Outcome(None, "connection refused"), Outcome(0.1, "status 503")
    told = result([record("a", down), record("b", refused), record("c", refused), record("d", Outcome(0.1))], 2)
    assert told["msg"].startswith(
        "3 of 4 targets are not healthy after 2.0 s. connection refused (2): b, c; status 503 (1): a. Send no traffic"
    )
    assert told["unhealthy"] == ["a", "b", "c"]


def test_a_thousand_targets_with_a_thousand_reasons_are_all_named_in_a_bounded_message():
    names = [f"web-{number:04}" for number in range(1000)]
    message = result([record(name, Outcome(0.1, f"reason of {name} " + "." * 90)) for name in names], 9)["msg"]
    assert all(name in message for name in names)
    assert "other reasons, see targets (980)" in message
    assert len(message) < 1000 * 10 + 20 * 150 + 500


def test_the_options_are_shown_without_secrets():
    target = record("a").target
    params = {"targets": ["http://me:pw@a/"], "headers": {"Authorization": "Bearer x"}, "deadline": 3}
    params["base_url"] = "http://me:p/w@a"
    assert invocation(params, [target]) == {
        "module_args": {
            "targets": ["http://a/"],
            "headers": {"Authorization": "********"},
            "deadline": 3,
            "base_url": "http://a",
        }
    }
