"""Options of the three engines, and what a probe's result means."""

from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput, Refused, TurnoutError
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.errors import RequestsLost, SplitDiffers
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.load_test import LoadTest, _shares
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.probe import ProbeOptions, judge, result
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.tally import Tally
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.warm_up import WarmUp
from hypothesis import given
from hypothesis import strategies as st

from .test_tally import outcome

URL = {"url": "http://router/"}
GREEN = {"service": "shop", "colour": "green"}


def found(options: ProbeOptions, green: int, blue: int, lost: int = 0) -> dict:
    counted = Tally(options.accepted, options.colour_header, 0.0)
    for colour, number in (("green", green), ("blue", blue), (None, lost)):
        for _n in range(number):
            counted.add(outcome(200, colour) if colour else outcome(), 1.0)
    return result(options, counted.window(2.0))


def test_defaults_of_the_probe():
    options = ProbeOptions.parse(URL)
    assert (options.rate, options.count, options.connections) == (10, 100, "both")
    assert 200 in options.accepted
    assert 399 in options.accepted
    assert 400 not in options.accepted


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"rate": 501}, "rate is 501 requests per second: expected more than 0 and at most 500"),
        ({"rate": 0}, "rate is 0"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"seconds": 1, "count": 1}, "seconds and count are both given"),
        ({"seconds": 0}, "seconds is 0"),
        ({"seconds": float("inf")}, "number of requests"),
        ({"count": 0}, "count is 0"),
        ({"count": 10**7}, "count is 1e\\+07"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"split": {"purple": 1}}, "'purple' is unknown"),
        ({"split": {"green": 25}, "confidence": 1}, "confidence is 1"),
        ({"connections": "some"}, "connections"),
        ({"timeuot": 3}, "timeuot"),
        ({"status": []}, "status is empty"),
    ],
)
def test_options_of_the_probe_that_make_no_sense(given, told):
    with pytest.raises(BadInput, match=told):
        ProbeOptions.parse({**URL, **given})


@pytest.mark.parametrize(
    ("given", "answers", "error"),
    [
        ({}, (10, 10, 0), None),
        ({}, (10, 10, 1), RequestsLost),
        ({}, (0, 0, 0), RequestsLost),
        ({"max_lost": 1}, (10, 10, 1), None),
        ({"fail_on_lost": False}, (10, 10, 9), None),
        ({"split": {"green": 25}}, (250, 750, 0), None),
        ({"split": {"blue": 50}}, (250, 750, 0), SplitDiffers),
        ({"split": {"green": 50}, "fail_on_split": "never"}, (250, 750, 0), None),
        ({"split": {"green": 25}}, (2, 8, 0), None),
        ({"split": {"green": 25}, "fail_on_split": "unproven"}, (2, 8, 0), SplitDiffers),
        ({"split": {"green": 25}, "fail_on_split": "unproven"}, (250, 750, 0), None),
        ({"split": {"green": 25}, "fail_on_split": "unproven", "independent": False}, (250, 750, 0), SplitDiffers),
    ],
)
def test_what_fails_a_probe(given, answers, error):
    options = ProbeOptions.parse({**URL, **given})
    seen = found(options, *answers)
    if error is None:
        judge(options, seen)
        return
    with pytest.raises(error) as raised:
        judge(options, seen)
    assert raised.value.details["requests"] == sum(answers)


def test_a_result_of_the_probe():
    seen = found(ProbeOptions.parse({**URL, "split": {"green": 25}}), 250, 750, 2)
    assert seen["msg"].startswith("http://router/: 1002 requests in 2.0 s; 2 lost (connection refused: 2); blue 75%; green 25%;")
    assert seen["split"]["consistent"] is True
    assert seen["colours"]["blue"]["asked_percent"] == 75
    assert seen["colours"]["green"]["latency_ms"]["p95"] == 100


def test_no_answer_is_never_a_split():
    seen = found(ProbeOptions.parse({**URL, "split": {"green": 25}}), 0, 0, 2)
    assert seen["split"]["verdict"] == "too_few"
    assert seen["latency_ms"] == {"p50": None, "p95": None, "p99": None}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "neither urls nor access_log is given"),
        ({"urls": ["/"], "window": 19}, "window is 19"),
        ({"urls": ["/"], "max_requests": 599}, "max_requests is 599: expected at least 600"),
        ({"urls": [f"/{number}" for number in range(301)], "max_requests": 902}, "expected at least 903"),
        ({"urls": ["/"], "max_seconds": 0}, "max_seconds is 0"),
        ({"urls": ["/"], "colour": "purple"}, "purple"),
        ({"urls": ["x"]}, "path 1 of 1"),
    ],
)
def test_options_of_the_warm_up_that_make_no_sense(given, told):
    with pytest.raises(BadInput, match=told):
        WarmUp.parse({**GREEN, **given})


def test_a_warm_up_asks_for_each_path_once_and_by_name():
    options = WarmUp.parse({**GREEN, "urls": ["/a", "/b", "/a"]})
    assert [request.path for request in options.asked.requests] == ["/a", "/b"]
    assert options.window == 200
    assert b"X-Bluegreen-Preview: green\r\n" in options.asked.requests[0].kept
    assert b"X-Bluegreen-Service: shop\r\n" in options.asked.requests[0].kept


def test_an_empty_log_says_what_was_read(tmp_path):
    log = tmp_path / "access.log"
    log.write_text("one\ntwo\n")
    with pytest.raises(BadInput, match="2 lines were read, 2 are not in its format, 0 look like secrets"):
        WarmUp.parse({**GREEN, "access_log": {"path": str(log)}})
    assert WarmUp.parse({**GREEN, "urls": ["/"], "access_log": {"path": str(log)}}).source()["access_log"]["lines"] == 2


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"percent": 5}, Refused, "green has 5% of the traffic of shop"),
        ({"percent": 100}, Refused, "green has 100%"),
        ({"percent": -1}, BadInput, "percent is -1"),
        ({"percent": 0, "max_ratio": 1.3}, BadInput, "max_ratio is given without compare"),
        ({"percent": 0, "max_error_percent": 101}, BadInput, "max_error_percent"),
        ({"percent": 0, "rate": 900}, BadInput, "rate is 900"),
        ({}, BadInput, "percent"),
    ],
)
def test_a_load_test_that_is_refused(given, error, told):
    with pytest.raises(TurnoutError, match=told) as raised:
        LoadTest.parse({**GREEN, **given})
    assert raised.value.reason == error.reason


@pytest.mark.parametrize(("given", "rate"), [({}, 20), ({"rate": 8}, 8), ({"rate": 300}, 20), ({"stable_rate": 50}, 50)])
def test_the_stable_colour_is_asked_gently(given, rate):
    options = LoadTest.parse({**GREEN, "percent": 0, "compare": True, "seconds": 10, **given})
    assert options.stable_rate == rate
    assert options.planned["blue"] == rate * 10
    assert options.stable is not None
    assert b"X-Bluegreen-Preview: blue" in options.stable.requests[0].kept


@given(st.integers(0, 5000), st.integers(1, 50))
def test_slices_add_up(total, parts):
    shares = list(_shares(total, parts))
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1
